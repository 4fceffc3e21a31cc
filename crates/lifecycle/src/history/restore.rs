//! Writing a tree back into `/repo`. Nothing is lost by it: only files that the history has as they
//! are now are replaced or removed, and what is ignored or may hold secrets stays.

use std::io::{self, ErrorKind};

use super::{
    error::HistoryError,
    export,
    folder::{Folder, Kind},
    path::RepoPath,
    secrets::may_hold_secrets,
    snapshot::Snapshot,
    store::Store,
    tree::Leaves,
};

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// How many files were written or removed.
    pub changed: usize,
    /// Files that stay as they are, since something else is in their place that the history
    /// doesn't have.
    pub kept: Vec<RepoPath>,
}

/// Turns the files that a snapshot found into those of a tree.
pub(super) fn restore(
    store: &Store,
    root: &Folder,
    now: &Snapshot,
    wanted: &Leaves,
) -> Result<Restored, HistoryError> {
    let mut work = Restore {
        store,
        root,
        now,
        done: Restored::default(),
    };
    for path in now.leaves.keys().filter(|path| !wanted.contains_key(path)) {
        work.remove(path)?;
    }
    for (path, leaf) in wanted {
        if now.leaves.get(path) != Some(leaf) && !may_hold_secrets(path.as_bytes()) {
            work.write(path, leaf)?;
        }
    }
    Ok(work.done)
}

struct Restore<'a> {
    store: &'a Store,
    root: &'a Folder,
    now: &'a Snapshot,
    done: Restored,
}

impl Restore<'_> {
    fn remove(&mut self, path: &RepoPath) -> Result<(), HistoryError> {
        let (above, name) = path.split();
        let failed =
            |error| HistoryError::file("remove", &self.root.path_of(path.as_bytes()))(error);
        let folder = match self.root.descend(&above) {
            Ok(folder) => folder,
            // The folder isn't there any more, so the file isn't either.
            Err(error) if is_in_the_way(&error) || error.kind() == ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        if !self.is_as_found(&folder, name, path).map_err(failed)? {
            self.done.kept.push(path.clone());
            return Ok(());
        }
        folder.remove(name).map_err(failed)?;
        self.done.changed += 1;
        // Folders that hold nothing any more go too; git keeps none.
        for depth in (0..above.len()).rev() {
            let removed = self
                .root
                .descend(&above[..depth])
                .and_then(|folder| folder.remove_empty(above[depth]));
            if removed.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &RepoPath, leaf: &super::tree::Leaf) -> Result<(), HistoryError> {
        let (above, name) = path.split();
        let failed =
            |error| HistoryError::file("write", &self.root.path_of(path.as_bytes()))(error);
        let mut folder = self.root.again().map_err(failed)?;
        for part in above {
            folder = match folder.enter_or_make(part) {
                Ok(folder) => folder,
                Err(error) if is_in_the_way(&error) => {
                    self.done.kept.push(path.clone());
                    return Ok(());
                }
                Err(error) => return Err(failed(error)),
            };
        }
        let is_free = match folder.look(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(failed(error)),
            Ok(_) => self.is_as_found(&folder, name, path).map_err(failed)?,
        };
        if !is_free {
            self.done.kept.push(path.clone());
            return Ok(());
        }
        export::write(self.store, path, leaf, &folder)?;
        self.done.changed += 1;
        Ok(())
    }

    /// Whether what is there is what the snapshot stored.
    fn is_as_found(&self, folder: &Folder, name: &[u8], path: &RepoPath) -> io::Result<bool> {
        match folder.look(name) {
            Ok(found) => Ok(!matches!(found.kind, Kind::Folder | Kind::Other)
                && self.now.stamps.get(path) == Some(&found.stamp)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file or link is where a folder is needed.
fn is_in_the_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
        || error.kind() == ErrorKind::NotADirectory
}
