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
        let fine = key
            .chars()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && key
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !fine || value.contains('\0') {
            return Err(ShellError::BadName(key.to_owned()));
        }
        let mut now = self.lock();
        now.env.insert(key.to_owned(), value.to_owned());
        self.changed(now);
        Ok(())
    }

    /// Takes over what a cell changed with `runtime.shell`.
    pub fn adopt(&self, cwd: Option<PathBuf>, env: BTreeMap<String, String>) {
        let mut now = self.lock();
        if let Some(cwd) = cwd {
            now.cwd = cwd;
        }
        now.env.extend(env);
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

#[cfg(test)]
mod tests {
    use super::*;

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
