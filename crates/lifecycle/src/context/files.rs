//! The files of a context on this computer. A template may be the owner's clone that a machine
//! writes to as `/repo`: no link is followed in it.

use std::{
    ffi::OsString,
    fs::File,
    io::ErrorKind,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use crate::{
    error::LifecycleError,
    history::{self, Folder, HistoryError, RepoPath, is_environment},
};

/// The most entries of a context, and names of one folder.
const MOST: usize = 100_000;
/// Bytes of one file, and of all that one look finds. Binaries are among them.
const FILE_BYTES: u64 = 256 << 20;
const ALL_BYTES: u64 = 2 << 30;
/// Folders in folders.
const DEPTH: usize = 64;
/// Never part of a context.
pub(super) const BUILT: &[&str] = &[
    "target",
    "node_modules",
    "gen",
    "__pycache__",
    ".git",
    "dist",
];

/// A file, link or folder of a context.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Path inside the context.
    pub path: String,
    pub place: Place,
    pub kind: Kind,
    /// Whether a change makes the image stale.
    pub counts: bool,
}

/// Where an entry lies on this computer.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// At its path below a folder that a machine may write to, if it is the owner's clone: no link
    /// is followed on the way.
    Below(PathBuf),
    /// At a path that its owner named.
    At(PathBuf),
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Link,
    Folder,
}

impl Entry {
    /// Its path on this computer, for messages.
    pub(super) fn on_host(&self) -> PathBuf {
        match &self.place {
            Place::Below(folder) => folder.join(&self.path),
            Place::At(path) => path.clone(),
        }
    }

    /// Opens a file, with its size.
    pub(super) fn open(&self) -> Result<(File, u64), LifecycleError> {
        let opened = || {
            let file = match &self.place {
                Place::Below(_) => {
                    let (folder, name) = self.folder()?;
                    let (file, _) = folder
                        .open_file(name)?
                        .ok_or(std::io::ErrorKind::InvalidInput)?;
                    file
                }
                Place::At(path) => File::open(path)?,
            };
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        opened().map_err(LifecycleError::file("read", &self.on_host()))
    }

    pub(super) fn read_link(&self) -> Result<PathBuf, LifecycleError> {
        let read = || {
            let (folder, name) = self.folder()?;
            Ok(OsString::from_vec(folder.read_link(name)?).into())
        };
        read().map_err(LifecycleError::file("read", &self.on_host()))
    }

    /// The folder that it lies in, and its name there.
    fn folder(&self) -> std::io::Result<(Folder, &[u8])> {
        let (Place::Below(root) | Place::At(root)) = &self.place;
        below(root, &self.path)
    }
}

/// The folder that a path below another leads to, without following links, and the last name.
fn below<'a>(root: &Path, path: &'a str) -> std::io::Result<(Folder, &'a [u8])> {
    let mut names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
    let name = names.pop().unwrap_or_default();
    Ok((Folder::open(root)?.descend(&names)?, name))
}

/// Adds `path` and all below it; one that is not there adds nothing.
pub(super) fn walk(
    template: &Path,
    path: &str,
    counts: bool,
    files: &mut Vec<Entry>,
) -> Result<(), LifecycleError> {
    match below(template, path) {
        Ok((folder, name)) => {
            let mut walk = Walk {
                template,
                counts,
                bytes: 0,
            };
            walk.name(&folder, name, path, files, 0)
        }
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(LifecycleError::file("read", &template.join(path))(error)),
    }
}

/// Whether nothing is there, or a link or file where a folder would have to be.
fn is_missing(error: &std::io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(nix::libc::ELOOP);
    is_link || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

struct Walk<'a> {
    template: &'a Path,
    counts: bool,
    bytes: u64,
}

impl Walk<'_> {
    fn name(
        &mut self,
        folder: &Folder,
        name: &[u8],
        path: &str,
        files: &mut Vec<Entry>,
        depth: usize,
    ) -> Result<(), LifecycleError> {
        if is_environment(path.as_bytes()) {
            return Ok(());
        }
        let failed = |error| LifecycleError::file("read", &self.template.join(path))(error);
        let found = match folder.look(name) {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let kind = match found.kind {
            history::Kind::Folder => Kind::Folder,
            history::Kind::Link => Kind::Link,
            history::Kind::File { executable } => Kind::File { executable },
            history::Kind::Other => return Ok(()),
        };
        if let Kind::File { .. } = kind {
            self.count(path, found.stamp.size)?;
        }
        if files.len() == MOST {
            return Err(HistoryError::TooManyFiles { limit: MOST }.into());
        }
        files.push(Entry {
            path: path.into(),
            place: Place::Below(self.template.into()),
            kind,
            counts: self.counts,
        });
        if kind == Kind::Folder {
            if depth == DEPTH {
                let path = RepoPath::new(path);
                return Err(HistoryError::TooDeep { path, limit: DEPTH }.into());
            }
            let child = folder.enter(name).map_err(failed)?;
            let names = child.names(MOST).map_err(failed)?;
            for name in names.ok_or(HistoryError::TooManyFiles { limit: MOST })? {
                // A name that is no UTF-8 can't be ours.
                let Ok(text) = std::str::from_utf8(&name) else {
                    continue;
                };
                let in_inputs = path.starts_with("body/rootfs");
                if !BUILT.contains(&text) || in_inputs {
                    self.name(&child, &name, &format!("{path}/{text}"), files, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, path: &str, size: u64) -> Result<(), HistoryError> {
        if size > FILE_BYTES {
            return Err(HistoryError::FileTooLarge {
                path: RepoPath::new(path),
                limit: FILE_BYTES,
            });
        }
        self.bytes += size;
        match self.bytes > ALL_BYTES {
            true => Err(HistoryError::TooLarge { limit: ALL_BYTES }),
            false => Ok(()),
        }
    }
}
