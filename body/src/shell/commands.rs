//! Commands as jobs: those that run, and the last ones that ended.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use wire::{
    body::Change,
    job::{Job, JobKind, JobOwner, JobState},
    kernel::ExecStatus,
};

use crate::{changes::Changes, clock::Clock};

/// How many that ended are remembered.
const KEPT: usize = 50;

/// All of them.
pub struct Commands {
    clock: Clock,
    changes: Changes,
    /// In the order in which they began, or ended.
    all: Mutex<VecDeque<Arc<Command>>>,
}

/// One command.
struct Command {
    /// How it is listed; what changes is in `end`.
    job: Job,
    end: Mutex<Option<End>>,
    cancel: CancellationToken,
}

struct End {
    at_ms: u64,
    state: JobState,
    exit: Option<i32>,
}

impl Default for Commands {
    fn default() -> Self {
        Self::new(Clock::system(), Changes::new())
    }
}

impl Commands {
    /// None yet; of each that begins or ends, listeners are told.
    pub fn new(clock: Clock, changes: Changes) -> Self {
        Self {
            clock,
            changes,
            all: Mutex::default(),
        }
    }

    /// A command that runs from now on, until it is ended or what is returned is dropped.
    pub(super) fn begin(&self, owner: JobOwner, title: String) -> Running<'_> {
        let now = self.clock.unix_ms();
        let command = Arc::new(Command {
            job: Job {
                id: self.clock.ulid().to_string(),
                kind: JobKind::Command,
                owner,
                machine: None,
                title,
                state: JobState::Running,
                created_at: now,
                started_at: Some(now),
                ended_at: None,
                exit: None,
                has_log: false,
                can_cancel: true,
            },
            end: Mutex::default(),
            cancel: CancellationToken::new(),
        });
        self.all.lock().push_back(Arc::clone(&command));
        self.changes.tell(|| Change::Jobs);
        Running {
            commands: self,
            command,
        }
    }

    /// How they are listed, in the order in which they began, or ended.
    pub fn jobs(&self) -> Vec<Job> {
        self.all.lock().iter().map(|one| one.shown()).collect()
    }

    /// Ends one as its time limit would; false if none of this id runs.
    pub fn cancel(&self, id: &str) -> bool {
        let all = self.all.lock();
        let found = all.iter().find(|one| one.job.id == id);
        let running = found.filter(|one| one.end.lock().is_none());
        running.inspect(|one| one.cancel.cancel()).is_some()
    }

    fn end(&self, command: &Command, state: JobState, exit: Option<i32>) {
        let at_ms = self.clock.unix_ms();
        *command.end.lock() = Some(End { at_ms, state, exit });
        let mut all = self.all.lock();
        // Those that ended stand in the order of their ends: one that took long is not forgotten at once.
        if let Some(place) = all.iter().position(|one| one.job.id == command.job.id)
            && let Some(ended) = all.remove(place)
        {
            all.push_back(ended);
        }
        let is_over = |one: &Arc<Command>| one.end.lock().is_some();
        let over = all.iter().filter(|one| is_over(one)).count();
        if over > KEPT
            && let Some(oldest) = all.iter().position(is_over)
        {
            all.remove(oldest);
        }
        drop(all);
        self.changes.tell(|| Change::Jobs);
    }
}

impl Command {
    fn shown(&self) -> Job {
        match &*self.end.lock() {
            None => self.job.clone(),
            Some(end) => Job {
                state: end.state.clone(),
                ended_at: Some(end.at_ms),
                exit: end.exit,
                can_cancel: false,
                ..self.job.clone()
            },
        }
    }
}

/// A command that runs. One that is dropped was ended with its client.
pub(super) struct Running<'a> {
    commands: &'a Commands,
    command: Arc<Command>,
}

impl Running<'_> {
    /// Until somebody cancels it.
    pub async fn cancelled(&self) {
        self.command.cancel.cancelled().await;
    }

    /// It ended so.
    pub fn end(self, status: ExecStatus, exit: i32) {
        let failed = |why: String| JobState::Failed { why };
        let state = match status {
            ExecStatus::Interrupted => JobState::Cancelled,
            ExecStatus::Timeout => failed("the command timed out".to_owned()),
            _ if exit == 0 => JobState::Succeeded,
            _ => failed(format!("exit code {exit}")),
        };
        self.commands.end(&self.command, state, Some(exit));
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.command.end.lock().is_none() {
            self.commands.end(&self.command, JobState::Cancelled, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_commands_are_forgotten_and_running_ones_never() {
        let commands = Commands::default();
        let first = commands.begin(JobOwner::Person, "sleep 600".to_owned());
        for at in 0..3 * KEPT {
            let running = commands.begin(JobOwner::Machine, format!("echo {at}"));
            running.end(ExecStatus::Completed, 0);
        }
        let jobs = commands.jobs();
        assert_eq!(jobs.len(), KEPT + 1);
        assert_eq!(
            (&*jobs[0].title, &jobs[0].state),
            ("sleep 600", &JobState::Running)
        );
        assert_eq!(jobs[KEPT].title, format!("echo {}", 3 * KEPT - 1));
        assert!(commands.cancel(&jobs[0].id) && !commands.cancel(&jobs[1].id));
        assert!(!commands.cancel("another"));
        // Its client went away.
        drop(first);
        let jobs = commands.jobs();
        assert_eq!(jobs.len(), KEPT);
        assert_eq!(
            (&*jobs[KEPT - 1].title, &jobs[KEPT - 1].state),
            ("sleep 600", &JobState::Cancelled)
        );
    }

    #[test]
    fn who_listens_hears_that_commands_begin_and_end() {
        let changes = Changes::new();
        let mut heard = changes.listen();
        let commands = Commands::new(Clock::system(), changes);
        commands
            .begin(JobOwner::Machine, String::new())
            .end(ExecStatus::Timeout, 143);
        assert_eq!(heard.try_recv(), Ok(Change::Jobs));
        assert_eq!(heard.try_recv(), Ok(Change::Jobs));
        let job = &commands.jobs()[0];
        assert_eq!(job.exit, Some(143));
        assert!(matches!(&job.state, JobState::Failed { why } if why.contains("timed out")));
    }
}
