//! The history itself: a bare repository in a folder of ours, and the folder whose files it keeps.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, lchown},
    path::{Path, PathBuf},
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use gix_hash::ObjectId;
use gix_object::Kind;
use wire::evolve::RepoDiff;

use super::{
    cache::Cache,
    commit::{self, Commit},
    diff,
    error::HistoryError,
    export,
    folder::Folder,
    path::RepoPath,
    refs::Refs,
    restore::{Restored, restore},
    snapshot::{Limits, Snapshot},
    store::Store,
    tree::{self, Leaves},
};
use crate::paths::{give_like_folder, make_private_dir};

/// The commit that all began with.
const ORIGIN: &str = "refs/vivarium/origin";
/// The tree that was looked at last, so that it isn't collected.
const PREVIEW: &str = "refs/vivarium/preview";
/// Begins the names of generations' commits.
const GENERATION: &str = "refs/vivarium/gen-";
/// Branches of runs.
const RUNS: &str = "refs/heads/vivarium";
/// What makes a folder a bare repository, so that a person can read it with git. Its HEAD names no
/// commit: git takes attributes of a bare repository from there. Git may not pack what is in it,
/// since packs aren't read here.
const FILES: [(&str, &str); 2] = [
    ("HEAD", "ref: refs/heads/none\n"),
    (
        "config",
        "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n\
         [extensions]\n\tpreciousObjects = true\n[gc]\n\tauto = 0\n\tpackRefs = false\n",
    ),
];

/// A commit of the files as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The commit.
    pub commit: String,
    /// The tree of its files, which a review names.
    pub tree: String,
    /// What isn't in it because it may hold secrets.
    pub left_out: Vec<RepoPath>,
}

/// A machine's history. Cheap to clone; every use opens what it needs. All calls read and write
/// files, so that asynchronous code makes them on a thread of their own.
#[derive(Clone, Debug)]
pub(crate) struct History {
    folder: PathBuf,
    work: PathBuf,
    store: Store,
    refs: Refs,
    limits: Limits,
}

impl History {
    /// The history in a folder, which is made on first use, of the files of another.
    pub(crate) fn open(folder: &Path, work: &Path) -> Result<Self, HistoryError> {
        let history = Self {
            folder: folder.to_owned(),
            work: work.to_owned(),
            store: Store::at(folder.join("objects")),
            refs: Refs::at(folder.to_owned()),
            limits: Limits::default(),
        };
        for needed in ["objects", "refs/heads"] {
            let needed = folder.join(needed);
            make_private_dir(&needed).map_err(HistoryError::file("create", &needed))?;
        }
        for (name, text) in FILES {
            let path = folder.join(name);
            if !path.exists() {
                private_file(&path)
                    .and_then(|mut file| file.write_all(text.as_bytes()))
                    .map_err(HistoryError::file("write", &path))?;
            }
        }
        Ok(history)
    }

    /// Lets a user of this computer, whom the machine's user is, read it. Everything that is added
    /// later belongs to whoever the folder belongs to.
    pub(crate) fn give_to(&self, uid: u32, gid: u32) -> Result<(), HistoryError> {
        let owner = |path: &Path| fs::symlink_metadata(path).map(|found| found.uid());
        let failed = |error| HistoryError::file("change the owner of", &self.folder)(error);
        if owner(&self.folder).map_err(failed)? == uid {
            return Ok(());
        }
        let _held = self.hold()?;
        // The folder itself comes last: by it a run that was cut off is seen.
        give(&self.folder, uid, gid).map_err(failed)
    }

    #[cfg(test)]
    pub(super) fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The commit that all began with, if it is known.
    pub(crate) fn origin(&self) -> Result<Option<String>, HistoryError> {
        let origin = self.refs.get(ORIGIN)?;
        Ok(origin
            .map(|id| id.to_string())
            .filter(|commit| self.has(commit)))
    }

    /// Commits the files of a folder (the template, or `/repo` before the machine first has it) as
    /// what all began with.
    pub(crate) fn set_origin(&self, files: &Path, message: &str) -> Result<String, HistoryError> {
        let _held = self.hold()?;
        let root = Folder::open(files).map_err(HistoryError::file("open", files))?;
        let (taken, _) = Snapshot::take(&root, &self.store, &Cache::default(), self.limits)?;
        let commit = Commit {
            tree: tree::write(&self.store, &taken.leaves)?,
            parents: Vec::new(),
        };
        let id = commit::write(&self.store, &commit, message, now_s())?;
        self.refs.set(ORIGIN, &id)?;
        Ok(id.to_string())
    }

