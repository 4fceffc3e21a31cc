//! The writable folders, which no path leads out of.
//!
//! Paths are made plain first: `..` is taken as text, so `/workspace/../etc` is `/etc` and refused.
//! Links are followed by the kernel, with `openat2` and `RESOLVE_BENEATH`. If it has no such call,
//! or a link's target is absolute, the path is walked here, component by component, each
//! opened without following and held, so that nothing that is renamed meanwhile leads elsewhere.

use std::{
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use frames::{Name, message::RefusalCode};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2,
        readlinkat, statat,
    },
    io::Errno,
};

use crate::refusal::Refusal;

/// Linux's own limit for a path.
const MOST_PATH_BYTES: usize = 4095;
/// Linux's own limit for links in a path.
const MOST_LINKS: usize = 40;
/// A folder that was renamed meanwhile makes `openat2` ask for another attempt.
const ATTEMPTS: usize = 16;
/// Permissions of a new folder, less what the process's mask takes away.
pub const NEW_FOLDER: Mode = Mode::from_raw_mode(0o777);

/// Whether links are followed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Those that stay within the writable folders.
    Inside,
    /// None.
    Never,
}

/// A path in one of the writable folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    root: usize,
    /// Its components below that; none of them is empty, `.` or `..`.
    below: Vec<Vec<u8>>,
}

impl Place {
    /// Whether it is a writable folder itself.
    pub fn is_root(&self) -> bool {
        self.below.is_empty()
    }

    fn path(&self) -> Vec<u8> {
        if self.below.is_empty() {
            return b".".to_vec();
        }
        self.below.join(&b'/')
    }
}

/// The writable folders.
pub struct Roots(Vec<Vec<Vec<u8>>>);

impl Roots {
    /// These folders, by absolute paths. The first one is home.
    pub fn new(paths: &[Vec<u8>]) -> Self {
        Self(paths.iter().map(|path| plain(path)).collect())
    }

