//! Files of a folder that others may write to: a template can be the owner's clone, a workspace a
//! project's. No link is followed in them.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::fs::{self, Dir, FileType, Mode, OFlags};

/// Folders in folders.
const DEPTH: usize = 8;
/// The most files that one look finds.
const MOST: usize = 1000;

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
}

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Relative to where the look began.
    pub path: String,
    pub file: File,
    pub executable: bool,
}

impl Folder {
    /// Opens one at a path that its owner named.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd })
    }

    fn enter(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::empty())?;
        Ok(Self { fd })
    }

    /// The folder that a path leads to.
    fn descend<'a>(&self, names: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let mut folder = Self {
            fd: self.fd.try_clone()?,
        };
        for name in names {
            folder = folder.enter(component(name)?)?;
        }
        Ok(folder)
    }

    /// Opens a regular file.
    pub(super) fn file(&self, path: &str) -> io::Result<File> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.descend(above.split('/').filter(|name| !name.is_empty()))?;
        folder.open_file(component(name)?)
    }

    /// All regular files below a folder, sorted; none if it isn't there.
    pub(super) fn files(&self, path: &str) -> io::Result<Vec<Found>> {
        let folder = match self.descend(path.split('/')) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut found = Vec::new();
        folder.walk(path, 0, &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn walk(&self, path: &str, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            // A name that is no UTF-8 can't be ours.
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            let path = format!("{path}/{name}");
            let stat = fs::statat(&self.fd, name, fs::AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile if found.len() == MOST => {
                    return Err(io::Error::other(format!("more than {MOST} files")));
                }
                FileType::RegularFile => found.push(Found {
                    file: self.open_file(name)?,
                    executable: stat.st_mode & 0o111 != 0,
                    path,
                }),
                FileType::Directory if depth == DEPTH => {
                    return Err(io::Error::other(format!("more than {DEPTH} folders deep")));
                }
                FileType::Directory => self.enter(name)?.walk(&path, depth + 1, found)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        // A pipe isn't waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(&self.fd, name, flags, Mode::empty())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(
                ErrorKind::InvalidInput,
                "not a regular file",
            )),
        }
    }
}

fn component(name: &str) -> io::Result<&str> {
    match ["", ".", ".."].contains(&name) || name.contains(['/', '\0']) {
        true => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "the path leads elsewhere",
        )),
        false => Ok(name),
    }
}
