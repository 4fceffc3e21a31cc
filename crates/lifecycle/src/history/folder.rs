//! A folder that somebody else may be changing at this moment, used by its descriptor. Every step
//! goes to one name in an open folder and never through a link, so that nothing outside the folder
//! that was opened first can be reached. Errors are the system's; that a name went away, or became
//! something else since it was looked at, is one of them.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::fs::{self as sys, AtFlags, Mode, OFlags};

use super::stamp::Stamp;

/// How folders are opened that only lead further: their names needn't be readable.
#[cfg(target_os = "linux")]
const PASSED: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASSED: OFlags = OFlags::RDONLY;
/// How deep folders are nested whose permissions are looked at.
const PRIVATE_DEPTH: usize = 16;

/// What a name in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
    /// A socket, pipe or device.
    Other,
}

/// What is known of a name without opening it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// By what it is known to be unchanged.
    pub stamp: Stamp,
}

/// Who owns a folder; what is made in it becomes theirs if root makes it.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: sys::Uid,
    gid: sys::Gid,
}

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    /// As it was called when it was opened, for messages.
    path: PathBuf,
    /// Set if this process is root and the folder is another user's.
    owner: Option<Owner>,
}

impl Folder {
    /// Opens a folder by a path of this computer, which the inside has no say in.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::of(sys::open(path, flags, Mode::empty())?, path)
    }

    /// Opens a folder by a resolved path, name by name: one that became a link since it was resolved
    /// isn't followed.
    pub fn open_resolved(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut fd = sys::open("/", PASSED | flags, Mode::empty())?;
        for part in path.components() {
            match part {
                Component::RootDir => {}
                Component::Normal(name) => {
                    fd = sys::openat(&fd, name, PASSED | flags, Mode::empty())?;
                }
                _ => return Err(io::ErrorKind::InvalidFilename.into()),
            }
        }
        let fd = sys::openat(&fd, ".", OFlags::RDONLY | flags, Mode::empty())?;
        Self::of(fd, path)
    }

    fn of(fd: OwnedFd, path: &Path) -> io::Result<Self> {
        let found = sys::fstat(&fd)?;
        let is_anothers = nix::unistd::geteuid().is_root() && found.st_uid != 0;
        let owner = is_anothers.then(|| Owner {
            uid: sys::Uid::from_raw(found.st_uid),
            gid: sys::Gid::from_raw(found.st_gid),
        });
        Ok(Self {
            fd,
            path: path.to_owned(),
            owner,
        })
    }

    /// Its path, and that of a name in it, for messages.
    pub fn path_of(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }

    /// Opens a folder in this one; a link isn't one.
    pub fn enter(&self, name: &[u8]) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self {
            fd: sys::openat(&self.fd, component(name)?, flags, Mode::empty())?,
            path: self.path_of(name),
            owner: self.owner,
        })
    }

    /// Opens a folder in this one, which is made if it is missing.
    pub fn enter_or_make(&self, name: &[u8]) -> io::Result<Self> {
        match sys::mkdirat(&self.fd, component(name)?, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let made = self.enter(name)?;
                self.give(&made.fd)?;
                Ok(made)
            }
            Err(rustix::io::Errno::EXIST) => self.enter(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the folder that these names lead to, one after the other.
    pub fn descend(&self, names: &[&[u8]]) -> io::Result<Self> {
        let mut folder = self.again()?;
        for name in names {
            folder = folder.enter(name)?;
        }
        Ok(folder)
    }

    /// The same folder, by a descriptor of its own.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
            path: self.path.clone(),
            owner: self.owner,
        })
    }

    /// Its names, sorted; `None` if there are more than so many.
    pub fn names(&self, most: usize) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == most {
                return Ok(None);
            }
            names.push(name.to_vec());
        }
        names.sort();
        Ok(Some(names))
    }

    /// What a name is, without opening it.
    pub fn look(&self, name: &[u8]) -> io::Result<Found> {
        let found = sys::statat(&self.fd, component(name)?, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(found_of(&found))
    }

    /// Reads a regular file of at most so many bytes; `None` for anything else and for what is
    /// larger. A pipe isn't waited for.
    pub fn read(&self, name: &[u8], most: u64) -> io::Result<Option<(Vec<u8>, Found)>> {
        let Some((file, found)) = self.open_file(name)? else {
            return Ok(None);
        };
        if found.stamp.size > most {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        file.take(most + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= most).then_some((bytes, found)))
    }

    /// Opens a regular file to read it; `None` for anything else.
    pub fn open_file(&self, name: &[u8]) -> io::Result<Option<(std::fs::File, Found)>> {
        // Looked at first: opening a device may do something.
        if !matches!(self.look(name)?.kind, Kind::File { .. }) {
            return Ok(None);
        }
        self.open_unseen(name)
    }

    /// The same, of what may be something else since it was looked at.
    fn open_unseen(&self, name: &[u8]) -> io::Result<Option<(std::fs::File, Found)>> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, component(name)?, flags, Mode::empty())?;
        let found = found_of(&sys::fstat(&fd)?);
        if !matches!(found.kind, Kind::File { .. }) {
            return Ok(None);
        }
        Ok(Some((std::fs::File::from(fd), found)))
    }

    /// Where a link leads.
    pub fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let target = sys::readlinkat(&self.fd, component(name)?, Vec::new())?;
        Ok(target.into_bytes())
    }

    /// Makes a file to write to; one of that name is an error.
    pub fn create(&self, name: &[u8], mode: u16) -> io::Result<std::fs::File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode.into());
        let file = std::fs::File::from(sys::openat(&self.fd, component(name)?, flags, mode)?);
        let given = self.give(&file).map(|()| file);
        self.or_remove(name, given)
    }

    /// Opens a regular file to write at its end; `None` for anything else, and if there is none.
    pub fn append_to(&self, name: &[u8]) -> io::Result<Option<std::fs::File>> {
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_file = self.look(name).map(|found| found.kind);
        if !matches!(is_file, Ok(Kind::File { .. })) {
            return Ok(None);
        }
        let fd = sys::openat(&self.fd, component(name)?, flags, Mode::empty())?;
        let found = found_of(&sys::fstat(&fd)?);
        Ok(matches!(found.kind, Kind::File { .. }).then(|| std::fs::File::from(fd)))
    }

    /// Gives a file another name in this folder, in the place of one that has it.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.place(component(from)?, to)
    }

    /// Writes a file aside and puts it in the place of the file or link of that name.
    pub fn write(&self, name: &[u8], bytes: &[u8], executable: bool) -> io::Result<()> {
        let mode = if executable { 0o755 } else { 0o644 };
        let aside = aside();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, aside.as_slice(), flags, Mode::from_raw_mode(mode))?;
        let mut file = std::fs::File::from(fd);
        let written = file
            .write_all(bytes)
            .and_then(|()| self.give(&file))
            .and_then(|()| self.place(&aside, name));
        self.or_remove(&aside, written)
    }

    /// Makes a link aside and puts it in the place of the file or link of that name.
    pub fn write_link(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        let aside = aside();
        sys::symlinkat(target, &self.fd, aside.as_slice())?;
        let given = match self.owner {
            Some(owner) => sys::chownat(
                &self.fd,
                aside.as_slice(),
                Some(owner.uid),
                Some(owner.gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(io::Error::from),
            None => Ok(()),
        };
        let placed = given.and_then(|()| self.place(&aside, name));
        self.or_remove(&aside, placed)
    }

    /// Removes a file or link.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, component(name)?, AtFlags::empty())?)
    }

    /// Removes a folder, if nothing is in it.
    pub fn remove_empty(&self, name: &[u8]) -> io::Result<()> {
        Ok(sys::unlinkat(
            &self.fd,
            component(name)?,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Takes others' permissions from this folder and all files and folders in it, up to so many, and
    /// not in folders that are nested deeper than anything of ours.
    pub fn make_private(&self, most: &mut usize) -> io::Result<()> {
        self.make_private_to(most, PRIVATE_DEPTH)
    }

    fn make_private_to(&self, most: &mut usize, depth: usize) -> io::Result<()> {
        restrict(&self.fd)?;
        if depth == 0 {
            return Ok(());
        }
        let Some(names) = self.names(*most)? else {
            return Ok(());
        };
        *most -= names.len();
        for name in names {
            match self.look(&name)?.kind {
                Kind::Folder => self.enter(&name)?.make_private_to(most, depth - 1)?,
                Kind::File { .. } => {
                    if let Some((file, _)) = self.open_file(&name)? {
                        restrict(&file)?;
                    }
                }
                Kind::Link | Kind::Other => {}
            }
        }
        Ok(())
    }

    fn place(&self, aside: &[u8], name: &[u8]) -> io::Result<()> {
        Ok(sys::renameat(&self.fd, aside, &self.fd, component(name)?)?)
    }

    fn or_remove<T>(&self, aside: &[u8], done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            // What failed is told; that this stays too would say less.
            let _ = sys::unlinkat(&self.fd, aside, AtFlags::empty());
        }
        done
    }

    fn give(&self, made: impl AsFd) -> io::Result<()> {
        match self.owner {
            Some(owner) => Ok(sys::fchown(made, Some(owner.uid), Some(owner.gid))?),
            None => Ok(()),
        }
    }
}

/// Takes others' permissions away, if they have any; of what isn't this user's they stay.
fn restrict(fd: impl AsFd) -> io::Result<()> {
    let found = sys::fstat(&fd)?;
    let mode = Mode::from_raw_mode(found.st_mode);
    let private = mode - Mode::RWXG - Mode::RWXO;
    if private == mode {
        return Ok(());
    }
    match sys::fchmod(&fd, private) {
        Err(rustix::io::Errno::PERM) => Ok(()),
        done => Ok(done?),
    }
}

fn found_of(found: &sys::Stat) -> Found {
    let kind = match sys::FileType::from_raw_mode(found.st_mode) {
        sys::FileType::RegularFile => Kind::File {
            executable: found.st_mode & 0o100 != 0,
        },
        sys::FileType::Symlink => Kind::Link,
        sys::FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    };
    Found {
        kind,
        stamp: Stamp::of(found),
    }
}

/// One name, which leads nowhere else.
fn component(name: &[u8]) -> io::Result<&[u8]> {
    let leads_elsewhere = name.is_empty() || name == b"." || name == b".." || name.contains(&b'/');
    if leads_elsewhere || name.contains(&0) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    Ok(name)
}

/// A name that nothing else has.
fn aside() -> Vec<u8> {
    format!(".vivarium-{:016x}", rand::random::<u64>()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_became_a_link_since_it_was_looked_at_is_not_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        let link = inside.path().join("file");
        std::os::unix::fs::symlink(outside.path().join("secret"), &link).unwrap();
        let folder = Folder::open(inside.path()).unwrap();
        assert!(folder.open_unseen(b"file").is_err());
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "y").unwrap();
        assert!(folder.open_unseen(b"file").unwrap().is_some());
    }

    #[test]
    fn a_resolved_path_that_became_a_link_since_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(place.join("a/b")).unwrap();
        std::fs::create_dir_all(place.join("other/b")).unwrap();
        let path = place.join("a/b");
        assert!(Folder::open_resolved(&path).is_ok());
        std::fs::rename(place.join("a"), place.join("moved")).unwrap();
        std::os::unix::fs::symlink("other", place.join("a")).unwrap();
        assert!(Folder::open(&path).is_ok());
        assert!(Folder::open_resolved(&path).is_err());
        assert!(Folder::open_resolved(&place.join("other/../other")).is_err());
        assert!(Folder::open_resolved(&place.join("other")).is_ok());
    }
}
