//! Runs of this process, of all machines: builds and starts with their logs, and for evolves, whose
//! record is lifecycle's, how they are cancelled.

mod log;

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use wire::{
    advice::Advice,
    commands::{Nothing, RunCancelRequest},
    failure::{Failure, FailureCode},
    job::{Job, JobKind, JobLog, JobOwner, JobState},
    machine::Progress,
};

use self::log::RunLog;
use crate::App;

/// How many runs that ended are remembered.
const KEPT: usize = 50;

/// What goes on now and what ended lately; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    /// Oldest first.
    all: Arc<Mutex<VecDeque<Run>>>,
}

struct Run {
    job: Job,
    log: RunLog,
    cancel: CancellationToken,
}

/// What a run is, as it begins.
pub(crate) struct NewRun<'a> {
    pub(crate) run_id: &'a str,
    pub(crate) kind: JobKind,
    /// The machine that it is about, if it is about one.
    pub(crate) machine: Option<&'a str>,
    pub(crate) owner: JobOwner,
}

impl Runs {
    /// Begins a run, cancelled with `stop` too; [`end`](Self::end) says how it ended.
    pub(crate) fn begin(&self, run: NewRun<'_>, stop: &CancellationToken) -> CancellationToken {
        let cancel = stop.child_token();
        let now = lifecycle::now_ms();
        let job = Job {
            id: run.run_id.to_owned(),
            kind: run.kind,
            owner: run.owner,
            machine: run.machine.map(str::to_owned),
            title: String::new(),
            state: JobState::Running,
            created_at: now,
            started_at: Some(now),
            ended_at: None,
            exit: None,
            has_log: true,
            can_cancel: true,
        };
        self.all.lock().push_back(Run {
            job,
            log: RunLog::default(),
            cancel: cancel.clone(),
        });
        cancel
    }

    /// Keeps what a run does in its log.
    pub(crate) fn note(&self, run_id: &str, progress: &Progress) {
        if let Some(run) = find(&mut self.all.lock(), run_id) {
            run.log.note(progress);
        }
    }

    /// It ended so. Answers when it had begun, in Unix milliseconds.
    pub(crate) fn end(&self, run_id: &str, failure: Option<&Failure>) -> u64 {
        let now = lifecycle::now_ms();
        let mut all = self.all.lock();
        let mut began = now;
        if let Some(run) = find(&mut all, run_id) {
            began = run.job.created_at;
            run.job.state = JobState::ended(failure);
            run.job.ended_at = Some(now);
            run.job.can_cancel = false;
        }
        let is_over = |run: &Run| run.job.state.is_over();
        if all.iter().filter(|run| is_over(run)).count() > KEPT
            && let Some(oldest) = all.iter().position(is_over)
        {
            all.remove(oldest);
        }
        began
    }

    /// Cancels one.
    ///
    /// # Errors
    /// [`FailureCode::NotFound`] if none of this id goes on here.
    pub(crate) fn cancel(&self, run_id: &str) -> Result<(), Failure> {
        match find(&mut self.all.lock(), run_id).filter(|run| !run.job.state.is_over()) {
            Some(run) => {
                run.cancel.cancel();
                Ok(())
            }
            None => Err(Failure::new(
                FailureCode::NotFound,
                "The run was not found or has already finished",
            )
            .next(Advice::CheckMachine)),
        }
    }

    /// One of a machine's runs.
    pub(crate) fn job(&self, machine: &str, run_id: &str) -> Option<Job> {
        let mut all = self.all.lock();
        let run = find(&mut all, run_id)?;
        (run.job.machine.as_deref() == Some(machine)).then(|| run.job.clone())
    }

    /// Runs of a machine, oldest first.
    pub(crate) fn jobs(&self, machine: &str) -> Vec<Job> {
        let all = self.all.lock();
        let of_it = |run: &&Run| run.job.machine.as_deref() == Some(machine);
        all.iter()
            .filter(of_it)
            .map(|run| run.job.clone())
            .collect()
    }

    /// What a run did, from a line on.
    pub(crate) fn log(&self, run_id: &str, after: u64) -> Option<JobLog> {
        Some(find(&mut self.all.lock(), run_id)?.log.read(after))
    }
}

impl App {
    pub(crate) async fn run_cancel(&self, request: RunCancelRequest) -> Result<Nothing, Failure> {
        self.inner.shared.runs.cancel(&request.run_id)?;
        Ok(Nothing {})
    }
}

/// The newest one of this id.
fn find<'a>(all: &'a mut VecDeque<Run>, run_id: &str) -> Option<&'a mut Run> {
    all.iter_mut().rev().find(|run| run.job.id == run_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(runs: &Runs, machine: &str, run_id: &str) -> CancellationToken {
        let run = NewRun {
            run_id,
            kind: JobKind::Start,
            machine: Some(machine),
            owner: JobOwner::Person,
        };
        runs.begin(run, &CancellationToken::new())
    }

    #[test]
    fn a_run_is_its_machines_job_until_it_is_forgotten() {
        let runs = Runs::default();
        let cancel = begin(&runs, "work", "a");
        begin(&runs, "play", "b");
        let going = &runs.jobs("work")[0];
        assert_eq!((&*going.id, &going.state), ("a", &JobState::Running));
        assert!(runs.job("play", "a").is_none());
        runs.cancel("a").unwrap();
        assert!(cancel.is_cancelled());
        let failure = Failure::new(FailureCode::Cancelled, "Cancelled");
        assert_eq!(runs.end("a", Some(&failure)), going.created_at);
        let over = runs.job("work", "a").unwrap();
        assert_eq!(over.state, JobState::Cancelled);
        assert!(over.ended_at.is_some() && !over.can_cancel);
        assert_eq!(runs.cancel("a").unwrap_err().code, FailureCode::NotFound);
        for at in 0..2 * KEPT {
            begin(&runs, "work", &format!("{at}"));
            runs.end(&format!("{at}"), None);
        }
        assert_eq!(runs.jobs("work").len(), KEPT);
        assert_eq!(runs.jobs("play").len(), 1);
    }

    #[test]
    fn a_run_that_nobody_knows_ends_without_a_trace() {
        let runs = Runs::default();
        runs.end("x", None);
        assert!(runs.jobs("work").is_empty() && runs.log("x", 0).is_none());
    }
}
