//! What runs leave on the disk: where one stands, so that a crash at any moment can be picked
//! up; its log; and the history of those that ended.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wire::evolve::{EvolveLog, EvolveRun, RunningCell, StepName};

use crate::{
    atomic_file::{self, Durability},
    error::LifecycleError,
    paths::{give_like_folder, make_dir_like_above, own_like_folder},
};

/// Runs that are remembered.
const KEPT_RUNS: usize = 50;
/// Bytes of a run's log. What a build prints comes from the machine's own Dockerfile.
const LOG_BYTES: u64 = 16 << 20;
/// Bytes of any other file here.
const FILE_BYTES: u64 = 64 << 20;

/// How a run was asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// What to do about cells.
    pub running_cell: RunningCell,
    /// How long to wait for them.
    pub cell_limit_s: u32,
    /// Of a rollback: the repo's files stay.
    pub keep_repo: bool,
    /// Of a rollback: the namespaces of that generation come back.
    pub state: bool,
    /// Of a rollback: which generation.
    #[serde(default)]
    pub to: Option<u32>,
    /// Of an evolve: the tree that a person approved.
    #[serde(default)]
    pub tree: Option<String>,
}

/// The container that a run replaces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Old {
    /// Its id: names change.
    pub id: String,
    /// Its image.
    pub image_id: String,
    /// Whether it answered when the run began.
    pub answered: bool,
    /// When its present life began, in Unix milliseconds.
    #[serde(default)]
    pub started_at_ms: Option<u64>,
}

/// A run that is not over: what is written before each step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// The run as it is shown.
    pub run: EvolveRun,
    /// How it was asked for.
    pub asked: Asked,
    /// The step that is done next, or was being done.
    pub next: StepName,
    /// What it replaces.
    pub old: Option<Old>,
    /// Id of the image that it puts in place.
    pub image_id: Option<String>,
    /// That image's name.
    pub image: Option<String>,
    /// Id of the container that takes the old one's place.
    pub new_id: Option<String>,
    /// When the old one was stopped, in Unix milliseconds.
    pub stopped_at: Option<u64>,
    /// Of a rollback: the commit of the repo as it was.
    pub repo_before: Option<String>,
    /// Short ids of what the build made or used.
    #[serde(default)]
    pub built: Vec<String>,
    /// Whether the rest is a restarter's.
    #[serde(default)]
    pub handed_over: bool,
}

/// A machine's folder of runs.
#[derive(Clone, Debug)]
pub(crate) struct RunStore {
    folder: PathBuf,
}

