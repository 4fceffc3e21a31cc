//! The machine's terminals, by name, and as jobs those that ended lately.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::Change,
    job::{Job, JobKind, JobOwner, JobState},
};

use super::{MOST, Terminal, TerminalError, end};
use crate::{changes::Changes, clock::Clock, shell::Shell};

/// How many that ended are remembered.
const KEPT: usize = 20;

/// All terminals.
pub struct Terminals {
    clock: Clock,
    changes: Changes,
    open: Mutex<BTreeMap<String, Slot>>,
    /// Oldest first.
    ended: Mutex<VecDeque<Job>>,
}

/// A terminal whose shell lives.
struct Slot {
    terminal: Arc<Terminal>,
    job: Job,
    cancel: CancellationToken,
}

impl Default for Terminals {
    fn default() -> Self {
        Self::new(Clock::system(), Changes::new())
    }
}

impl Terminals {
    /// None yet; of each that begins or ends, listeners are told.
    pub fn new(clock: Clock, changes: Changes) -> Self {
        Self {
            clock,
            changes,
            open: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// The terminal of this name; started for this owner, in the shell's folder and environment, if
    /// there is none.
    pub fn open(
        self: &Arc<Self>,
        name: &str,
        owner: JobOwner,
        shell: &Shell,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Arc<Terminal>, TerminalError> {
        let mut open = self.open.lock();
        if let Some(slot) = open.get(name) {
            return Ok(Arc::clone(&slot.terminal));
        }
        if open.len() >= MOST {
            return Err(TerminalError::TooMany);
        }
        let (terminal, mut child) = Terminal::start(shell)?;
        let terminal = Arc::new(terminal);
        let cancel = stop.child_token();
        let slot = Slot {
            terminal: Arc::clone(&terminal),
            job: self.job(name, owner),
            cancel: cancel.clone(),
        };
        open.insert(name.to_owned(), slot);
        drop(open);
        self.changes.tell(|| Change::Jobs);
        let (of, name) = (Arc::downgrade(self), name.to_owned());
        let task = Arc::clone(&terminal);
        tasks.spawn(async move {
            let state = tokio::select! {
                () = task.show(&mut child) => JobState::Succeeded,
                () = cancel.cancelled() => JobState::Cancelled,
            };
            let exit = end(&mut child).await;
            if let Some(exit) = exit {
                // It ends once.
                let _ = task.exit.set(exit);
            }
            task.ended.cancel();
            if let Some(of) = of.upgrade() {
                of.forget(&name, state, exit);
            }
        });
        Ok(terminal)
    }

    /// How they are listed.
    pub fn jobs(&self) -> Vec<Job> {
        let open = self.open.lock();
        let open = open.values().map(|slot| slot.job.clone());
        let ended = self.ended.lock();
        ended.iter().cloned().chain(open).collect()
    }

    /// Hangs up on one; false if none of this id is open.
    pub fn cancel(&self, id: &str) -> bool {
        let open = self.open.lock();
        let found = open.values().find(|slot| slot.job.id == id);
        found.inspect(|slot| slot.cancel.cancel()).is_some()
    }

    fn job(&self, name: &str, owner: JobOwner) -> Job {
        let now = self.clock.unix_ms();
        Job {
            id: self.clock.ulid().to_string(),
            kind: JobKind::Terminal,
            owner,
            machine: None,
            title: Job::line_of(name),
            state: JobState::Running,
            created_at: now,
            started_at: Some(now),
            ended_at: None,
            exit: None,
            has_log: false,
            can_cancel: true,
        }
    }

    fn forget(&self, name: &str, state: JobState, exit: Option<i32>) {
        let Some(slot) = self.open.lock().remove(name) else {
            return;
        };
        let mut ended = self.ended.lock();
        if ended.len() >= KEPT {
            ended.pop_front();
        }
        ended.push_back(Job {
            state,
            ended_at: Some(self.clock.unix_ms()),
            exit,
            can_cancel: false,
            ..slot.job
        });
        drop(ended);
        self.changes.tell(|| Change::Jobs);
    }
}
