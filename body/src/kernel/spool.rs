//! Cells that wait, on the run folder's disk: a new supervisor finds the queue of the one before.
//! A cell that starts at once is never written; its worker knows it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::execution::Order;

/// A kernel's waiting cells.
pub struct Spool {
    folder: PathBuf,
    /// How many lie there: mostly none, and then there is nothing to remove.
    count: AtomicUsize,
}

impl Spool {
    /// Opens a folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            count: AtomicUsize::new(0),
        }
    }

    /// The cells that wait, first come first.
    pub fn load(&self) -> Vec<Order> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        // Their names are ULIDs: in order of time.
        paths.sort();
        let read = |path: PathBuf| {
            let order = serde_json::from_slice(&std::fs::read(&path).ok()?).ok();
            if order.is_none() {
                tracing::warn!(path = %path.display(), "a waiting cell can't be read and is dropped");
                let _ = std::fs::remove_file(path);
            }
            order
        };
        let orders: Vec<Order> = paths.into_iter().filter_map(read).collect();
        self.count.store(orders.len(), Ordering::Relaxed);
        orders
    }

    /// Writes a cell down. One that can't be written waits all the same, for as long as we live.
    pub fn put(&self, order: &Order) {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            let bytes = serde_json::to_vec(order).map_err(std::io::Error::other)?;
            let aside = self.folder.with_extension("new");
            std::fs::write(&aside, bytes)?;
            std::fs::rename(aside, self.path(&order.execution_id))
        };
        match write() {
            Ok(()) => {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "a waiting cell could not be written down"),
        }
    }

    /// Forgets a cell, if it is there.
    pub fn remove(&self, execution_id: &str) {
        if self.count.load(Ordering::Relaxed) > 0
            && std::fs::remove_file(self.path(execution_id)).is_ok()
        {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Forgets all of them.
    pub fn remove_all(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn path(&self, execution_id: &str) -> PathBuf {
        self.folder.join(format!("{execution_id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("main"));
        assert!(spool.load().is_empty());
        for id in ["01B", "01A", "01C"] {
            let mut order = Order {
                execution_id: id.to_owned(),
                ..Order::default()
            };
            order.request.code = id.to_lowercase();
            spool.put(&order);
        }
        spool.remove("01B");
        std::fs::write(folder.path().join("main/01D.json"), "half").unwrap();
        let again = Spool::new(folder.path().join("main"));
        let codes: Vec<_> = again
            .load()
            .into_iter()
            .map(|order| order.request.code)
            .collect();
        assert_eq!(codes, ["01a", "01c"]);
        again.remove("01A");
        assert_eq!(again.load().len(), 1);
        again.remove_all();
        assert!(again.load().is_empty());
    }
}
