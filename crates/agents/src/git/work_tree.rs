//! What a person's folder has beyond a commit: files that changed, and new ones that nothing ignores.
//! It is read bounded and without following links, as it is: no filter and no conversion runs.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, ErrorKind},
    path::PathBuf,
};

use gix_hash::ObjectId;
use lifecycle::history::{
    folder::{Folder, Kind},
    ignored::{Ignored, RULES, RuleBudget},
    is_environment,
    path::RepoPath,
};

use super::{command::Git, error::GitError, listing::FileMode, tree_path::TreePath};

/// How much is taken from a folder.
#[derive(Clone, Copy, Debug)]
pub struct FolderLimits {
    /// Files and folders; of an ignored folder what is in it doesn't count.
    pub names: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files that are taken.
    pub bytes: u64,
    /// Folders in folders.
    pub depth: usize,
}

impl Default for FolderLimits {
    fn default() -> Self {
        Self {
            names: 200_000,
            file_bytes: 100 << 20,
            bytes: 2 << 30,
            depth: 64,
        }
    }
}

/// Files of a commit by their paths.
pub(super) type Tracked = BTreeMap<TreePath, (FileMode, ObjectId)>;

/// What of a folder is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Files of the commit that changed or are gone.
    pub uncommitted: bool,
    /// Those that are gone, too. In a sparse work tree they only seem so.
    pub gone: bool,
    /// Files that the commit doesn't have.
    pub untracked: bool,
}

/// What was found and left where it is.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    /// Files of variables, which may hold secrets.
    pub secrets: Vec<TreePath>,
    /// Folders that are repositories of their own.
    pub repositories: Vec<TreePath>,
}

/// One difference from the commit.
#[derive(Debug)]
pub(super) enum Changed<'a> {
    /// A file or link has this content.
    Put(&'a TreePath, FileMode, &'a [u8]),
    /// There is no file or link.
    Gone(&'a TreePath),
}

/// A look at a folder.
pub(super) struct WorkTree<'a> {
    pub git: &'a Git,
    pub root: &'a Folder,
    pub tracked: &'a Tracked,
    /// Stand-ins for large files (Git LFS), which are kept instead of the files themselves.
    pub stand_ins: &'a HashSet<ObjectId>,
    /// Rules that hold in the whole folder, weakest first.
    pub rules: &'a [Vec<u8>],
    pub limits: FolderLimits,
}

/// Who hears of each difference.
type Heard<'a> = &'a mut dyn FnMut(Changed<'_>) -> Result<(), GitError>;

impl WorkTree<'_> {
    /// Goes through the differences.
    pub(super) fn each(&self, wanted: Wanted, heard: Heard<'_>) -> Result<LeftOut, GitError> {
        let mut walk = Walk {
            tree: self,
            budget: RuleBudget::default(),
            names: 0,
            bytes: 0,
            left_out: LeftOut::default(),
        };
        if wanted.uncommitted {
            walk.tracked(wanted.gone, heard)?;
        }
        if wanted.untracked {
            let mut ignored = Ignored::default();
            for rules in self.rules {
                let place = RepoPath::new("exclude");
                let root = RepoPath::default();
                ignored = ignored.with_rules(rules, &root, place, &mut walk.budget)?;
            }
            walk.folder(self.root, &RepoPath::default(), &ignored, 0, heard)?;
        }
        Ok(walk.left_out)
    }
}

struct Walk<'a> {
    tree: &'a WorkTree<'a>,
    budget: RuleBudget,
    names: usize,
    bytes: u64,
    left_out: LeftOut,
}

