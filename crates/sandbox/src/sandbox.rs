//! One sandbox that was handed out: where it stands, whom it speaks with, what runs in it. What makes,
//! finds and removes its container is `keeper`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use frames::message::{self, Event, Request};
use init_client::{Call, Session, SessionEnd};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use wire::sandbox::{DiskKind, SandboxId, SandboxState, SandboxUsage, SandboxView};

use crate::{
    clock::{Moment, unix_ms},
    code::Kernels,
    error::SandboxError,
    exec::Running,
    record::Record,
};

/// How long a request waits for a sandbox whose connection is being made again.
const DETACHED: Duration = Duration::from_secs(10);
/// How many commands that ended can still be asked for.
const KEPT_EXECS: usize = 16;
/// How long an answer about its use may take.
const USAGE: Duration = Duration::from_secs(2);
/// A younger answer is used again.
const USAGE_AGE: Duration = Duration::from_millis(500);

/// A sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    /// The seat that it belongs to: the place of its record.
    pub(crate) seat: usize,
    record: Mutex<Record>,
    life: watch::Sender<Life>,
    last_used: Mutex<Moment>,
    /// Those that run, and the last that did; oldest first.
    execs: Mutex<VecDeque<Arc<Running>>>,
    pub(crate) kernels: Kernels,
    usage: Mutex<Option<(Instant, SandboxUsage)>>,
    /// What is in its volumes, as last seen.
    disk_bytes: AtomicU64,
    /// Whether its end was announced.
    pub(crate) warned: AtomicBool,
    /// What works for it; all of it ends with it.
    pub(crate) tasks: TaskTracker,
    /// Held by who pauses, resumes or removes it.
    pub(crate) change: tokio::sync::Mutex<()>,
}

/// Where a sandbox stands.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    /// It takes commands.
    Running(Session),
    /// Its container may run; the connection to it is being made again.
    Detached,
    /// Its processes are frozen. The connection is one that holds, if there is one.
    Paused(Option<Session>),
    /// Nothing is left of it.
    Gone(Gone),
}

/// How a sandbox went.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// Whether nobody here wanted it.
    pub(crate) is_lost: bool,
    pub(crate) reason: String,
    pub(crate) at: Moment,
}

