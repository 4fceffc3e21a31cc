//! Refs of a repository, read and written as git does it: small files below `refs`, and those of the
//! file `packed-refs`. No git runs, so neither does a hook; a lock of git's own is respected, so that
//! a change is an exchange: it happens only if the ref still names what it is believed to.

use std::{
    io::{self, ErrorKind, Write},
    str::FromStr,
};

use gix_hash::ObjectId;
use lifecycle::history::folder::{Folder, Kind};

use super::{error::GitError, ref_name::RefName};

/// The longest file of one ref, and of all packed ones.
const LONGEST: u64 = 4096;
const LONGEST_PACKED: u64 = 256 << 20;
const PACKED: &[u8] = b"packed-refs";
const PACKED_LOCK: &[u8] = b"packed-refs.lock";

/// What the file of a ref says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An object.
    Object(ObjectId),
    /// Another ref, by what is written there.
    Ref(String),
}

/// What a ref is believed to name before it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Whatever it is.
    Anything,
    /// There is none of that name.
    Missing,
    /// This.
    Is(ObjectId),
}

/// Reads what is written in a file such as `HEAD`; `None` if there is none, or nothing in it.
pub(super) fn read_file(folder: &Folder, name: &[u8]) -> Result<Option<Target>, GitError> {
    let failed = |error| GitError::file("read", &folder.path_of(name))(error);
    let bytes = match folder.read(name, LONGEST) {
        Ok(Some((bytes, _))) => bytes,
        // A link, as very old versions had it, or a folder.
        Ok(None) => return Ok(None),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(None);
    };
    let text = text.trim_end();
    Ok(match text.strip_prefix("ref:") {
        Some(name) => Some(Target::Ref(name.trim_start().to_owned())),
        None => ObjectId::from_str(text).ok().map(Target::Object),
    })
}

/// What a ref names; `None` if there is none. One that only names another ref isn't followed.
pub(super) fn read(common: &Folder, name: &RefName) -> Result<Option<Target>, GitError> {
    let (folders, leaf) = split(name);
    match common.descend(&folders) {
        Ok(folder) => {
            if let Some(found) = read_file(&folder, leaf)? {
                return Ok(Some(found));
            }
        }
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(GitError::file("read", &common.path_of(b"refs"))(error)),
    }
    let packed = read_packed(common)?;
    Ok(packed_id(&packed, name).map(Target::Object))
}

/// The object that a ref names.
pub(super) fn id(common: &Folder, name: &RefName) -> Result<Option<ObjectId>, GitError> {
    Ok(match read(common, name)? {
        Some(Target::Object(id)) => Some(id),
        _ => None,
    })
}

/// Lets a ref name `new`, or removes it, if it is as expected; answers what it named.
pub(super) fn exchange(
    common: &Folder,
    name: &RefName,
    expected: Expected,
    new: Option<ObjectId>,
) -> Result<Option<ObjectId>, GitError> {
    let (folders, leaf) = split(name);
    if new.is_some() {
        no_conflict(common, name)?;
    }
    let failed = |error| GitError::file("write", &common.path_of(name.as_str().as_bytes()))(error);
    let mut folder = common.again().map_err(failed)?;
    for (depth, part) in folders.iter().enumerate() {
        folder = folder
            .enter_or_make(part)
            .map_err(|error| match error.kind() {
                ErrorKind::NotADirectory => conflict(name, &folders[..=depth].join(&b'/')),
                _ => failed(error),
            })?;
    }
    let mut lock = Lock::take(&folder, leaf).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => GitError::RefLocked(name.clone()),
        _ => failed(error),
    })?;
    let now = match read(common, name)? {
        Some(Target::Object(id)) => Some(id),
        None => None,
        Some(Target::Ref(other)) => return Err(conflict(name, other.as_bytes())),
    };
    let is_expected = match expected {
        Expected::Anything => true,
        Expected::Missing => now.is_none(),
        Expected::Is(id) => now == Some(id),
    };
    if !is_expected {
        return Err(GitError::RefMoved {
            name: name.clone(),
            now,
        });
    }
    match new {
        Some(id) => lock.put(id).map_err(|error| match error.kind() {
            // A folder of refs has that name.
            ErrorKind::IsADirectory | ErrorKind::AlreadyExists => {
                conflict(name, &[name.as_str().as_bytes(), b"/"].concat())
            }
            _ => failed(error),
        })?,
        None => {
            unpack(common, name)?;
            match folder.remove(leaf) {
                Err(error) if !is_absent(&error) => return Err(failed(error)),
                _ => {}
            }
        }
    }
    Ok(now)
}