impl Walk<'_> {
    fn tracked(&mut self, gone: bool, heard: Heard<'_>) -> Result<(), GitError> {
        let tree = self.tree;
        // Files of one folder follow each other.
        let mut open: Option<(Vec<u8>, Option<Folder>)> = None;
        for (path, (mode, id)) in tree.tracked {
            tree.git.check()?;
            if *mode == FileMode::Submodule || tree.stand_ins.contains(id) {
                continue;
            }
            let (above, name) = match path.as_bytes().iter().rposition(|byte| *byte == b'/') {
                Some(slash) => (&path.as_bytes()[..slash], &path.as_bytes()[slash + 1..]),
                None => (&b""[..], path.as_bytes()),
            };
            if open.as_ref().is_none_or(|(at, _)| at != above) {
                let names: Vec<&[u8]> = match above {
                    b"" => Vec::new(),
                    above => above.split(|byte| *byte == b'/').collect(),
                };
                let folder = present(tree.root, path, tree.root.descend(&names))?;
                open = Some((above.to_vec(), folder));
            }
            let Some((_, Some(folder))) = &open else {
                if gone {
                    heard(Changed::Gone(path))?;
                }
                continue;
            };
            match self.read(folder, name, path)? {
                Some((now, bytes)) if now != *mode || !is_same(&bytes, *id) => {
                    self.count(bytes.len())?;
                    heard(Changed::Put(path, now, &bytes))?;
                }
                None if gone => heard(Changed::Gone(path))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        folder: &Folder,
        path: &RepoPath,
        above: &Ignored,
        depth: usize,
        heard: Heard<'_>,
    ) -> Result<(), GitError> {
        let limits = self.tree.limits;
        self.tree.git.check()?;
        let names = folder
            .names(limits.names - self.names)
            .map_err(GitError::file("read", &folder.path_of(b"")))?;
        let names = names.ok_or_else(|| GitError::TooMuch {
            what: "the number of files and folders",
            limit: limits.names.to_string(),
        })?;
        if !path.as_bytes().is_empty() && names.iter().any(|name| is_git(name)) {
            let path = TreePath::new(path.as_bytes());
            self.left_out.repositories.push(path);
            return Ok(());
        }
        self.names += names.len();
        let own;
        let ignored = if names.iter().any(|name| name == RULES) {
            own = above.with_rules_of(folder, path, &mut self.budget)?;
            &own
        } else {
            above
        };
        for name in names.iter().filter(|name| !is_git(name)) {
            let path = path.join(name);
            let tree_path = TreePath::new(path.as_bytes());
            let Some(found) = present(folder, &tree_path, folder.look(name))? else {
                continue;
            };
            let is_folder = found.kind == Kind::Folder;
            if self.tree.tracked.contains_key(&tree_path) || ignored.leaves_out(&path, is_folder) {
                continue;
            }
            match found.kind {
                Kind::Folder if depth == limits.depth => {
                    return Err(GitError::TooMuch {
                        what: "the depth of folders",
                        limit: format!("{} levels", limits.depth),
                    });
                }
                Kind::Folder => {
                    if let Some(child) = present(folder, &tree_path, folder.enter(name))? {
                        self.folder(&child, &path, ignored, depth + 1, heard)?;
                    }
                }
                Kind::Other => {}
                _ if is_environment(path.as_bytes()) => self.left_out.secrets.push(tree_path),
                _ => {
                    if let Some((mode, bytes)) = self.read(folder, name, &tree_path)? {
                        self.count(bytes.len())?;
                        heard(Changed::Put(&tree_path, mode, &bytes))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A file or link as it is now; `None` if there is none.
    fn read(
        &self,
        folder: &Folder,
        name: &[u8],
        path: &TreePath,
    ) -> Result<Option<(FileMode, Vec<u8>)>, GitError> {
        let most = self.tree.limits.file_bytes;
        let Some(found) = present(folder, path, folder.look(name))? else {
            return Ok(None);
        };
        match found.kind {
            Kind::Link => {
                let target = present(folder, path, folder.read_link(name))?;
                Ok(target.map(|target| (FileMode::Link, target)))
            }
            Kind::File { .. } => {
                let read = present(folder, path, folder.read(name, most))?;
                match read {
                    Some(Some((bytes, found))) => {
                        let is_run = matches!(found.kind, Kind::File { executable: true });
                        let mode = if is_run {
                            FileMode::Executable
                        } else {
                            FileMode::Plain
                        };
                        Ok(Some((mode, bytes)))
                    }
                    Some(None) => Err(GitError::File {
                        doing: "take",
                        path: folder.path_of(name),
                        source: io::Error::new(
                            ErrorKind::FileTooLarge,
                            format!("files are limited to {} MiB", most >> 20),
                        ),
                    }),
                    None => Ok(None),
                }
            }
            Kind::Folder | Kind::Other => Ok(None),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), GitError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let limit = self.tree.limits.bytes;
        if self.bytes > limit {
            return Err(GitError::TooMuch {
                what: "the size of all changed files",
                limit: format!("{} MiB", limit >> 20),
            });
        }
        Ok(())
    }
}

/// Git's own folder, a file that names one, or a link to one; in any case of letters, as some file
/// systems take them.
fn is_git(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git")
}

/// Whether a file has the content of a blob, or would have it with the line ends of Unix, in which
/// git may store what the work tree has with those of Windows.
fn is_same(bytes: &[u8], id: ObjectId) -> bool {
    if blob_id(bytes) == Some(id) {
        return true;
    }
    let mut unix = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        if !(*byte == b'\r' && rest.peek() == Some(&&b'\n')) {
            unix.push(*byte);
        }
    }
    unix.len() < bytes.len() && blob_id(&unix) == Some(id)
}

fn blob_id(bytes: &[u8]) -> Option<ObjectId> {
    gix_object::compute_hash(gix_hash::Kind::Sha1, gix_object::Kind::Blob, bytes).ok()
}

/// What was found; `None` if it isn't there, or is something else than was expected.
fn present<T>(
    folder: &Folder,
    path: &TreePath,
    found: io::Result<T>,
) -> Result<Option<T>, GitError> {
    let error = match found {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let is_gone = matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput
    );
    if is_link || is_gone {
        return Ok(None);
    }
    let place: PathBuf = folder.path_of(path.file_name());
    Err(GitError::file("read", &place)(error))
}
