//! One attempt: it runs, is asked to end when its time is over, and its end is stored.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use wire::task::AttemptOutcome;

use super::executor::{Executor, Running};
use crate::{ClaimedTask, Ending, Lease, Report, Store, TaskError};

/// How long it takes at most until a line of log is stored.
const REPORT: Duration = Duration::from_millis(300);
/// How long an executor may clean up.
const CLEANING: Duration = Duration::from_secs(30);
/// Grace time when the worker is stopped, however long the task's own is.
const STOPPING: Duration = Duration::from_secs(10);
/// How long after a failure of the store an end is stored again; it doubles up to the longest.
const AGAIN: Duration = Duration::from_millis(100);
const LONGEST_AGAIN: Duration = Duration::from_secs(5);

/// Why an attempt is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The task is to be cancelled.
    Cancelled,
    /// The worker ends, and gives the task back.
    Returned,
    /// The attempt isn't this worker's any more.
    LeaseEnded,
}

/// Remote control of an attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    reason: Mutex<Option<Reason>>,
    news: Notify,
}

impl Attempt {
    /// Asks it to end. The end of a lease counts more than what was asked before.
    pub(super) fn ask(&self, reason: Reason) {
        let mut known = self.0.reason.lock();
        if known.is_none() || reason == Reason::LeaseEnded {
            *known = Some(reason);
            drop(known);
            self.0.news.notify_one();
        }
    }

    /// Runs a task to the attempt's end, and stores that.
    pub(super) async fn run(&self, store: &dyn Store, executor: &dyn Executor, task: ClaimedTask) {
        let lease = task.lease.clone();
        let (timeout, grace) = (task.timeout, task.grace);
        let running = Running::default();
        let mut work = executor.run(task, running.clone());
        let started = Instant::now();
        let mut has_timed_out = false;
        // When it is told to end at once, and when it is dropped.
        let mut limits: Option<(Instant, Instant)> = None;
        let mut report_at: Option<Instant> = None;
        let ending = loop {
            let is_asked = limits.is_some();
            tokio::select! {
                ending = &mut work => break ending,
                () = sleep_until(started + timeout), if !is_asked => {
                    has_timed_out = true;
                    running.stop.asked.cancel();
                    let now = Instant::now();
                    limits = Some((now + grace, now + grace + CLEANING));
                }
                () = self.0.news.notified() => {
                    running.stop.asked.cancel();
                    let now = Instant::now();
                    let grace = match *self.0.reason.lock() {
                        Some(Reason::LeaseEnded) => Duration::ZERO,
                        Some(Reason::Returned) => grace.min(STOPPING),
                        _ => grace,
                    };
                    let limit = (now + grace, now + grace + CLEANING);
                    limits = Some(limits.map_or(limit, |known| known.min(limit)));
                }
                () = until(limits.map(|(now, _)| now)), if is_asked && !running.stop.now.is_cancelled() => {
                    running.stop.now.cancel();
                }
                () = until(limits.map(|(_, dropped)| dropped)), if is_asked => {
                    break Ending::failed("it did not end when its worker asked it to");
                }
                () = running.tell.news(), if report_at.is_none() => {
                    report_at = Some(Instant::now() + REPORT);
                }
                () = until(report_at), if report_at.is_some() => {
                    report_at = None;
                    let report = running.tell.take();
                    if let Err(error) = tell(store, &lease, report).await {
                        tracing::debug!(%error, id = %lease.id, "log of a task was not stored");
                    }
                }
            }
        };
        drop(work);
        let reason = *self.0.reason.lock();
        if reason == Some(Reason::LeaseEnded) {
            tracing::warn!(id = %lease.id, attempt = lease.attempt, "an attempt ended whose lease was over");
            return;
        }
        let ending = judged(ending, has_timed_out.then_some(timeout), reason);
        self.store_end(store, &lease, running.tell.take(), ending)
            .await;
    }

    /// Stores an end, again and again while the store fails. If it fails for longer than the lease, the
    /// attempt is lost.
    async fn store_end(&self, store: &dyn Store, lease: &Lease, report: Report, ending: Ending) {
        let mut again = AGAIN;
        loop {
            let stored = store
                .end(lease.clone(), report.clone(), ending.clone())
                .await;
            match stored {
                Ok(_) => return,
                Err(TaskError::LeaseEnded { .. } | TaskError::Stopping) => {
                    tracing::warn!(id = %lease.id, attempt = lease.attempt, "the end of an attempt came after its lease");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, id = %lease.id, "the end of an attempt could not be stored; trying again");
                }
            }
            tokio::select! {
                () = sleep(again) => again = (again * 2).min(LONGEST_AGAIN),
                () = self.0.news.notified() => {
                    if *self.0.reason.lock() == Some(Reason::LeaseEnded) {
                        return;
                    }
                }
            }
        }
    }
}

async fn tell(store: &dyn Store, lease: &Lease, report: Report) -> Result<(), TaskError> {
    if report.is_empty() {
        return Ok(());
    }
    store.report(lease.clone(), report).await
}

/// What an end means, as it was asked for. What was done counts as done, also if somebody asked too late.
fn judged(ending: Ending, timed_out: Option<Duration>, reason: Option<Reason>) -> Ending {
    if ending.outcome == AttemptOutcome::Done {
        return ending;
    }
    let (outcome, words) = match (timed_out, reason) {
        (_, Some(Reason::Cancelled)) => (AttemptOutcome::Cancelled, "cancelled".to_owned()),
        (Some(limit), _) => {
            let words = format!("timed out after {} s", limit.as_secs_f64());
            (AttemptOutcome::TimedOut, words)
        }
        (None, Some(Reason::Returned)) => {
            let words = "its worker was stopped and returned it".to_owned();
            (AttemptOutcome::Returned, words)
        }
        (None, _) => return ending,
    };
    Ending {
        outcome,
        error: Some(words),
        is_final: false,
        ..ending
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