impl RunStore {
    /// The one in this folder, which is made on first use.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("run.json")
    }

    fn run_file(&self, run_id: &str, end: &str) -> PathBuf {
        // An id is ours, but it also comes in from outside.
        let plain = run_id.chars().filter(char::is_ascii_alphanumeric);
        let name: String = plain.collect();
        self.folder.join("runs").join(format!("{name}.{end}"))
    }

    /// The run that is not over, where there is one.
    pub(crate) fn unfinished(&self) -> Result<Option<RunFile>, LifecycleError> {
        read(&self.state_file())
    }

    /// Writes where a run stands.
    pub(crate) fn write(&self, file: &RunFile) -> Result<(), LifecycleError> {
        write(&self.state_file(), file)
    }

    /// Puts an ended run into the history.
    pub(crate) fn end(&self, run: &EvolveRun) -> Result<(), LifecycleError> {
        self.keep(run)?;
        let state = self.state_file();
        match fs::remove_file(&state) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(LifecycleError::file("remove", &state)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a run that is over into the history, from which the oldest go.
    pub(crate) fn keep(&self, run: &EvolveRun) -> Result<(), LifecycleError> {
        write(&self.run_file(&run.run_id, "json"), run)?;
        for old in self.runs()?.iter().skip(KEPT_RUNS) {
            for end in ["json", "log"] {
                let _ = fs::remove_file(self.run_file(&old.run_id, end));
            }
        }
        Ok(())
    }

    /// All runs, the unfinished one too, newest first.
    pub(crate) fn runs(&self) -> Result<Vec<EvolveRun>, LifecycleError> {
        let folder = self.folder.join("runs");
        let mut runs: Vec<EvolveRun> = Vec::new();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(self
                    .unfinished()?
                    .map(|file| file.run)
                    .into_iter()
                    .collect());
            }
            Err(error) => return Err(LifecycleError::file("read", &folder)(error)),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Some(run) = read(&path)?
            {
                runs.push(run);
            }
        }
        if let Some(file) = self.unfinished()? {
            runs.retain(|run| run.run_id != file.run.run_id);
            runs.push(file.run);
        }
        runs.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
        Ok(runs)
    }

    /// Adds a line to a run's log.
    pub(crate) fn log(&self, run_id: &str, line: &str) -> Result<(), LifecycleError> {
        let path = self.run_file(run_id, "log");
        if let Some(folder) = path.parent() {
            make_dir_like_above(folder)?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path);
        let written = file.and_then(|mut file| {
            // The run's own words are few, and come all the same.
            let length = file.metadata()?.len();
            if length > LOG_BYTES && !line.starts_with("== ") {
                return Ok(());
            }
            file.write_all(format!("{line}\n").as_bytes())?;
            if length + line.len() as u64 >= LOG_BYTES && length <= LOG_BYTES {
                file.write_all(b"(log truncated: the size limit was reached)\n")?;
            }
            Ok(())
        });
        written.map_err(LifecycleError::file("write", &path))?;
        own_like_folder(&path)
    }

    /// A run's log from a byte on.
    pub(crate) fn read_log(&self, run_id: &str, after: u64) -> Result<EvolveLog, LifecycleError> {
        let path = self.run_file(run_id, "log");
        match open(&path) {
            Ok(log) => EvolveLog::read(log, after).map_err(LifecycleError::file("read", &path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(EvolveLog::default()),
            Err(error) => Err(LifecycleError::file("read", &path)(error)),
        }
    }
}

/// The time, in Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Reads JSON; `None` where there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LifecycleError> {
    let bytes = || {
        let mut bytes = Vec::new();
        open(path)?.take(FILE_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    match bytes() {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| LifecycleError::file("read", path)(error.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LifecycleError::file("read", path)(error)),
    }
}

/// Opens a file to read it, and nothing else than one: where the record lies on a machine's `/data`,
/// the machine could have put a link, a pipe or a device there.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(file)
}

/// Writes JSON as a whole, so that a power cut leaves the old or the new.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), LifecycleError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_dir_like_above(folder)?;
    let written = atomic_file::put(path, Durability::Durable, |file, place| {
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        give_like_folder(place)
    });
    written.map_err(LifecycleError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::evolve::{Asker, RunKind, RunState};

    fn run(id: &str, started_at: u64) -> EvolveRun {
        EvolveRun {
            state: RunState::Running,
            ..EvolveRun::new(id.into(), RunKind::Evolve, Asker::Person, started_at)
        }
    }

    #[test]
    fn the_history_keeps_the_newest_runs() {
        let folder = tempfile::tempdir().unwrap();
        let run_store = RunStore::at(folder.path().join("evolve"));
        assert!(run_store.runs().unwrap().is_empty());
        for number in 0..KEPT_RUNS as u64 + 3 {
            let run = run(&format!("r{number}"), number);
            run_store.log(&run.run_id, "line").unwrap();
            run_store.end(&run).unwrap();
        }
        let runs = run_store.runs().unwrap();
        assert_eq!(runs.len(), KEPT_RUNS);
        assert_eq!(runs[0].run_id, format!("r{}", KEPT_RUNS + 2));
        assert!(run_store.read_log("r0", 0).unwrap().lines.is_empty());
    }

    #[test]
    fn a_log_has_an_end_and_the_runs_own_words_come_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let run_store = RunStore::at(folder.path().into());
        let long = "x".repeat(1 << 20);
        for _ in 0..20 {
            run_store.log("a", &long).unwrap();
        }
        run_store.log("a", "== failed").unwrap();
        let text = fs::read_to_string(folder.path().join("runs/a.log")).unwrap();
        assert!(text.len() as u64 <= LOG_BYTES + (2 << 20), "{}", text.len());
        assert_eq!(text.matches("log truncated").count(), 1);
        assert!(text.ends_with("was reached)\n== failed\n"));
    }

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let run_store = RunStore::at(folder.path().into());
        let state = run_store.state_file();
        nix::unistd::mkfifo(&state, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(run_store.unfinished().is_err());
        fs::remove_file(&state).unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "null").unwrap();
        std::os::unix::fs::symlink(&outside, &state).unwrap();
        assert!(run_store.unfinished().is_err());
        fs::create_dir(folder.path().join("runs")).unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join("runs/a.log")).unwrap();
        assert!(run_store.log("a", "line").is_err() && run_store.read_log("a", 0).is_err());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "null");
    }

    #[test]
    fn nobody_else_reads_what_runs_leave() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let run_store = RunStore::at(folder.path().join("evolve"));
        run_store.log("a", "KEY=x").unwrap();
        run_store.end(&run("a", 1)).unwrap();
        let mode = |path: &str| {
            let path = folder.path().join("evolve").join(path);
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        let modes = ["", "runs", "runs/a.log", "runs/a.json"].map(mode);
        assert_eq!(modes, [0o700, 0o700, 0o600, 0o600]);
    }

    #[test]
    fn a_log_is_read_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let run_store = RunStore::at(folder.path().into());
        run_store.log("a", "one").unwrap();
        let first = run_store.read_log("a", 0).unwrap();
        assert_eq!(
            (first.lines.as_slice(), first.next),
            (&["one".to_owned()][..], 4)
        );
        fs::write(folder.path().join("runs/a.log"), "one\ntwo\nthr").unwrap();
        let second = run_store.read_log("a", first.next).unwrap();
        assert_eq!(
            (second.lines.as_slice(), second.next),
            (&["two".to_owned()][..], 8)
        );
    }
}