    /// Their absolute paths.
    pub fn paths(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|root| absolute(root))
    }

    /// The first one's path.
    pub fn home(&self) -> Vec<u8> {
        self.paths().next().unwrap_or_else(|| b"/".to_vec())
    }

    /// Where a path lies, without a look at what is there.
    pub fn locate(&self, path: &[u8]) -> Result<Place, Refusal> {
        if path.is_empty() || path.contains(&0) {
            return Err(invalid("the path is empty or has a zero byte in it"));
        }
        if path.len() > MOST_PATH_BYTES {
            return Err(invalid("the path is too long"));
        }
        let whole = match path[0] {
            b'/' => plain(path),
            _ => plain(&[&self.home()[..], path].join(&b'/')),
        };
        self.place(&whole).ok_or_else(outside)
    }

    fn place(&self, whole: &[Vec<u8>]) -> Option<Place> {
        let roots = self.0.iter().enumerate();
        let holding = roots.filter(|(_, root)| whole.starts_with(root));
        let (index, root) = holding.max_by_key(|(_, root)| root.len())?;
        Some(Place {
            root: index,
            below: whole[root.len()..].to_vec(),
        })
    }

    /// Whether a path is a writable folder or one above it.
    pub fn is_above(&self, path: &[u8]) -> bool {
        let whole = plain(path);
        self.0.iter().any(|root| root.starts_with(&whole))
    }

    /// A place's absolute path.
    pub fn path_of(&self, place: &Place) -> Vec<u8> {
        absolute(&[&self.0[place.root][..], &place.below[..]].concat())
    }

    /// Opens what is at a place.
    pub fn open(&self, place: &Place, flags: OFlags, follow: Follow) -> Result<OwnedFd, Refusal> {
        let root = self.open_root(place.root)?;
        let mut flags = flags | OFlags::CLOEXEC;
        if !flags.contains(OFlags::PATH) {
            flags |= OFlags::NOCTTY;
        }
        let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if follow == Follow::Never {
            how |= ResolveFlags::NO_SYMLINKS;
        }
        let path = place.path();
        for _ in 0..ATTEMPTS {
            match openat2(&root, os(&path), flags, Mode::empty(), how) {
                Ok(descriptor) => return Ok(descriptor),
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Not there, forbidden by an old seccomp profile, or an absolute link.
                Err(Errno::NOSYS | Errno::PERM | Errno::XDEV) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.walk(place, flags, follow)
    }

    /// The folder that a place lies in, and its name there.
    pub fn parent(&self, place: &Place, follow: Follow) -> Result<(OwnedFd, Vec<u8>), Refusal> {
        let (above, name) = above(place)?;
        let folder = self.open(&above, OFlags::PATH | OFlags::DIRECTORY, follow)?;
        Ok((folder, name))
    }

    /// The same; missing folders are made.
    pub fn made_parent(
        &self,
        place: &Place,
        follow: Follow,
    ) -> Result<(OwnedFd, Vec<u8>), Refusal> {
        let (above, name) = above(place)?;
        Ok((self.made(&above, follow)?, name))
    }

    /// The folder at a place; it and those above it are made if they are missing.
    pub fn made(&self, place: &Place, follow: Follow) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open(place, flags, follow) {
            Err(refusal) if refusal.code == RefusalCode::NotFound => {}
            other => return other,
        }
        let mut folder = self.open_root(place.root)?;
        for depth in 1..=place.below.len() {
            let here = Place {
                root: place.root,
                below: place.below[..depth].to_vec(),
            };
            match mkdirat(&folder, os(&here.below[depth - 1]), NEW_FOLDER) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = self.open(&here, flags, follow)?;
        }
        Ok(folder)
    }

    fn open_root(&self, root: usize) -> Result<OwnedFd, Refusal> {
        let path = absolute(&self.0[root]);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(CWD, os(&path), flags, Mode::empty())?)
    }

    /// Opens a place without the kernel's help.
    fn walk(&self, place: &Place, flags: OFlags, follow: Follow) -> Result<OwnedFd, Refusal> {
        let mut held = vec![self.open_root(place.root)?];
        let mut ahead: Vec<Vec<u8>> = place.below.iter().rev().cloned().collect();
        let mut links = 0;
        while let (Some(name), Some(here)) = (ahead.pop(), held.last()) {
            if name == b".." {
                if held.len() == 1 {
                    return Err(outside());
                }
                held.pop();
                continue;
            }
            let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let there = openat(here, os(&name), step, Mode::empty())?;
            let kind = FileType::from_raw_mode(fstat(&there)?.st_mode);
            let is_last = ahead.is_empty();
            if kind != FileType::Symlink {
                if is_last && !flags.contains(OFlags::PATH) {
                    return Ok(openat(
                        here,
                        os(&name),
                        flags | OFlags::NOFOLLOW,
                        Mode::empty(),
                    )?);
                }
                held.push(there);
                continue;
            }
            links += 1;
            let stops = is_last && flags.contains(OFlags::NOFOLLOW);
            if follow == Follow::Never || stops || links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = readlinkat(&there, "", Vec::new())?.into_bytes();
            let parts = if target.first() == Some(&b'/') {
                let next = self.locate(&target)?;
                held = vec![self.open_root(next.root)?];
                next.below
            } else {
                components(&target)
            };
            ahead.extend(parts.into_iter().rev());
        }
        let last = held.pop().ok_or_else(outside)?;
        let is_folder = FileType::from_raw_mode(fstat(&last)?.st_mode) == FileType::Directory;
        if flags.contains(OFlags::DIRECTORY) && !is_folder {
            return Err(Errno::NOTDIR.into());
        }
        if flags.contains(OFlags::PATH) {
            return Ok(last);
        }
        Ok(openat(&last, ".", flags, Mode::empty())?)
    }
}

