//! The shell's folder and environment: one for `POST /shell` and for
//! `runtime.shell` in every kernel. Each change has a number, so that a kernel's
//! driver knows whether its worker has heard of it. Kept in a file of this boot, with how much of
//! what each worker changed by itself is in it: the next supervisor takes over what is newer alone.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::ShellError;
use crate::atomic_file;

/// Of a variable with its name. Linux takes up to 128 KiB.
pub const LONGEST_VARIABLE: usize = 64 << 10;
/// Of all variables with what Linux needs besides. It takes 2 MiB in all with the usual stack, a
/// command and what is inherited included.
pub const LARGEST_ENV: usize = 1 << 20;

/// Folder and added environment at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
    /// Counts the changes, of this supervisor.
    #[serde(skip)]
    pub version: u64,
}

/// How many changes of its own a kernel's worker has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The worker's process.
    pub pid: i32,
    pub changes: u64,
}

/// What the file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    now: Snapshot,
    /// By the kernel's name.
    heard: BTreeMap<String, Heard>,
}

/// The one context of a machine.
pub struct Context {
    /// Where it is kept; nowhere where nobody comes after us.
    file: Option<PathBuf>,
    /// As it was when we began, which is what every worker had been told.
    found: Snapshot,
    kept: Mutex<Kept>,
    changes: watch::Sender<u64>,
}

impl Context {
    /// Starts in a folder, with nothing added to the environment.
    pub fn new(cwd: PathBuf) -> Self {
        let now = Snapshot {
            cwd,
            env: BTreeMap::new(),
            version: 0,
        };
        let heard = BTreeMap::new();
        Self::of(None, Kept { now, heard })
    }

    /// As it was left in this file; where there is none, as a new one.
    pub fn load(file: PathBuf, cwd: PathBuf) -> Self {
        let new = Self::new(cwd);
        let kept = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(new.kept.lock().clone())
            }
            Err(error) => Err(error),
        };
        let kept = kept.unwrap_or_else(|error| {
            tracing::warn!(%error, "the shell's folder and environment can't be read, and begin anew");
            new.kept.lock().clone()
        });
        Self::of(Some(file), kept)
    }

    fn of(file: Option<PathBuf>, kept: Kept) -> Self {
        Self {
            file,
            found: kept.now.clone(),
            kept: Mutex::new(kept),
            changes: watch::Sender::new(0),
        }
    }

    /// As it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.kept.lock().now.clone()
    }

    /// The number of the last change.
    pub fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Hears of every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Moves, relative to where it is.
    pub fn cd(&self, path: &str) -> Result<PathBuf, ShellError> {
        let mut kept = self.kept.lock();
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                crate::paths::home().join(rest.trim_start_matches('/'))
            }
            _ => kept.now.cwd.join(Path::new(path)),
        };
        match path.canonicalize() {
            Ok(found) if found.is_dir() => {
                kept.now.cwd.clone_from(&found);
                self.changed(kept);
                Ok(found)
            }
            _ => Err(ShellError::NoFolder(path)),
        }
    }

    /// Sets a variable.
    pub fn set(&self, key: &str, value: &str) -> Result<(), ShellError> {
        // Those that bash can name, too; a cell may want others.
        let fine = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !key.chars().all(fine) || key.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(ShellError::BadName(key.to_owned()));
        }
        let mut kept = self.kept.lock();
        check(&kept.now.env, key, value)?;
        kept.now.env.insert(key.to_owned(), value.to_owned());
        self.changed(kept);
        Ok(())
    }

    /// Takes over what a cell changed with `runtime.shell`, but for what no command could start with.
    pub fn adopt(
        &self,
        kernel: &str,
        heard: Heard,
        cwd: Option<PathBuf>,
        env: BTreeMap<String, String>,
    ) {
        let mut kept = self.kept.lock();
        kept.heard.insert(kernel.to_owned(), heard);
        kept.now.take(cwd, env);
        self.changed(kept);
    }

    /// Takes over what a worker changed while nobody heard it. It tells all of its context: what of
    /// that is as we found it is no change of its own, and another worker's may be in its place.
    pub fn meet(
        &self,
        kernel: &str,
        heard: Heard,
        cwd: Option<PathBuf>,
        mut env: BTreeMap<String, String>,
    ) {
        let mut kept = self.kept.lock();
        let known = kept.heard.insert(kernel.to_owned(), heard);
        let newer = match known {
            Some(known) => known.pid == heard.pid && known.changes < heard.changes,
            // Where nothing could be kept.
            None => heard.changes > 0,
        };
        if newer {
            env.retain(|key, value| self.found.env.get(key) != Some(value));
            let cwd = cwd.filter(|cwd| *cwd != self.found.cwd);
            kept.now.take(cwd, env);
            self.changed(kept);
        } else if known != Some(heard) {
            self.keep(&kept);
        }
    }

    fn changed(&self, mut kept: MutexGuard<'_, Kept>) {
        kept.now.version += 1;
        self.keep(&kept);
        // With the lock held, so that the numbers come in order.
        self.changes.send_replace(kept.now.version);
    }

    /// Writes it down. What can't be written holds for as long as we live.
    fn keep(&self, kept: &Kept) {
        let Some(file) = &self.file else { return };
        let written = serde_json::to_vec(kept).map_err(std::io::Error::from);
        // Secrets may stand in the environment.
        if let Err(error) = written.and_then(|bytes| atomic_file::write(file, &bytes, 0o600)) {
            tracing::warn!(%error, "the shell's folder and environment could not be kept");
        }
    }
}

