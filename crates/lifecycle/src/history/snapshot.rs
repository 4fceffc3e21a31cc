//! One look at all files of `/repo`: bounded, without following links, and in pieces that can't
//! lead elsewhere.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    time::{SystemTime, UNIX_EPOCH},
};

use gix_hash::ObjectId;
use gix_object::Kind as ObjectKind;

use super::{
    cache::Cache,
    error::HistoryError,
    folder::{Folder, Found, Kind},
    ignored::{Ignored, RULES, RuleBudget},
    path::RepoPath,
    secrets::may_hold_secrets,
    stamp::Stamp,
    store::Store,
    tree::{FileKind, Leaf, Leaves},
};

/// What is read at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Files and folders, ignored ones too; of an ignored folder what is in it doesn't count.
    pub names: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Folders in folders.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            names: 50_000,
            file_bytes: 100 << 20,
            bytes: 1 << 30,
            depth: 64,
        }
    }
}

/// The files of `/repo` at one time, stored.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub leaves: Leaves,
    /// By what each of them is known.
    pub stamps: BTreeMap<RepoPath, Stamp>,
    /// What was left out because it may hold secrets.
    pub left_out: Vec<RepoPath>,
    /// Whether something was stored that wasn't there before.
    pub is_news: bool,
}

impl Snapshot {
    /// Reads the files of a folder into a store.
    pub(super) fn take(
        root: &Folder,
        store: &Store,
        cache: &Cache,
        limits: Limits,
    ) -> Result<(Self, Cache), HistoryError> {
        let mut walk = Walk {
            store,
            cache,
            limits,
            rules: RuleBudget::default(),
            began_ns: now_ns(),
            names: 0,
            bytes: 0,
            taken: Self::default(),
            next_cache: Cache::default(),
        };
        walk.folder(root, &RepoPath::default(), &Ignored::default(), 0)?;
        Ok((walk.taken, walk.next_cache))
    }
}

fn now_ns() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i128::try_from(now.as_nanos()).unwrap_or(0))
}

/// Git's own folder, a file that names one, or a link to one; in any case of letters, as some file
/// systems take them.
fn is_git(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git")
}

struct Walk<'a> {
    store: &'a Store,
    cache: &'a Cache,
    limits: Limits,
    rules: RuleBudget,
    began_ns: i128,
    names: usize,
    bytes: u64,
    taken: Snapshot,
    next_cache: Cache,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        folder: &Folder,
        path: &RepoPath,
        above: &Ignored,
        depth: usize,
    ) -> Result<(), HistoryError> {
        let names = folder
            .names(self.limits.names - self.names)
            .map_err(HistoryError::file("read", &folder.path_of(b"")))?;
        let names = names.ok_or(HistoryError::TooManyFiles {
            limit: self.limits.names,
        })?;
        self.names += names.len();
        let own;
        let ignored = if names.iter().any(|name| name == RULES) {
            own = above.with_rules_of(folder, path, &mut self.rules)?;
            &own
        } else {
            above
        };
        for name in names.iter().filter(|name| !is_git(name)) {
            let path = path.join(name);
            let Some(found) = here(folder, name, folder.look(name))? else {
                continue;
            };
            if ignored.leaves_out(&path, found.kind == Kind::Folder) {
                continue;
            }
            if may_hold_secrets(path.as_bytes()) {
                self.taken.left_out.push(path);
                continue;
            }
            match found.kind {
                Kind::Folder if depth == self.limits.depth => {
                    return Err(HistoryError::TooDeep {
                        path,
                        limit: self.limits.depth,
                    });
                }
                Kind::Folder => {
                    if let Some(child) = here(folder, name, folder.enter(name))? {
                        self.folder(&child, &path, ignored, depth + 1)?;
                    }
                }
                Kind::File { .. } => self.file(folder, name, path, found)?,
                Kind::Link => self.link(folder, name, path, found)?,
                Kind::Other => {}
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        folder: &Folder,
        name: &[u8],
        path: RepoPath,
        found: Found,
    ) -> Result<(), HistoryError> {
        let limit = self.limits.file_bytes;
        if found.stamp.size > limit {
            return Err(HistoryError::FileTooLarge { path, limit });
        }
        self.count(found.stamp.size)?;
        let known = self.cache.get(&path, &found.stamp);
        if let Some(id) = known.filter(|id| self.store.has(id)) {
            return self.leaf(path, found, id);
        }
        let Some(read) = here(folder, name, folder.read(name, limit))? else {
            return Ok(());
        };
        let Some((bytes, found)) = read else {
            return match here(folder, name, folder.look(name))?.map(|found| found.kind) {
                // It has grown.
                Some(Kind::File { .. }) => Err(HistoryError::FileTooLarge { path, limit }),
                _ => Ok(()),
            };
        };
        let id = self.store(&path, &bytes)?;
        self.leaf(path, found, id)
    }

    fn link(
        &mut self,
        folder: &Folder,
        name: &[u8],
        path: RepoPath,
        found: Found,
    ) -> Result<(), HistoryError> {
        let Some(target) = here(folder, name, folder.read_link(name))? else {
            return Ok(());
        };
        self.count(target.len() as u64)?;
        let id = self.store(&path, &target)?;
        self.leaf(path, found, id)
    }

    fn count(&mut self, bytes: u64) -> Result<(), HistoryError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(HistoryError::TooLarge {
                limit: self.limits.bytes,
            });
        }
        Ok(())
    }

    fn store(&mut self, path: &RepoPath, bytes: &[u8]) -> Result<ObjectId, HistoryError> {
        let id = Store::id_of(ObjectKind::Blob, bytes)
            .ok_or_else(|| HistoryError::Collision { path: path.clone() })?;
        self.taken.is_news |= self.store.write(&id, ObjectKind::Blob, bytes)?;
        Ok(id)
    }

    fn leaf(&mut self, path: RepoPath, found: Found, id: ObjectId) -> Result<(), HistoryError> {
        let kind = match found.kind {
            Kind::File { executable: true } => FileKind::Executable,
            Kind::Link => FileKind::Link,
            _ => FileKind::Plain,
        };
        // A change in the same tick of the clock would not be seen by the stamp.
        if kind != FileKind::Link && found.stamp.is_settled_at(self.began_ns) {
            self.next_cache.note(path.clone(), found.stamp, id);
        }
        self.taken.stamps.insert(path.clone(), found.stamp);
        self.taken.leaves.insert(path, Leaf { kind, id });
        Ok(())
    }
}

/// What was found; `None` if it went away meanwhile, or became something else.
fn here<T>(folder: &Folder, name: &[u8], found: io::Result<T>) -> Result<Option<T>, HistoryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(HistoryError::file("read", &folder.path_of(name))(error)),
    }
}

fn is_gone(error: &io::Error) -> bool {
    // A link where a folder or file was: ELOOP, which has no stable kind; EINVAL where a link was.
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_link
        || matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput
        )
}