/// The lock of a ref, which goes with this.
struct Lock<'a> {
    folder: &'a Folder,
    leaf: &'a [u8],
    name: Vec<u8>,
    file: std::fs::File,
    is_gone: bool,
}

impl<'a> Lock<'a> {
    fn take(folder: &'a Folder, leaf: &'a [u8]) -> io::Result<Self> {
        let name = [leaf, b".lock"].concat();
        let file = folder.create(&name, 0o644)?;
        Ok(Self {
            folder,
            leaf,
            name,
            file,
            is_gone: false,
        })
    }

    fn put(&mut self, id: ObjectId) -> io::Result<()> {
        writeln!(self.file, "{id}")?;
        self.file.sync_all()?;
        if self
            .folder
            .look(self.leaf)
            .is_ok_and(|found| found.kind == Kind::Folder)
        {
            // Git leaves empty ones behind.
            self.folder
                .remove_empty(self.leaf)
                .map_err(|_| io::Error::from(ErrorKind::IsADirectory))?;
        }
        self.folder.rename(&self.name, self.leaf)?;
        self.is_gone = true;
        Ok(())
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if !self.is_gone {
            // Nothing else can be done about a lock that stays.
            let _ = self.folder.remove(&self.name);
        }
    }
}

fn split(name: &RefName) -> (Vec<&[u8]>, &[u8]) {
    let mut parts: Vec<&[u8]> = name.as_str().split('/').map(str::as_bytes).collect();
    let leaf = parts.pop().unwrap_or_default();
    (parts, leaf)
}