    /// Whether a commit is there.
    pub(crate) fn has(&self, commit: &str) -> bool {
        self.commit_of(commit).is_ok()
    }

    /// Stores the files as they are, without a commit; answers their tree, which stays until the
    /// next call.
    pub(crate) fn look(&self) -> Result<String, HistoryError> {
        let _held = self.hold()?;
        let taken = self.take()?;
        let tree = tree::write(&self.store, &taken.leaves)?;
        self.refs.set(PREVIEW, &tree)?;
        if taken.is_news {
            self.sweep();
        }
        Ok(tree.to_string())
    }

    /// Commits the files as they are on a branch. If they are those of `current`, or those that all
    /// began with, it is that commit, and there is no branch.
    pub(crate) fn commit(
        &self,
        branch: &str,
        current: Option<&str>,
        message: &str,
    ) -> Result<Committed, HistoryError> {
        let _held = self.hold()?;
        let taken = self.take()?;
        self.commit_taken(&taken, branch, current, message)
    }

    fn commit_taken(
        &self,
        taken: &Snapshot,
        branch: &str,
        current: Option<&str>,
        message: &str,
    ) -> Result<Committed, HistoryError> {
        let tree = tree::write(&self.store, &taken.leaves)?;
        let name = format!("refs/heads/{branch}");
        let tip = self.refs.get(&name)?.map(|id| id.to_string());
        let origin = self.origin()?;
        let committed = |commit: String| Committed {
            commit,
            tree: tree.to_string(),
            left_out: taken.left_out.clone(),
        };
        for known in [tip.as_deref(), current, origin.as_deref()]
            .into_iter()
            .flatten()
        {
            if self.commit_of(known).is_ok_and(|(_, of)| of.tree == tree) {
                return Ok(committed(known.to_owned()));
            }
        }
        // A chain over generations would keep those that are removed.
        let parent = tip.or(origin);
        let parents = parent.and_then(|parent| Some(self.commit_of(&parent).ok()?.0));
        let commit = Commit {
            tree,
            parents: parents.into_iter().collect(),
        };
        let id = commit::write(&self.store, &commit, message, now_s())?;
        self.refs.set(&name, &id)?;
        Ok(committed(id.to_string()))
    }

    /// Keeps a commit under a generation's name.
    pub(crate) fn pin(&self, number: u32, commit: &str) -> Result<(), HistoryError> {
        let (id, _) = self.commit_of(commit)?;
        self.refs.set(&pin(number), &id)
    }

    /// Forgets a generation's commit.
    pub(crate) fn unpin(&self, number: u32) -> Result<(), HistoryError> {
        self.refs.remove(&pin(number))
    }

    /// Removes branches of runs and generations' commits but those named, and what nothing needs
    /// any more.
    pub(crate) fn keep(&self, keep: &[String], numbers: &[u32]) -> Result<(), HistoryError> {
        let _held = self.hold()?;
        for name in self.refs.below("refs/vivarium")? {
            let number = name.strip_prefix(GENERATION);
            if number.is_some_and(|number| !numbers.iter().any(|kept| kept.to_string() == number)) {
                self.refs.remove(&name)?;
            }
        }
        for name in self.refs.below(RUNS)? {
            let branch = name.strip_prefix("refs/heads/").unwrap_or(&name);
            if !keep.iter().any(|keep| keep == branch) {
                self.refs.remove(&name)?;
            }
        }
        self.sweep();
        Ok(())
    }

    /// The newest commit of a branch, if there is one.
    pub(crate) fn tip(&self, branch: &str) -> Result<Option<String>, HistoryError> {
        let tip = self.refs.get(&format!("refs/heads/{branch}"))?;
        Ok(tip.map(|id| id.to_string()))
    }

    /// What a tree or commit changed against a commit; all of it, if there is none to compare with.
    pub(crate) fn diff(&self, from: Option<&str>, to: &str) -> Result<RepoDiff, HistoryError> {
        let before = match from {
            Some(from) => self.leaves(from)?,
            None => Leaves::new(),
        };
        Ok(RepoDiff {
            from_commit: from.map(str::to_owned),
            tree: self.tree_id(to)?.to_string(),
            ..diff::diff(&self.store, &before, &self.leaves(to)?)?
        })
    }

