//! Watchers that are asked for what happened instead of being told. Each holds the stream of its
//! folder's changes, which keeps them until somebody asks.

use std::{collections::HashMap, fmt};

use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use parking_lot::{Mutex, MutexGuard};
use sandbox::SandboxError;
use wire::sandbox::{FileChange, SandboxId};

use super::connect::{Code, ConnectError};

/// The most of one sandbox.
const MOST: usize = 64;

type Changes = BoxStream<'static, Result<FileChange, SandboxError>>;

/// All of them.
#[derive(Default)]
pub(super) struct Watchers(Mutex<HashMap<SandboxId, HashMap<String, Changes>>>);

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watchers(..)")
    }
}

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, HashMap<String, Changes>>> {
        self.0.lock()
    }

    /// Adds one; answers its id.
    pub(super) fn add(
        &self,
        sandbox: &SandboxId,
        changes: Changes,
    ) -> Result<String, ConnectError> {
        let mut all = self.lock();
        let watchers = all.entry(sandbox.clone()).or_default();
        if watchers.len() >= MOST {
            let words = format!("a sandbox has at most {MOST} watchers: remove one first");
            return Err(ConnectError::new(Code::ResourceExhausted, words));
        }
        let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        watchers.insert(id.clone(), changes);
        Ok(id)
    }

    /// What happened since the last time.
    pub(super) fn take_events(
        &self,
        sandbox: &SandboxId,
        id: &str,
    ) -> Result<Vec<FileChange>, ConnectError> {
        let mut all = self.lock();
        let changes = all
            .get_mut(sandbox)
            .and_then(|watchers| watchers.get_mut(id));
        let changes = changes.ok_or_else(missing)?;
        let mut happened = Vec::new();
        while let Some(Some(change)) = changes.next().now_or_never() {
            match change {
                Ok(change) => happened.push(change),
                Err(error) => {
                    return Err(ConnectError::new(Code::Unavailable, error.to_string()));
                }
            }
        }
        Ok(happened)
    }

    pub(super) fn remove(&self, sandbox: &SandboxId, id: &str) -> Result<(), ConnectError> {
        let mut all = self.lock();
        let removed = all
            .get_mut(sandbox)
            .and_then(|watchers| watchers.remove(id));
        removed.map(|_| ()).ok_or_else(missing)
    }

    /// Keeps those of sandboxes that are there.
    pub(super) fn keep(&self, is_there: impl Fn(&SandboxId) -> bool) {
        self.lock().retain(|id, _| is_there(id));
    }
}

fn missing() -> ConnectError {
    ConnectError::new(Code::NotFound, "watcher not found")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use wire::sandbox::FileChangeKind;

    use super::*;

    #[test]
    fn a_watcher_tells_each_change_once_and_never_waits() {
        let (watchers, id): (Watchers, SandboxId) = (Watchers::default(), "i1".parse().unwrap());
        let change = |name: &str| FileChange {
            name: name.into(),
            kind: FileChangeKind::Created,
        };
        let told = stream::iter([Ok(change("a")), Ok(change("b"))]).chain(stream::pending());
        let watcher = watchers.add(&id, told.boxed()).unwrap();
        assert_eq!(
            watchers.take_events(&id, &watcher).unwrap(),
            [change("a"), change("b")]
        );
        assert_eq!(watchers.take_events(&id, &watcher).unwrap(), []);
        // Another sandbox has no part in it.
        let other = "i2".parse().unwrap();
        assert_eq!(
            watchers.take_events(&other, &watcher).unwrap_err().code,
            Code::NotFound
        );
        watchers.remove(&id, &watcher).unwrap();
        assert_eq!(
            watchers.remove(&id, &watcher).unwrap_err().code,
            Code::NotFound
        );
    }

    #[test]
    fn there_is_a_most_and_what_is_gone_is_forgotten() {
        let (watchers, id): (Watchers, SandboxId) = (Watchers::default(), "i1".parse().unwrap());
        let add = || watchers.add(&id, stream::pending().boxed());
        for _ in 0..MOST {
            add().unwrap();
        }
        assert_eq!(add().unwrap_err().code, Code::ResourceExhausted);
        watchers.keep(|_| false);
        add().unwrap();
    }
}