fn is_absent(error: &io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_link || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn conflict(name: &RefName, other: &[u8]) -> GitError {
    GitError::RefConflict {
        name: name.clone(),
        other: super::tree_path::TreePath::new(other).to_string(),
    }
}

fn read_packed(common: &Folder) -> Result<Vec<u8>, GitError> {
    let failed = |error| GitError::file("read", &common.path_of(PACKED))(error);
    match common.read(PACKED, LONGEST_PACKED) {
        Ok(Some((bytes, _))) => Ok(bytes),
        Ok(None) => Err(GitError::TooMuch {
            what: "the size of packed-refs",
            limit: format!("{} MiB", LONGEST_PACKED >> 20),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// The lines `<id> <name>` of the file.
fn packed(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| {
        let is_ref = line.len() > 41 && line[40] == b' ' && !line.starts_with(b"#");
        is_ref.then(|| (&line[..40], &line[41..]))
    })
}

fn packed_id(bytes: &[u8], name: &RefName) -> Option<ObjectId> {
    let (id, _) = packed(bytes).find(|(_, packed)| *packed == name.as_str().as_bytes())?;
    ObjectId::from_str(std::str::from_utf8(id).ok()?).ok()
}

/// A ref can't be the folder of another one: among loose refs the file system sees to that.
fn no_conflict(common: &Folder, name: &RefName) -> Result<(), GitError> {
    let own = name.as_str().as_bytes();
    let is_below = |one: &[u8], other: &[u8]| {
        one.len() > other.len() && one.starts_with(other) && one[other.len()] == b'/'
    };
    let packed_refs = read_packed(common)?;
    match packed(&packed_refs).find(|(_, other)| is_below(own, other) || is_below(other, own)) {
        Some((_, other)) => Err(conflict(name, other)),
        None => Ok(()),
    }
}

/// Takes a ref out of `packed-refs`.
fn unpack(common: &Folder, name: &RefName) -> Result<(), GitError> {
    let failed = |error| GitError::file("write", &common.path_of(PACKED))(error);
    if packed_id(&read_packed(common)?, name).is_none() {
        return Ok(());
    }
    let mut lock = common
        .create(PACKED_LOCK, 0o644)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => GitError::RefLocked(name.clone()),
            _ => failed(error),
        })?;
    let written = read_packed(common).and_then(|bytes| {
        let text = without(&bytes, name);
        let put = lock.write_all(&text).and_then(|()| lock.sync_all());
        put.and_then(|()| common.rename(PACKED_LOCK, PACKED))
            .map_err(failed)
    });
    if written.is_err() {
        // What failed matters more.
        let _ = common.remove(PACKED_LOCK);
    }
    written
}

/// The file without one ref and the line that says what its tag names.
fn without(bytes: &[u8], name: &RefName) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut is_skipped = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let own = line.strip_suffix(b"\n").unwrap_or(line);
        let is_peeled = own.starts_with(b"^");
        if !is_peeled {
            is_skipped = packed(own).any(|(_, packed)| packed == name.as_str().as_bytes());
        }
        if !is_skipped {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn id_of(text: &str) -> ObjectId {
        ObjectId::from_str(text).unwrap()
    }

    #[test]
    fn an_exchange_happens_only_if_the_ref_is_as_expected() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let name = RefName::parse("refs/heads/a/b").unwrap();
        let (one, two) = (id_of(ONE), id_of(TWO));
        exchange(&folder, &name, Expected::Missing, Some(one)).unwrap();
        let again = exchange(&folder, &name, Expected::Missing, Some(two));
        assert!(matches!(again, Err(GitError::RefMoved { now, .. }) if now == Some(one)));
        exchange(&folder, &name, Expected::Is(one), Some(two)).unwrap();
        assert_eq!(id(&folder, &name).unwrap(), Some(two));
        // As git holds it.
        let lock = place.path().join("refs/heads/a/b.lock");
        fs::write(&lock, "").unwrap();
        let locked = exchange(&folder, &name, Expected::Is(two), Some(one));
        assert!(matches!(locked, Err(GitError::RefLocked(_))));
        fs::remove_file(&lock).unwrap();
        for taken in ["refs/heads/a", "refs/heads/a/b/c"] {
            let taken = RefName::parse(taken).unwrap();
            let error = exchange(&folder, &taken, Expected::Missing, Some(one));
            assert!(
                matches!(error, Err(GitError::RefConflict { .. })),
                "{error:?}"
            );
        }
        exchange(&folder, &name, Expected::Is(two), None).unwrap();
        assert_eq!(id(&folder, &name).unwrap(), None);
        // The folder that is left over is in nobody's way.
        exchange(
            &folder,
            &RefName::branch("a").unwrap(),
            Expected::Missing,
            Some(one),
        )
        .unwrap();
        assert!(
            fs::read_dir(place.path().join("refs/heads"))
                .unwrap()
                .count()
                == 1
        );
    }

    #[test]
    fn packed_refs_are_read_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let text = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{ONE} refs/heads/a\n{TWO} refs/tags/t\n^{ONE}\n{TWO} refs/x/y\n"
        );
        fs::write(place.path().join("packed-refs"), &text).unwrap();
        let tag = RefName::parse("refs/tags/t").unwrap();
        assert_eq!(id(&folder, &tag).unwrap(), Some(id_of(TWO)));
        let below = RefName::parse("refs/heads/a/b").unwrap();
        assert!(exchange(&folder, &below, Expected::Missing, Some(id_of(ONE))).is_err());
        exchange(&folder, &tag, Expected::Is(id_of(TWO)), None).unwrap();
        let left = fs::read_to_string(place.path().join("packed-refs")).unwrap();
        assert_eq!(
            left,
            text.replace(&format!("{TWO} refs/tags/t\n^{ONE}\n"), "")
        );
    }

    #[test]
    fn a_link_in_the_place_of_refs_is_not_written_through() {
        let place = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), place.path().join("refs")).unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let name = RefName::branch("a").unwrap();
        exchange(&folder, &name, Expected::Anything, Some(id_of(ONE))).unwrap_err();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