    /// Writes the files of a tree or commit that `wanted` says yes to into an empty folder.
    pub(crate) fn export(
        &self,
        from: &str,
        folder: &Path,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<(), HistoryError> {
        let root = Folder::open(folder).map_err(HistoryError::file("open", folder))?;
        let mut leaves = self.leaves(from)?;
        leaves.retain(|path, _| wanted(path.as_bytes()));
        export::export(&self.store, &leaves, &root)
    }

    /// Turns the files from those of the commit `before` into those of another. What was changed
    /// since `before` is committed on a branch first, so that it isn't lost. May be repeated after a
    /// crash.
    pub(crate) fn restore(
        &self,
        to: &str,
        before: &str,
        branch: &str,
        message: &str,
    ) -> Result<Restored, HistoryError> {
        let _held = self.hold()?;
        let (wanted, known) = (self.leaves(to)?, self.leaves(before)?);
        let taken = self.take()?;
        let mut leaves = taken.leaves.iter();
        let is_known = leaves.all(|(path, leaf)| {
            [&wanted, &known]
                .iter()
                .any(|tree| tree.get(path) == Some(leaf))
        });
        if !is_known {
            self.commit_taken(&taken, branch, None, message)?;
        }
        restore(&self.store, &self.root()?, &taken, &wanted)
    }

    fn root(&self) -> Result<Folder, HistoryError> {
        Folder::open(&self.work).map_err(HistoryError::file("open", &self.work))
    }

    /// Reads the files as they are.
    fn take(&self) -> Result<Snapshot, HistoryError> {
        let place = self.beside("files");
        let cache = Cache::read(&place);
        let (taken, next) = Snapshot::take(&self.root()?, &self.store, &cache, self.limits)?;
        next.write(&place)?;
        Ok(taken)
    }

    fn leaves(&self, of: &str) -> Result<Leaves, HistoryError> {
        tree::read(&self.store, &self.tree_id(of)?)
    }

    /// The tree of a commit, or a tree itself.
    fn tree_id(&self, of: &str) -> Result<ObjectId, HistoryError> {
        let id = parse_id(of)?;
        match self.store.read_any(&id)? {
            (Kind::Commit, bytes) => Ok(commit::parse(&id, &bytes)?.tree),
            (Kind::Tree, _) => Ok(id),
            _ => Err(HistoryError::Damaged { id }),
        }
    }

    fn commit_of(&self, commit: &str) -> Result<(ObjectId, Commit), HistoryError> {
        let id = parse_id(commit)?;
        Ok((id, commit::read(&self.store, &id)?))
    }

    /// Removes what no ref leads to. Space that can't be given back fails nothing.
    fn sweep(&self) {
        match self.sweep_unneeded() {
            Ok(gone) => tracing::debug!(gone, "objects that nothing needs were removed"),
            Err(error) => tracing::warn!(%error, "the machine's history can't be tidied up"),
        }
    }

    fn sweep_unneeded(&self) -> Result<usize, HistoryError> {
        let mut marked = HashSet::new();
        let mut open = Vec::new();
        for name in self.refs.below("refs")? {
            open.extend(self.refs.get(&name)?);
        }
        while let Some(id) = open.pop() {
            if marked.contains(&id) {
                continue;
            }
            match self.store.read_any(&id)? {
                (Kind::Commit, bytes) => {
                    let commit = commit::parse(&id, &bytes)?;
                    marked.insert(id);
                    open.extend(&commit.parents);
                    tree::mark(&self.store, &commit.tree, &mut marked)?;
                }
                _ => tree::mark(&self.store, &id, &mut marked)?,
            }
        }
        self.store.sweep(|id| marked.contains(id))
    }

    /// A file of ours beside the repository, not in it: the machine sees the repository, and whoever
    /// can open a file for reading can also hold a lock on it.
    fn beside(&self, end: &str) -> PathBuf {
        self.folder.with_extension(end)
    }

    /// One at a time, over all processes.
    fn hold(&self) -> Result<File, HistoryError> {
        let path = self.beside("lock");
        let file = private_file(&path).map_err(HistoryError::file("create", &path))?;
        file.lock().map_err(HistoryError::file("lock", &path))?;
        Ok(file)
    }
}

/// Gives a folder of ours away, after all that is in it.
fn give(path: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for child in fs::read_dir(path)? {
            give(&child?.path(), uid, gid)?;
        }
    }
    lchown(path, Some(uid), Some(gid))
}

fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    give_like_folder(path)?;
    Ok(file)
}

fn parse_id(id: &str) -> Result<ObjectId, HistoryError> {
    ObjectId::from_str(id).map_err(|_| HistoryError::Missing { id: id.to_owned() })
}

fn pin(number: u32) -> String {
    format!("{GENERATION}{number}")
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
