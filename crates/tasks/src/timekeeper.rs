//! Does what time brings in a store: sweeps, and tasks of schedules. Any number of processes may do it at
//! once, since each thing is done in one transaction by whoever is first.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Cron, Firing, NewTask, ScheduleRecord, Store, TaskError};

/// Between two sweeps, however much changes.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest time between two, as the wall's clock may jump.
const LONGEST: Duration = Duration::from_secs(10);
/// How soon after a failure of the store.
const AGAIN: Duration = Duration::from_secs(1);

/// Does what time brings in a store.
#[derive(Debug)]
pub struct Timekeeper {
    store: Arc<dyn Store>,
}

impl Timekeeper {
    /// For a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Works until `stop`, or until the store is gone.
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.store.changes();
        loop {
            changes.mark_unchanged();
            let wait = match self.turn().await {
                Ok(wait) => wait.min(LONGEST),
                Err(TaskError::Stopping) => return,
                Err(error) => {
                    tracing::warn!(%error, "what time brings to the task queue could not be done");
                    AGAIN
                }
            };
            let until = Instant::now() + wait;
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(until) => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Does all that is due; answers when something is next.
    async fn turn(&self) -> Result<Duration, TaskError> {
        let swept = loop {
            let swept = self.store.sweep().await?;
            if !swept.more {
                break swept;
            }
        };
        let mut next = swept.next.unwrap_or(LONGEST);
        for schedule in self.store.schedules(None).await? {
            if let Some(due) = self.fire(schedule).await? {
                next = next.min(due);
            }
        }
        Ok(next)
    }

    /// Makes a schedule's tasks if its time came; answers how long its next time is away.
    async fn fire(&self, schedule: ScheduleRecord) -> Result<Option<Duration>, TaskError> {
        let Some(came_ms) = schedule.next_ms else {
            return Ok(None);
        };
        let now = self.store.now_ms();
        if came_ms > now {
            let left = u64::try_from(came_ms - now).unwrap_or_default();
            return Ok(Some(Duration::from_millis(left)));
        }
        let firing = firing(schedule, came_ms, now);
        let next = firing.next_ms;
        match self.store.fire(firing).await {
            // Somebody removed it just now.
            Ok(_) | Err(TaskError::ScheduleNotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let left = next.map(|next| u64::try_from(next - now).unwrap_or_default());
        Ok(left.map(Duration::from_millis))
    }
}

fn firing(schedule: ScheduleRecord, came_ms: i64, now: i64) -> Firing {
    let ScheduleRecord {
        id, owner, request, ..
    } = schedule;
    let made = Cron::of(&request).and_then(|cron| {
        let (count, next) = cron.due(came_ms, now, request.missed);
        let task = NewTask::of(request.task, owner)?;
        Ok((vec![task; count], next))
    });
    let (tasks, next_ms, error) = match made {
        Ok((tasks, next)) => (tasks, next, None),
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    Firing {
        id,
        came_ms: Some(came_ms),
        next_ms,
        tasks,
        error,
    }
}
