//! What the host is told of a file.

use std::os::fd::AsFd;

use frames::{
    Name,
    message::{Entry, EntryKind},
};
use rustix::{
    fs::{AtFlags, FileType, Stat, readlinkat, statat},
    io::Errno,
};

use super::roots::os;

/// What a name in a folder is, without following a link.
pub fn entry(folder: impl AsFd, name: &[u8], path: Name) -> Result<Entry, Errno> {
    let found = statat(&folder, os(name), AtFlags::SYMLINK_NOFOLLOW)?;
    let mut entry = of(&found, path);
    if entry.kind == EntryKind::Link {
        // It may have been replaced since.
        let target = readlinkat(&folder, os(name), Vec::new());
        entry.target = target.ok().map(|target| Name(target.into_bytes()));
    }
    Ok(entry)
}

/// What the system knows of an entry. Its types differ from processor to processor.
#[allow(clippy::unnecessary_cast)]
pub fn of(found: &Stat, path: Name) -> Entry {
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Link,
        _ => EntryKind::Other,
    };
    Entry {
        path,
        kind,
        size: u64::try_from(found.st_size).unwrap_or(0),
        mode: found.st_mode & 0o7777,
        uid: found.st_uid,
        gid: found.st_gid,
        modified_ms: (found.st_mtime as i64)
            .saturating_mul(1000)
            .saturating_add((found.st_mtime_nsec as i64) / 1_000_000),
        target: None,
    }
}
