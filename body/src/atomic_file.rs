//! Files that are there as a whole or not at all: written aside, then renamed into place.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Puts a file of this mode in place. If that fails, what was there stays as it was. It is for files
/// of this boot: nothing waits for the disk.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    put(path, bytes, mode, false)
}

/// The same for files that outlive the container: after a power cut the old one or the new one is
/// there, and once this returns it is the new one.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    put(path, bytes, mode, true)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn put(path: &Path, bytes: &[u8], mode: u32, durable: bool) -> std::io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    // Of one who was killed in between; it may be such that nobody can write to it any more.
    let _ = fs::remove_file(&aside);
    let write = || {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&aside)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&aside, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_there_stays_if_the_new_one_can_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_durably(&path, b"old", 0o600).unwrap();
        // Left by one who was killed.
        fs::write(folder.path().join("a.json.new"), "half").unwrap();
        write(&path, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        // A folder in the way: nothing is left beside it.
        let folder_there = folder.path().join("b");
        fs::create_dir_all(folder_there.join("x")).unwrap();
        assert!(write(&folder_there, b"new", 0o600).is_err());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2);
    }
}
