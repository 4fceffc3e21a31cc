//! Files of this computer that are there as a whole or not at all: written aside in the same folder,
//! then renamed into place. Whoever is killed in between leaves the old one.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// What a power cut may do to a file that was just put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the call returns, the new one is there. Before, it is the old or the new one.
    Durable,
    /// The old or the new one is there, or an empty one: nothing waits for the disk. It is for what
    /// can be made again.
    Replaceable,
}

/// Puts a file in place that only its owner may read, with these bytes, durably.
///
/// # Errors
/// Those of the file system; what was there stays as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, Durability::Durable, |file, _| file.write_all(bytes))
}

/// Puts a file in place. `fill` gets it and where it lies until then, with the mode 0600, and writes
/// it; it may change its mode and its owner, too.
///
/// # Errors
/// Those of `fill` and of the file system; what was there stays as it was.
pub fn put(
    path: &Path,
    durability: Durability,
    fill: impl FnOnce(&mut File, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    let place = aside.path().to_owned();
    fill(aside.as_file_mut(), &place)?;
    if durability == Durability::Durable {
        aside.as_file().sync_all()?;
    }
    aside.persist(path).map_err(|error| error.error)?;
    if durability == Durability::Durable {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn what_was_there_stays_if_the_new_one_can_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"old").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let failed = put(&path, Durability::Durable, |file, place| {
            file.write_all(b"half of the new")?;
            // Whoever reads meanwhile has the old one.
            assert_eq!(fs::read(&path)?, b"old");
            assert_eq!(place.parent(), path.parent());
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        put(&path, Durability::Replaceable, |file, _| {
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            file.write_all(b"new")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o644);
        // A folder in the way: nothing is left beside it.
        let in_the_way = folder.path().join("b");
        fs::create_dir_all(in_the_way.join("x")).unwrap();
        write(&in_the_way, b"new").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