/// Whether there is a folder of this name, which is no link.
pub fn is_folder(parent: &OwnedFd, name: &[u8]) -> bool {
    let found = statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

/// Bytes as the path that they are.
pub fn os(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The path that a host gave.
pub fn of_host(roots: &Roots, path: &Name) -> Result<Place, Refusal> {
    roots.locate(path.bytes())
}

fn above(place: &Place) -> Result<(Place, Vec<u8>), Refusal> {
    let mut above = place.clone();
    let name = above.below.pop();
    let name = name.ok_or_else(|| invalid("this is one of the writable folders itself"))?;
    Ok((above, name))
}

fn outside() -> Refusal {
    let words = "the path leads out of the writable folders";
    Refusal::new(RefusalCode::Outside, words)
}

fn invalid(words: &str) -> Refusal {
    Refusal::new(RefusalCode::Invalid, words)
}

/// The components of a path but for empty ones and `.`.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    let parts = parts.filter(|part| !part.is_empty() && *part != b".");
    parts.map(<[u8]>::to_vec).collect()
}

/// The same, with `..` taken as text.
pub fn plain(path: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    for part in components(path) {
        if part == b".." {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

fn absolute(components: &[Vec<u8>]) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(components.join(&b'/'));
    path
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    struct House {
        _folder: tempfile::TempDir,
        at: Vec<u8>,
        roots: Roots,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["home", "work", "etc"] {
                fs::create_dir(folder.path().join(name)).unwrap();
                fs::write(folder.path().join(name).join("file"), name).unwrap();
            }
            let at = folder.path().as_os_str().as_bytes().to_vec();
            let root = |name: &str| [&at, name.as_bytes()].join(&b'/');
            let roots = Roots::new(&[root("home"), root("work")]);
            Self {
                _folder: folder,
                at,
                roots,
            }
        }

        fn path(&self, below: &str) -> Vec<u8> {
            [&self.at[..], below.as_bytes()].join(&b'/')
        }

        fn link(&self, at: &str, target: &[u8]) {
            symlink(os(target), os(&self.path(at))).unwrap();
        }

        /// What a path opens, with the kernel's help and without.
        fn read(&self, path: &[u8], follow: Follow) -> [Result<String, RefusalCode>; 2] {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let place = self.roots.locate(path);
            [true, false].map(|helped| {
                let place = place.as_ref().map_err(|refusal| refusal.code)?;
                let opened = if helped {
                    self.roots.open(place, flags, follow)
                } else {
                    self.roots.walk(place, flags, follow)
                };
                let file = fs::File::from(opened.map_err(|refusal| refusal.code)?);
                std::io::read_to_string(file).map_err(|_| RefusalCode::NotAFile)
            })
        }
    }

    #[test]
    fn paths_within_the_folders_are_opened() {
        let house = House::new();
        fs::create_dir(os(&house.path("work/a"))).unwrap();
        house.link("work/a/up", b"../file");
        house.link("work/there", &house.path("home/file"));
        for (path, wanted) in [
            (house.path("work/file"), "work"),
            (b"file".to_vec(), "home"),
            (b"./x/../file".to_vec(), "home"),
            (house.path("work//a/./up"), "work"),
            (house.path("work/there"), "home"),
            (house.path("etc/../work/file"), "work"),
        ] {
            let wanted = Ok(wanted.to_owned());
            let shown = String::from_utf8_lossy(&path);
            assert_eq!(
                house.read(&path, Follow::Inside),
                [wanted.clone(), wanted],
                "{shown}"
            );
        }
    }

    #[test]
    fn no_path_and_no_link_leads_out() {
        let house = House::new();
        house.link("work/absolute", &house.path("etc/file"));
        house.link("work/relative", b"../etc/file");
        house.link("work/folder", b"..");
        house.link("work/process", b"/proc/self/root");
        house.link("work/back", b"folder/work/file");
        for path in [
            house.path("etc/file"),
            house.path("work/../etc/file"),
            b"../etc/file".to_vec(),
            b"/".to_vec(),
            b"/etc/passwd".to_vec(),
            house.path("worker/file"),
            house.path("work/absolute"),
            house.path("work/relative"),
            house.path("work/folder/etc/file"),
            house.path("work/back"),
            house.path("work/process/etc/passwd"),
        ] {
            let shown = String::from_utf8_lossy(&path);
            let refused = Err(RefusalCode::Outside);
            assert_eq!(
                house.read(&path, Follow::Inside),
                [refused.clone(), refused],
                "{shown}"
            );
        }
    }

    #[test]
    fn links_are_not_followed_if_that_is_asked_and_loops_end() {
        let house = House::new();
        house.link("work/near", b"file");
        house.link("work/loop", b"loop");
        let invalid = [Err(RefusalCode::Invalid), Err(RefusalCode::Invalid)];
        assert_eq!(house.read(&house.path("work/near"), Follow::Never), invalid);
        assert_eq!(
            house.read(&house.path("work/loop"), Follow::Inside),
            invalid
        );
        let missing = [Err(RefusalCode::NotFound), Err(RefusalCode::NotFound)];
        assert_eq!(house.read(b"no/such", Follow::Inside), missing);
        for wrong in [&b""[..], b"a\0b", &[b'a'; 5000]] {
            assert!(house.roots.locate(wrong).is_err());
        }
    }

    #[test]
    fn missing_folders_are_made_within_the_folders_alone() {
        let house = House::new();
        house.link("work/out", b"../etc");
        let place = house.roots.locate(&house.path("work/a/b/c")).unwrap();
        house.roots.made(&place, Follow::Inside).unwrap();
        assert!(os(&house.path("work/a/b/c")).is_dir());
        let place = house.roots.locate(&house.path("work/out/d")).unwrap();
        let refused = house.roots.made(&place, Follow::Inside).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Outside);
        assert!(!os(&house.path("etc/d")).exists());
    }
}
