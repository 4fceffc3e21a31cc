//! Ends sandboxes whose time is over, and says so one minute before.

use std::{sync::Arc, time::Duration};

use wire::sandbox::{OnTimeout, SandboxEventKind};

use super::Keeper;
use crate::{
    clock::Moment,
    sandbox::{Life, Sandbox},
};

/// How long before its end a sandbox's end is announced.
const WARNING: Duration = Duration::from_secs(60);
/// The longest sleep; also after what failed.
const LONGEST: Duration = Duration::from_secs(30);
/// The shortest, so that what fails at once does not take a core.
const SHORTEST: Duration = Duration::from_millis(10);

/// What is due at a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Warning,
    End,
}

/// What is due, and when to look again.
fn due(ends: Moment, now: Moment, warned: bool) -> (Due, Option<Moment>) {
    let warns = Moment(
        ends.0
            .saturating_sub(u64::try_from(WARNING.as_millis()).unwrap_or(u64::MAX)),
    );
    if ends <= now {
        (Due::End, None)
    } else if warned {
        (Due::Nothing, Some(ends))
    } else if warns <= now {
        (Due::Warning, Some(ends))
    } else {
        (Due::Nothing, Some(warns))
    }
}

impl Keeper {
    /// Works until `stopping`.
    pub(super) async fn expire(self: &Arc<Self>) {
        loop {
            let mut next = Moment::now().after(LONGEST);
            for sandbox in self.living() {
                // Time stands still for one that is paused.
                if matches!(sandbox.life(), Life::Paused(_)) {
                    continue;
                }
                let ends = sandbox.with_record(|record| record.ends);
                let warned = sandbox.warned.load(std::sync::atomic::Ordering::Relaxed);
                let (due, again) = due(ends, Moment::now(), warned);
                match due {
                    Due::Nothing => {}
                    Due::Warning if sandbox.warns_first() => {
                        let ends_at_ms = ends.unix_ms();
                        self.tell(&sandbox, SandboxEventKind::EndsSoon { ends_at_ms });
                    }
                    Due::Warning => {}
                    Due::End => {
                        let keeper = Arc::clone(self);
                        self.tasks
                            .spawn(async move { keeper.time_is_over(&sandbox).await });
                    }
                }
                next = again.map_or(next, |again| again.min(next));
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.ends_changed.notified() => {}
                () = tokio::time::sleep(next.until().max(SHORTEST)) => {}
            }
        }
    }

    async fn time_is_over(self: &Arc<Self>, sandbox: &Arc<Sandbox>) {
        // Whoever changes it now may give it more time.
        let changing = sandbox.change.lock().await;
        let (ends, on_timeout) = sandbox.with_record(|record| (record.ends, record.on_timeout));
        if ends > Moment::now() || !matches!(sandbox.life(), Life::Running(_) | Life::Detached) {
            return;
        }
        let done = match on_timeout {
            OnTimeout::Kill => self.end(sandbox, "it expired").await.map(drop),
            OnTimeout::Pause => self.freeze(sandbox).await.map(drop),
        };
        drop(changing);
        if let Err(error) = done {
            tracing::warn!(id = %sandbox.id, %error, "could not end a sandbox whose time is over; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use containers::EngineChoice;
    use wire::sandbox::SandboxEvent;

    use super::*;
    use crate::{
        clock::{JUMPED_MS, unix_ms},
        record::tests::record,
        settings::{Options, Settings},
        testing::Inside,
    };

    #[test]
    fn the_end_is_announced_a_minute_before() {
        let ends = Moment(100_000);
        let at = |now, warned| due(ends, Moment(now), warned);
        assert_eq!(at(10_000, false), (Due::Nothing, Some(Moment(40_000))));
        assert_eq!(at(40_000, false), (Due::Warning, Some(ends)));
        assert_eq!(at(50_000, true), (Due::Nothing, Some(ends)));
        assert_eq!(at(100_000, true).0, Due::End);
        // One that lives for less than a minute is announced at once.
        assert_eq!(due(Moment(5), Moment(1), false).0, Due::Warning);
    }

    const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3600 * 1000;

    /// A sandbox of the keeper's, with so long to live.
    async fn living(keeper: &Keeper, inside: &Inside, id: &str, left: Duration) -> Arc<Sandbox> {
        let Life::Running(session) = inside.sandbox().await.life() else {
            panic!("it runs")
        };
        let mut record = record(id);
        record.ends = Moment::now().after(left);
        let sandbox = Sandbox::new(record, 0, Life::Running(session));
        let id = sandbox.id.clone();
        keeper.all.lock().insert(id, Arc::clone(&sandbox));
        keeper.end_time_changed();
        sandbox
    }

    #[tokio::test]
    async fn a_wall_clock_that_jumps_ends_nothing_early_and_nothing_late() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("no-engine.sock");
        let keeper = Keeper::new(Options {
            engine: EngineChoice::new(Some(format!("unix://{}", nowhere.display()))),
            data_dir: folder.path().to_owned(),
            instance: None,
            settings: Settings {
                pool: Vec::new(),
                ..Settings::default()
            },
            init_binary: nowhere,
        })
        .unwrap();
        let mut events = keeper.events.subscribe();
        let expiring = Arc::clone(&keeper);
        let expiring = tokio::spawn(async move { expiring.expire().await });
        let (first, hour) = (Inside::start(), Duration::from_secs(3600));
        let long = living(&keeper, &first, "a", hour).await;
        let ends = async |events: &mut tokio::sync::broadcast::Receiver<SandboxEvent>, id: &str| {
            loop {
                let told = tokio::time::timeout(hour / 60, events.recv()).await;
                let told = told.expect("in time").expect("told");
                assert_eq!(told.sandbox_id.as_str(), id, "{told:?}");
                if matches!(told.kind, SandboxEventKind::Ended { .. }) {
                    return;
                }
            }
        };
        for jump in [TEN_YEARS_MS, -TEN_YEARS_MS] {
            JUMPED_MS.set(jump);
            // One whose time is over is ended: so the other was looked at too.
            let other = Inside::start();
            living(&keeper, &other, "b", Duration::ZERO).await;
            ends(&mut events, "b").await;
            let view = long.view();
            assert_eq!(view.state, wire::sandbox::SandboxState::Running);
            let left_ms = view.ends_at_ms.abs_diff(unix_ms());
            assert!(
                left_ms.abs_diff(3_600_000) < 600_000,
                "{left_ms} ms are shown"
            );
            keeper.all.lock().retain(|id, _| id.as_str() == "a");
        }
        // Ten years before its end by the wall's clock.
        long.with_record(|record| record.ends = Moment::now());
        keeper.end_time_changed();
        ends(&mut events, "a").await;
        keeper.stopping.cancel();
        expiring.await.unwrap();
    }
}