impl Sandbox {
    pub(crate) fn new(record: Record, seat: usize, life: Life) -> Arc<Self> {
        Arc::new(Self {
            id: record.id.clone(),
            seat,
            record: Mutex::new(record),
            life: watch::Sender::new(life),
            last_used: Mutex::new(Moment::now()),
            execs: Mutex::default(),
            kernels: Kernels::default(),
            usage: Mutex::default(),
            disk_bytes: AtomicU64::new(0),
            warned: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            change: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn record(&self) -> Record {
        self.record.lock().clone()
    }

    /// Reads or changes its record, in memory.
    pub(crate) fn with_record<T>(&self, work: impl FnOnce(&mut Record) -> T) -> T {
        work(&mut self.record.lock())
    }

    /// Where its writable folders are.
    pub(crate) fn disk(&self) -> DiskKind {
        self.with_record(|record| record.shape.disk)
    }

    /// So much is in its volumes.
    pub(crate) fn set_disk_bytes(&self, bytes: u64) {
        self.disk_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn life(&self) -> Life {
        self.life.borrow().clone()
    }

    /// Changes where it stands, unless it is gone; whether it did.
    pub(crate) fn set_life(&self, life: Life) -> bool {
        self.set_life_if(life, |_| true)
    }

    /// The same, if it stands as expected.
    pub(crate) fn set_life_if(&self, life: Life, is_so: impl FnOnce(&Life) -> bool) -> bool {
        let is_gone = matches!(life, Life::Gone(_));
        let changed = self.life.send_if_modified(|now| {
            let changes = !matches!(now, Life::Gone(_)) && is_so(now);
            if changes {
                *now = life;
            }
            changes
        });
        if changed && is_gone {
            for exec in self.all_execs() {
                exec.gone();
            }
        }
        changed
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(*self.life.borrow(), Life::Gone(_))
    }

    /// It is used now.
    pub(crate) fn touch(&self) {
        *self.last_used.lock() = Moment::now();
    }

    /// Whom to speak with; waits a little where the connection is being made again.
    pub(crate) async fn session(&self) -> Result<Session, SandboxError> {
        self.touch();
        let mut life = self.life.subscribe();
        let settled = life.wait_for(|life| !matches!(life, Life::Detached));
        let settled = tokio::time::timeout(DETACHED, settled).await;
        let life = match settled {
            Ok(Ok(life)) => life.clone(),
            _ => Life::Detached,
        };
        match life {
            Life::Running(session) => Ok(session),
            Life::Paused(_) => Err(SandboxError::Paused(self.id.clone())),
            Life::Gone(gone) => Err(self.gone_error(gone)),
            Life::Detached => Err(self.broken(&SessionEnd(
                "the connection to its container is lost, and it is tried again".into(),
            ))),
        }
    }

    /// Why nothing can be done with one that is gone.
    pub(crate) fn gone_error(&self, gone: Gone) -> SandboxError {
        let (id, reason) = (self.id.clone(), gone.reason);
        match gone.is_lost {
            true => SandboxError::Lost { id, reason },
            false => SandboxError::Ended { id, reason },
        }
    }

    /// A conversation that ended while somebody waited for an answer.
    pub(crate) fn broken(&self, end: &SessionEnd) -> SandboxError {
        match self.life() {
            Life::Gone(gone) => self.gone_error(gone),
            _ => SandboxError::Session {
                id: self.id.clone(),
                reason: end.to_string(),
            },
        }
    }

    /// A request that was not sent: its conversation is over, or it is longer than a frame may be.
    pub(crate) fn unsent(&self, session: &Session, end: &SessionEnd) -> SandboxError {
        if !session.takes_requests() {
            return self.broken(end);
        }
        let most_kb = frames::MOST_CONTROL_BYTES >> 10;
        SandboxError::Invalid {
            field: "request",
            reason: format!(
                "a command with its variables, or a path, may have {most_kb} KiB at most"
            ),
        }
    }

    /// Keeps a command for those who ask for it later.
    pub(crate) fn keep_exec(&self, exec: &Arc<Running>) {
        let mut execs = self.execs.lock();
        execs.push_back(Arc::clone(exec));
        let mut surplus = execs
            .iter()
            .filter(|exec| !exec.is_running())
            .count()
            .saturating_sub(KEPT_EXECS);
        execs.retain(|exec| {
            let goes = surplus > 0 && !exec.is_running();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// All that are kept, oldest first.
    pub(crate) fn all_execs(&self) -> Vec<Arc<Running>> {
        self.execs.lock().iter().cloned().collect()
    }

    /// Commands go on in another conversation: those that its hello names. Others ended unseen.
    pub(crate) fn take_up_execs(&self, session: &Session, found: &[message::ExecState]) {
        let known = self.all_execs();
        for state in found {
            let id = state
                .label
                .as_deref()
                .and_then(|label| label.split(' ').next());
            let exec = known
                .iter()
                .find(|exec| Some(exec.about.id.as_str()) == id)
                .cloned();
            let exec = exec.unwrap_or_else(|| {
                let exec = Running::found(&self.id, state, unix_ms());
                self.keep_exec(&exec);
                exec
            });
            exec.take_up(session, state.stream);
        }
        for exec in known {
            if exec.link().is_none() && exec.is_running() {
                exec.gone();
            }
        }
    }

    /// Asks what it uses; what was found last if it does not say.
    pub(crate) async fn look_at_usage(&self) {
        if self
            .usage
            .lock()
            .is_some_and(|(at, _)| at.elapsed() < USAGE_AGE)
        {
            return;
        }
        let Life::Running(session) = self.life() else {
            return;
        };
        let asked = async { Call::new(&session, Request::Usage)?.event().await };
        // One that doesn't answer has been asked already.
        if session.is_doubted() {
            return;
        }
        let answer = tokio::time::timeout(USAGE, asked).await;
        let Ok(Ok(Event::Usage(found))) = answer else {
            session.doubt();
            return;
        };
        let now = Instant::now();
        let cpu_us = found.cpu_us.unwrap_or_default();
        let mut kept = self.usage.lock();
        let cpu_percent = kept.and_then(|(at, before)| {
            let wall_ms = now.duration_since(at).as_secs_f64() * 1e3;
            let used_ms = (cpu_us / 1000).checked_sub(before.cpu_ms)?;
            #[allow(clippy::cast_precision_loss)]
            (wall_ms > 0.0).then(|| used_ms as f64 / wall_ms * 100.0)
        });
        let folders = found.folders.iter().map(|folder| folder.used_bytes);
        let usage = SandboxUsage {
            cpu_ms: cpu_us / 1000,
            cpu_percent,
            memory_bytes: found.memory_bytes.unwrap_or_default(),
            disk_bytes: match self.disk() {
                DiskKind::Memory => folders.sum(),
                DiskKind::Volume => self.disk_bytes.load(Ordering::Relaxed),
            },
            pids: found
                .pids
                .and_then(|pids| u32::try_from(pids).ok())
                .unwrap_or_default(),
            network_received_bytes: found.received_bytes,
            network_sent_bytes: found.sent_bytes,
        };
        *kept = Some((now, usage));
    }

    /// As `GET /sessions` shows it.
    pub(crate) fn view(&self) -> SandboxView {
        let record = self.record();
        let (state, reason) = match self.life() {
            Life::Running(_) | Life::Detached => (SandboxState::Running, None),
            Life::Paused(_) => (SandboxState::Paused, None),
            Life::Gone(gone) if gone.is_lost => (SandboxState::Lost, Some(gone.reason)),
            Life::Gone(gone) => (SandboxState::Ended, Some(gone.reason)),
        };
        let silent = match self.life() {
            Life::Running(session) => session.silent_for(),
            _ => None,
        };
        let files = match (record.shape.disk, record.disk_limited) {
            (DiskKind::Memory, _) => {
                "Files in the writable folders are kept in memory and count against memory_mb."
            }
            (DiskKind::Volume, true) => {
                "The writable folders are volumes on the container engine's disk, which limits each of them to disk_mb."
            }
            (DiskKind::Volume, false) => {
                "The writable folders are volumes on the container engine's disk, which has no quotas: if one of them has more than disk_mb, the sandbox is ended within seconds."
            }
        };
        let mut notes = vec![files.to_owned()];
        if let Some(silent) = silent {
            let silent_s = silent.as_secs();
            notes.push(format!(
                "It hasn't answered for {silent_s} s: commands and files fail until it does. It can be removed."
            ));
        }
        if state == SandboxState::Paused {
            notes.push(
                "A paused sandbox keeps its memory, and is lost if the container engine stops."
                    .into(),
            );
        }
        SandboxView {
            container: record.id.container(),
            sandbox_id: record.id,
            state,
            reason,
            responding: silent.is_none(),
            image: record.shape.image,
            owner: record.owner.token().map(str::to_owned),
            machine: record.owner.machine().map(str::to_owned),
            limits: record.shape.limits,
            disk: record.shape.disk,
            network: record.shape.network,
            gpu: record.shape.gpu,
            runtime: record.shape.runtime,
            metadata: record.metadata,
            env_names: record.env.into_keys().collect(),
            from_pool: record.from_pool,
            created_at_ms: record.created_at_ms,
            age_s: record.created.age().as_secs_f64(),
            last_used_at_ms: self.last_used.lock().unix_ms(),
            ends_at_ms: record.ends.unix_ms(),
            on_timeout: record.on_timeout,
            auto_resume: record.auto_resume,
            usage: self.usage.lock().map(|(_, usage)| usage),
            notes,
        }
    }

    /// Whether its end was not announced before; it is now.
    pub(crate) fn warns_first(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[tokio::test]
    async fn nothing_brings_back_what_is_gone() {
        let sandbox = Sandbox::new(record("a"), 0, Life::Paused(None));
        assert!(matches!(
            sandbox.session().await,
            Err(SandboxError::Paused(_))
        ));
        let gone = |is_lost| {
            Life::Gone(Gone {
                is_lost,
                reason: "removed".into(),
                at: Moment::now(),
            })
        };
        assert!(sandbox.set_life(gone(true)));
        assert!(!sandbox.set_life(gone(false)));
        assert!(!sandbox.set_life(Life::Detached));
        assert!(matches!(
            sandbox.session().await,
            Err(SandboxError::Lost { .. })
        ));
        let view = sandbox.view();
        assert_eq!(view.state, SandboxState::Lost);
        assert_eq!(view.reason.as_deref(), Some("removed"));
        // Its variables' values are nobody's business.
        assert_eq!(view.env_names, ["KEY"]);
    }
}
