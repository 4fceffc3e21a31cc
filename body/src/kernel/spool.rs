//! Cells that are not over, on the run folder's disk: a new supervisor finds the queue of the one
//! before, and what ran, also where the worker that ran it is gone too. A kernel's folder is there for
//! as long as the kernel.

use std::path::PathBuf;

use super::QueuedExecution;

const WAITS: &str = "json";
const RUNS: &str = "running";

/// A kernel's cells.
pub struct Spool {
    folder: PathBuf,
}

/// A cell of a supervisor before this one.
pub struct Found {
    pub order: QueuedExecution,
    /// A worker was given it, or was about to be.
    pub has_begun: bool,
}

impl Spool {
    /// Opens a folder, or makes it.
    pub fn new(folder: PathBuf) -> Self {
        if let Err(error) = std::fs::create_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "waiting cells can't be written down");
        }
        Self { folder }
    }

    /// The cells that are not over, first come first.
    pub fn load(&self) -> Vec<Found> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // One that was being written when its writer was killed was accepted by nobody.
        paths.retain(|path| {
            let is_whole = path
                .extension()
                .is_some_and(|word| word == WAITS || word == RUNS);
            if !is_whole {
                let _ = std::fs::remove_file(path);
            }
            is_whole
        });
        // Their names are ULIDs: in order of time.
        paths.sort();
        let read = |path: PathBuf| {
            let order = serde_json::from_slice(&std::fs::read(&path).ok()?).ok();
            if order.is_none() {
                tracing::warn!(path = %path.display(), "a waiting cell can't be read and is dropped");
                let _ = std::fs::remove_file(&path);
            }
            let has_begun = path.extension().is_some_and(|word| word == RUNS);
            order.map(|order| Found { order, has_begun })
        };
        paths.into_iter().filter_map(read).collect()
    }

    /// Writes a cell down. One that can't be written waits all the same, for as long as we live.
    pub fn put(&self, order: &QueuedExecution) {
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec(order).map_err(std::io::Error::other)?;
            crate::atomic_file::write(&self.path(&order.execution_id, WAITS), &bytes, 0o600)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "a waiting cell could not be written down");
        }
    }

    /// A worker is about to be given it: whatever happens, no other one is.
    pub fn begin(&self, execution_id: &str) {
        let from = self.path(execution_id, WAITS);
        // It may never have been written.
        let _ = std::fs::rename(from, self.path(execution_id, RUNS));
    }

    /// Forgets a cell, if it is there.
    pub fn remove(&self, execution_id: &str) {
        if std::fs::remove_file(self.path(execution_id, RUNS)).is_err() {
            let _ = std::fs::remove_file(self.path(execution_id, WAITS));
        }
    }

    /// Forgets all of them, and the kernel.
    pub fn remove_all(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn path(&self, execution_id: &str, state: &str) -> PathBuf {
        self.folder.join(format!("{execution_id}.{state}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_in_their_order_and_as_far_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("main"));
        assert!(spool.load().is_empty());
        for id in ["01B", "01A", "01C", "01E"] {
            let mut order = QueuedExecution {
                execution_id: id.to_owned(),
                ..QueuedExecution::default()
            };
            order.request.code = id.to_lowercase();
            spool.put(&order);
        }
        spool.remove("01B");
        spool.begin("01C");
        spool.begin("01E");
        spool.remove("01E");
        spool.begin("01F");
        std::fs::write(folder.path().join("main/01D.json"), "half").unwrap();
        let again = Spool::new(folder.path().join("main"));
        let found: Vec<_> = again
            .load()
            .into_iter()
            .map(|found| (found.order.request.code, found.has_begun))
            .collect();
        assert_eq!(found, [("01a".to_owned(), false), ("01c".to_owned(), true)]);
        again.remove("01A");
        assert_eq!(again.load().len(), 1);
        again.remove_all();
        assert!(again.load().is_empty());
    }
}
