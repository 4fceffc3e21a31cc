//! Evolve as the machine sees it: the wish that something inside has, the executor that takes it,
//! the history under `/data/evolve`, and the queue of cells that is closed meanwhile. Building and
//! replacing is an executor's work, never this process's.
//!
//! - `word`, `call`: `evolve` and `body call` on the command line inside
//! - `executor`: who carries a wish out where the engine's socket is in the machine
//! - `prove`, `given_up`: `body prove`, what a candidate has to show, and what it won't show any more

pub mod call;
pub mod executor;
mod given_up;
pub mod prove;
#[cfg(test)]
mod tests;
pub mod word;

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use wire::evolve::{
    Asker, EvolveClaim, EvolveLog, EvolveMachineStatus, EvolveReport, EvolveRun, EvolveWish,
    ExecutorKind, RunKind, RunState,
};

use crate::clock::{Clock, Instant};

/// Runs that are remembered.
const KEPT: usize = 50;
/// A run that goes on while its executor is silent so long is nobody's.
const SILENCE: Duration = Duration::from_secs(120);
/// The longest lease.
const LONGEST_LEASE_S: u32 = 600;
/// How long the queue of cells stays closed at the most.
const LONGEST_CLOSED_S: u32 = 3600;

/// Why a request about a run can't be met.
#[derive(Debug, thiserror::Error)]
pub enum EvolveError {
    #[error("run {0} has not finished")]
    Busy(String),
    #[error("the run was taken by another executor")]
    Taken,
    #[error("run {0:?} not found")]
    Unknown(String),
    #[error("no run is waiting that could be withdrawn")]
    NothingWaits,
    #[error("run {0} is already in progress: cancel it on the host, in the app or with Ctrl-C")]
    GoesOn(String),
    #[error("run {0} has finished")]
    Over(String),
    #[error("could not use the history in /data/evolve: {0}")]
    Disk(#[from] std::io::Error),
}

/// Who has taken which run, and until when.
struct Lease {
    executor: String,
    run_id: Option<String>,
    until: Instant,
}

struct Now {
    leases: Vec<Lease>,
    closed_until: Option<Instant>,
}

impl Now {
    fn is_leased(&self, run_id: &str) -> bool {
        let now = Instant::now();
        let mut leases = self.leases.iter();
        leases.any(|lease| lease.run_id.as_deref() == Some(run_id) && lease.until > now)
    }
}

fn is_over(run: &EvolveRun) -> bool {
    !matches!(
        run.state,
        RunState::Asked | RunState::AwaitsYes | RunState::Running
    )
}

/// The machine's part in its evolves.
pub struct Evolve {
    folder: PathBuf,
    /// Who carries runs out.
    pub executor: ExecutorKind,
    clock: Clock,
    /// Until when a run that was going on at the start of this process is believed to go on.
    grace_until: Instant,
    now: Mutex<Now>,
}

impl Evolve {
    /// With the history in this folder.
    pub fn new(folder: PathBuf, executor: ExecutorKind, clock: Clock) -> Self {
        if let Err(error) = make_private(&folder) {
            tracing::warn!(%error, "others may be able to read the history of evolves");
        }
        Self {
            folder,
            executor,
            grace_until: clock.after(SILENCE),
            clock,
            now: Mutex::new(Now {
                leases: Vec::new(),
                closed_until: None,
            }),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock()
    }

    /// Takes a wish down.
    pub fn wish(&self, wish: EvolveWish) -> Result<(EvolveRun, String), EvolveError> {
        // Held until it is written: of two wishes at once the second is told of the first.
        let now = self.now();
        if let Some(run) = self.open_run(&now)? {
            return Err(EvolveError::Busy(run.run_id));
        }
        // The newest stays the newest where the wall clock was set back.
        let newest = self.runs()?.first().map_or(0, |run| run.started_at);
        let started_at = self.clock.unix_ms().max(newest + 1);
        let run = EvolveRun {
            note: wish.note,
            running_cell: wish.running_cell.unwrap_or_default(),
            ..EvolveRun::new(
                self.clock.ulid().to_string(),
                RunKind::Evolve,
                Asker::Machine,
                started_at,
            )
        };
        self.write(&run)?;
        drop(now);
        let message = if self.executor == ExecutorKind::Socket {
            "The machine carries it out through the engine's socket.".to_owned()
        } else if self.executor_present() {
            "The host carries it out.".to_owned()
        } else {
            "No executor is present: the run waits until the app or `vivarium evolve --watch` is running on the host."
                .to_owned()
        };
        Ok((run, message))
    }

    /// Whether an executor was heard of lately.
    pub fn executor_present(&self) -> bool {
        let now = self.clock.now();
        self.executor == ExecutorKind::Socket
            || self.now().leases.iter().any(|lease| lease.until > now)
    }

    /// Who would carry a run out, whether one goes on, and the newest one.
    pub fn status(&self) -> Result<EvolveMachineStatus, EvolveError> {
        let latest_run = self.runs()?.into_iter().next();
        let is_open = |run| self.is_open(run, &self.now());
        Ok(EvolveMachineStatus {
            in_progress: latest_run.as_ref().is_some_and(is_open),
            executor: self.executor,
            executor_present: self.executor_present(),
            latest_run,
        })
    }

    /// Takes a wish back that nobody has taken yet; answers its name.
    pub fn cancel(&self) -> Result<String, EvolveError> {
        // Held until it is written: whoever claims it meanwhile is told that it is over.
        let now = self.now();
        let Some(mut run) = self.open_run(&now)? else {
            return Err(EvolveError::NothingWaits);
        };
        if run.state == RunState::Running || now.is_leased(&run.run_id) {
            return Err(EvolveError::GoesOn(run.run_id));
        }
        run.state = RunState::Cancelled;
        run.error = Some("It was withdrawn".into());
        run.ended_at = Some(self.clock.unix_ms());
        self.write(&run)?;
        Ok(run.run_id)
    }

    fn open_run(&self, now: &Now) -> Result<Option<EvolveRun>, EvolveError> {
        let latest = self.runs()?.into_iter().next();
        Ok(latest.filter(|run| self.is_open(run, now)))
    }

    fn is_open(&self, run: &EvolveRun, now: &Now) -> bool {
        match run.state {
            RunState::Asked | RunState::AwaitsYes => true,
            RunState::Running => {
                let mut leases = now.leases.iter();
                let now = self.clock.now();
                now < self.grace_until
                    || leases.any(|lease| {
                        lease.run_id.as_ref() == Some(&run.run_id) && lease.until + SILENCE > now
                    })
            }
            _ => false,
        }
    }

    /// An executor is here; where it names a run, that is its own as long as the lease holds.
    pub fn claim(&self, claim: &EvolveClaim) -> Result<(), EvolveError> {
        let seconds = claim.lease_s.clamp(1, LONGEST_LEASE_S);
        let until = self.clock.after(Duration::from_secs(seconds.into()));
        let mut now = self.now();
        if let Some(run_id) = &claim.run_id
            && is_over(&self.run(run_id)?)
        {
            return Err(EvolveError::Over(run_id.clone()));
        }
        let taken = now.leases.iter().any(|lease| {
            claim.run_id.is_some()
                && lease.run_id == claim.run_id
                && lease.executor != claim.executor
                && lease.until > self.clock.now()
        });
        if taken {
            return Err(EvolveError::Taken);
        }
        now.leases.retain(|lease| {
            lease.until + SILENCE > self.clock.now()
                && !(lease.executor == claim.executor && lease.run_id == claim.run_id)
        });
        now.leases.push(Lease {
            executor: claim.executor.clone(),
            run_id: claim.run_id.clone(),
            until,
        });
        Ok(())
    }

    /// An executor tells where a run stands that was asked for here. Only the machine's own may tell
    /// of another one.
    pub fn report(&self, run_id: &str, report: &EvolveReport) -> Result<(), EvolveError> {
        let _now = self.now();
        let is_name = !run_id.is_empty() && run_id.chars().all(|one| one.is_ascii_alphanumeric());
        let known = match self.run(run_id) {
            // A run of `body-evolve rollback` begins without a wish.
            Err(EvolveError::Unknown(_))
                if is_name
                    && report.run.run_id == run_id
                    && self.executor == ExecutorKind::Socket =>
            {
                report.run.clone()
            }
            known => known?,
        };
        if is_over(&known) && !is_over(&report.run) {
            return Err(EvolveError::Over(known.run_id));
        }
        if report.run.run_id != known.run_id {
            return Err(EvolveError::Unknown(report.run.run_id.clone()));
        }
        if !report.log.is_empty() {
            make_dir(&self.folder.join("runs"))?;
            let mut file = File::options()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(self.path(run_id, "log"))?;
            file.write_all((report.log.join("\n") + "\n").as_bytes())?;
        }
        self.write(&report.run)
    }

    /// Closes the queue of cells for a while, or opens it.
    pub fn close_queue(&self, closed: bool, for_s: u32) {
        let until = self
            .clock
            .after(Duration::from_secs(for_s.min(LONGEST_CLOSED_S).into()));
        self.now().closed_until = closed.then_some(until);
    }

    /// Whether new cells are refused.
    pub fn is_closed(&self) -> bool {
        self.now()
            .closed_until
            .is_some_and(|until| until > self.clock.now())
    }

    /// All runs, newest first.
    pub fn runs(&self) -> Result<Vec<EvolveRun>, EvolveError> {
        let mut runs = Vec::new();
        let entries = match fs::read_dir(self.folder.join("runs")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(runs),
            Err(error) => return Err(error.into()),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Ok(text) = fs::read(&path)
                && let Ok(run) = serde_json::from_slice::<EvolveRun>(&text)
            {
                runs.push(run);
            }
        }
        runs.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
        Ok(runs)
    }

    fn run(&self, run_id: &str) -> Result<EvolveRun, EvolveError> {
        let unknown = || EvolveError::Unknown(run_id.to_owned());
        let text = fs::read(self.path(run_id, "json")).map_err(|_| unknown())?;
        serde_json::from_slice(&text).map_err(|_| unknown())
    }

    /// A run's log from a byte on.
    pub fn log(&self, run_id: &str, after: u64) -> Result<EvolveLog, EvolveError> {
        self.run(run_id)?;
        Ok(match File::open(self.path(run_id, "log")) {
            Ok(log) => EvolveLog::read(log, after)?,
            // It has said nothing yet.
            Err(_) => EvolveLog::default(),
        })
    }

    fn path(&self, run_id: &str, end: &str) -> PathBuf {
        // An id comes in from outside: nothing in it may lead elsewhere.
        let plain: String = run_id.chars().filter(char::is_ascii_alphanumeric).collect();
        self.folder.join("runs").join(format!("{plain}.{end}"))
    }

    /// Aside, onto the disk, in place; and the oldest go.
    fn write(&self, run: &EvolveRun) -> Result<(), EvolveError> {
        let path = self.path(&run.run_id, "json");
        make_dir(&self.folder.join("runs"))?;
        let text = serde_json::to_vec(run).map_err(std::io::Error::other)?;
        crate::atomic_file::write_durably(&path, &text, 0o600)?;
        for old in self.runs()?.iter().skip(KEPT) {
            for end in ["json", "log"] {
                let _ = fs::remove_file(self.path(&old.run_id, end));
            }
        }
        Ok(())
    }
}

/// Makes a folder that its owner alone may enter.
fn make_dir(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Takes others' permissions from what an older version wrote: logs and notes may hold keys.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let runs = folder.join("runs");
    let entries = match fs::read_dir(&runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for path in [folder, &runs] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    for entry in entries.flatten() {
        if entry.file_type()?.is_file() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// The machine's, under `/data`.
pub fn of_machine(clock: Clock) -> Evolve {
    let folder = crate::paths::data_dir().join("evolve");
    Evolve::new(folder, executor::kind(), clock)
}
