//! Waits until no cell of a machine waits or runs, or ends those that do. A machine is asked for their
//! number alone, again and again; for a list of them only to end them.

use std::time::Duration;

use containers::CancellationToken;
use tokio::time::Instant;
use wire::evolve::RunningCell;

use super::inside::Inside;
use crate::error::LifecycleError;

/// A machine's cells, as a run sees them.
pub(super) trait Cells {
    /// How many wait or run.
    fn count(&self) -> impl Future<Output = Result<u64, LifecycleError>> + Send;

    /// Takes all of them out of the queue and interrupts those that run.
    fn end(&self) -> impl Future<Output = Result<(), LifecycleError>> + Send;
}

impl Cells for Inside<'_> {
    async fn count(&self) -> Result<u64, LifecycleError> {
        self.open_cells().await
    }

    async fn end(&self) -> Result<(), LifecycleError> {
        self.end_cells().await
    }
}

/// How long cells are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// In all.
    pub limit: Duration,
    /// Between two looks.
    pub look: Duration,
    /// Before cells that an interrupt did not end are interrupted again.
    pub again: Duration,
}

/// Sees to the cells that are open; `tell` hears once how many there are.
///
/// # Errors
/// [`LifecycleError::CellsRun`] if they may not run, or run for too long.
pub(super) async fn see_to(
    cells: &impl Cells,
    what: RunningCell,
    patience: Patience,
    cancel: &CancellationToken,
    tell: impl FnOnce(u64),
) -> Result<(), LifecycleError> {
    let began = Instant::now();
    let mut ended: Option<Instant> = None;
    let mut tell = Some(tell);
    loop {
        let count = cells.count().await?;
        if count == 0 {
            return Ok(());
        }
        match what {
            RunningCell::Refuse => return Err(LifecycleError::CellsRun { count }),
            RunningCell::Interrupt if ended.is_none_or(|at| at.elapsed() >= patience.again) => {
                cells.end().await?;
                ended = Some(Instant::now());
            }
            RunningCell::Interrupt | RunningCell::Wait => {}
        }
        if let Some(tell) = tell.take() {
            tell(count);
        }
        if began.elapsed() >= patience.limit {
            return Err(LifecycleError::CellsRun { count });
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(LifecycleError::Cancelled),
            () = tokio::time::sleep(patience.look) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Cells that are there for so many looks, and what was asked of them.
    struct Few {
        looks: Mutex<u64>,
        asked: Mutex<Vec<&'static str>>,
    }

    impl Few {
        fn of(looks: u64) -> Self {
            Self {
                looks: Mutex::new(looks),
                asked: Mutex::default(),
            }
        }

        async fn see_to(&self, what: RunningCell, limit: Duration) -> Result<(), LifecycleError> {
            let patience = Patience {
                limit,
                look: Duration::from_millis(1),
                again: Duration::from_secs(600),
            };
            let mut told = Vec::new();
            let cancel = CancellationToken::new();
            let seen = see_to(self, what, patience, &cancel, |count| told.push(count)).await;
            assert!(told.len() <= 1, "{told:?}");
            seen
        }
    }

    impl Cells for Few {
        async fn count(&self) -> Result<u64, LifecycleError> {
            self.asked.lock().unwrap().push("count");
            let mut looks = self.looks.lock().unwrap();
            *looks = looks.saturating_sub(1);
            Ok(*looks)
        }

        async fn end(&self) -> Result<(), LifecycleError> {
            self.asked.lock().unwrap().push("end");
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_waits_asks_for_nothing_but_the_number() {
        let cells = Few::of(5);
        cells.see_to(RunningCell::Wait, LONG).await.unwrap();
        assert_eq!(*cells.asked.lock().unwrap(), ["count"; 5]);
    }

    #[tokio::test]
    async fn who_interrupts_lists_the_cells_once_and_not_with_every_look() {
        let cells = Few::of(5);
        cells.see_to(RunningCell::Interrupt, LONG).await.unwrap();
        let asked = cells.asked.lock().unwrap();
        assert_eq!(*asked, ["count", "end", "count", "count", "count", "count"]);
    }

    #[tokio::test]
    async fn cells_that_may_not_run_or_run_too_long_are_a_failure() {
        let cells = Few::of(5);
        let refused = cells.see_to(RunningCell::Refuse, LONG).await;
        assert!(matches!(
            refused,
            Err(LifecycleError::CellsRun { count: 4 })
        ));
        let late = Few::of(5).see_to(RunningCell::Wait, Duration::ZERO).await;
        assert!(matches!(late, Err(LifecycleError::CellsRun { count: 4 })));
        // Nothing is open: nothing is refused.
        Few::of(1)
            .see_to(RunningCell::Refuse, Duration::ZERO)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_run_that_is_cancelled_waits_no_longer() {
        let cells = Few::of(u64::MAX);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let patience = Patience {
            limit: LONG,
            look: LONG,
            again: LONG,
        };
        let seen = see_to(&cells, RunningCell::Wait, patience, &cancel, |_| ()).await;
        assert!(matches!(seen, Err(LifecycleError::Cancelled)));
    }
}