impl Snapshot {
    fn take(&mut self, cwd: Option<PathBuf>, env: BTreeMap<String, String>) {
        if let Some(cwd) = cwd {
            self.cwd = cwd;
        }
        for (key, value) in env {
            match check(&self.env, &key, &value) {
                Ok(()) => {
                    self.env.insert(key, value);
                }
                Err(error) => tracing::warn!(%error, "a variable that a cell set was left out"),
            }
        }
    }
}

/// Whether commands can start with this variable beside the others.
fn check(env: &BTreeMap<String, String>, key: &str, value: &str) -> Result<(), ShellError> {
    if key.len() + value.len() > LONGEST_VARIABLE {
        return Err(ShellError::LongVariable);
    }
    if key.is_empty() || key.contains(['=', '\0']) {
        return Err(ShellError::BadName(key.to_owned()));
    }
    if value.contains('\0') {
        return Err(ShellError::ZeroByteOf(key.to_owned()));
    }
    let others = env.iter().filter(|(other, _)| *other != key);
    let others: usize = others.map(|(key, value)| size(key, value)).sum();
    if others + size(key, value) > LARGEST_ENV {
        return Err(ShellError::LargeEnv(key.to_owned()));
    }
    Ok(())
}

/// With the bytes between and after, and a pointer to it.
fn size(key: &str, value: &str) -> usize {
    key.len() + value.len() + 10
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn heard(pid: i32, changes: u64) -> Heard {
        Heard { pid, changes }
    }

    fn env(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn the_next_supervisor_goes_on_with_it_and_with_what_is_newer_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("context.json");
        let load = || Context::load(file.clone(), "/".into());
        let first = load();
        first.cd("/var").unwrap();
        first.set("FOO", "1").unwrap();
        first.meet("main", heard(7, 0), Some("/".into()), BTreeMap::new());
        first.adopt("main", heard(7, 1), None, env("OF_A_CELL", "2"));
        // A worker that nobody tells where we are now.
        first.meet("other", heard(8, 0), Some("/".into()), BTreeMap::new());
        first.cd("/usr").unwrap();
        let left = first.snapshot();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let second = load();
        let is = |context: &Context, cwd: &str, env: &BTreeMap<String, String>| {
            let now = context.snapshot();
            assert_eq!((now.cwd, &now.env), (PathBuf::from(cwd), env));
        };
        is(&second, "/usr", &left.env);
        second.meet("main", heard(7, 1), Some("/var".into()), BTreeMap::new());
        second.meet("other", heard(8, 0), Some("/".into()), BTreeMap::new());
        // Of a worker that was started meanwhile nothing can be newer.
        second.meet("new", heard(9, 0), Some("/".into()), BTreeMap::new());
        is(&second, "/usr", &left.env);

        // Each changed one of the two, while nobody was there.
        let third = load();
        let mut told = left.env.clone();
        told.insert("NEW".to_owned(), "3".to_owned());
        third.meet("main", heard(7, 2), Some("/tmp".into()), left.env.clone());
        third.meet("other", heard(8, 1), Some("/usr".into()), told.clone());
        is(&third, "/tmp", &told);
        is(&load(), "/tmp", &told);

        // A worker that another took the place of: what it begins with counts for nothing.
        let fourth = load();
        fourth.meet("main", heard(10, 0), Some("/".into()), BTreeMap::new());
        is(&fourth, "/tmp", &told);
        let fifth = load();
        fifth.meet("main", heard(10, 1), Some("/usr".into()), told.clone());
        is(&fifth, "/usr", &told);

        std::fs::write(&file, "no JSON").unwrap();
        is(&load(), "/", &BTreeMap::new());
    }

    #[test]
    fn what_no_command_could_start_with_is_refused_and_left_out() {
        let context = Context::new("/".into());
        let refused = |key: &str, value: &str| context.set(key, value).unwrap_err();
        for name in ["A=B", "", "1A", "A-B", "A\0"] {
            assert!(matches!(refused(name, "v"), ShellError::BadName(_)));
        }
        let why = refused("V", "a\0b");
        assert!(
            matches!(&why, ShellError::ZeroByteOf(name) if name == "V"),
            "{why}"
        );
        let long = "v".repeat(LONGEST_VARIABLE);
        assert!(matches!(refused("V", &long), ShellError::LongVariable));
        context.set("V", &long[1..]).unwrap();

        // What is there may be set again, where all is full but for it.
        let full = (0..100).find(|index| context.set(&format!("F{index:02}"), &long[3..]).is_err());
        assert_eq!(full, Some(14));
        assert!(matches!(
            refused("F99", &long[3..]),
            ShellError::LargeEnv(_)
        ));
        context.set("F00", &long[3..]).unwrap();

        let before = context.snapshot().env;
        let new = [
            ("V", "new"),
            ("A=B", ""),
            ("A-B", ""),
            ("Z", "a\0b"),
            ("F99", &long[3..]),
        ];
        let new = new.map(|(key, value)| (key.to_owned(), value.to_owned()));
        context.adopt("main", heard(1, 1), None, BTreeMap::from(new));
        let now = context.snapshot().env;
        assert_eq!((now["V"].as_str(), now["A-B"].as_str()), ("new", ""));
        assert_eq!(now.len(), before.len() + 1);
    }

    #[test]
    fn what_a_cell_changed_is_added_to_what_is_there() {
        let context = Context::new("/".into());
        context.set("KEPT", "1").unwrap();
        let mut changes = context.watch();
        changes.mark_unchanged();
        context.adopt("main", heard(1, 1), None, env("NEW", "2"));
        context.adopt("main", heard(1, 2), Some("/tmp".into()), BTreeMap::new());
        assert!(changes.has_changed().unwrap());
        let now = context.snapshot();
        assert_eq!(
            (now.cwd, now.version),
            (PathBuf::from("/tmp"), context.version())
        );
        assert_eq!(now.env.keys().collect::<Vec<_>>(), ["KEPT", "NEW"]);
    }
}
