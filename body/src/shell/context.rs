//! The shell's folder and environment: one for `POST /shell` and for
//! `runtime.shell` in every kernel. Each change has a number, so that a kernel's
//! driver knows whether its worker has heard of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::ShellError;

/// Of a variable with its name. Linux takes up to 128 KiB.
pub const LONGEST_VARIABLE: usize = 64 << 10;
/// Of all variables with what Linux needs besides. It takes 2 MiB in all with the usual stack, a
/// command and what is inherited included.
pub const LARGEST_ENV: usize = 1 << 20;

/// Folder and added environment at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
    /// Counts the changes.
    pub version: u64,
}

/// The one context of a machine.
pub struct Context {
    now: Mutex<Snapshot>,
    changes: watch::Sender<u64>,
}

impl Context {
    /// Starts in a folder, with nothing added to the environment.
    pub fn new(cwd: PathBuf) -> Self {
        Self {
            now: Mutex::new(Snapshot {
                cwd,
                env: BTreeMap::new(),
                version: 0,
            }),
            changes: watch::Sender::new(0),
        }
    }

    /// As it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
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
        let mut now = self.lock();
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                crate::paths::home().join(rest.trim_start_matches('/'))
            }
            _ => now.cwd.join(Path::new(path)),
        };
        match path.canonicalize() {
            Ok(found) if found.is_dir() => {
                now.cwd.clone_from(&found);
                self.changed(now);
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
        let mut now = self.lock();
        check(&now.env, key, value)?;
        now.env.insert(key.to_owned(), value.to_owned());
        self.changed(now);
        Ok(())
    }

    /// Takes over what a cell changed with `runtime.shell`, but for what no command could start with.
    pub fn adopt(&self, cwd: Option<PathBuf>, env: BTreeMap<String, String>) {
        let mut now = self.lock();
        if let Some(cwd) = cwd {
            now.cwd = cwd;
        }
        for (key, value) in env {
            match check(&now.env, &key, &value) {
                Ok(()) => {
                    now.env.insert(key, value);
                }
                Err(error) => tracing::warn!(%error, "a variable that a cell set was left out"),
            }
        }
        self.changed(now);
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, mut now: MutexGuard<'_, Snapshot>) {
        now.version += 1;
        // With the lock held, so that the numbers come in order.
        self.changes.send_replace(now.version);
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
    use super::*;

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
        context.adopt(None, BTreeMap::from(new));
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
        context.adopt(None, BTreeMap::from([("NEW".to_owned(), "2".to_owned())]));
        context.adopt(Some("/tmp".into()), BTreeMap::new());
        assert!(changes.has_changed().unwrap());
        let now = context.snapshot();
        assert_eq!(
            (now.cwd, now.version),
            (PathBuf::from("/tmp"), context.version())
        );
        assert_eq!(now.env.keys().collect::<Vec<_>>(), ["KEPT", "NEW"]);
    }
}
