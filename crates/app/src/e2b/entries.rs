//! Files as these clients read them.

use serde_json::{Value, json};
use wire::sandbox::{FileChangeKind, FileEntry, FileKind};

use super::USER;

/// The number of the sandbox's user in our own image.
const USER_NUMBER: u32 = 1000;

/// `filesystem.EntryInfo`.
pub(super) fn info(entry: &FileEntry) -> Value {
    let mut info = json!({
        "name": entry.name,
        "type": kind(entry.kind),
        "path": entry.path,
        // 64 bits are written as text in protobuf's JSON.
        "size": entry.size_bytes.to_string(),
        "mode": entry.mode & 0o7777,
        "permissions": permissions(entry),
        "owner": owner(entry.uid),
        "group": owner(entry.gid),
        "modifiedTime": time(entry.modified_at_ms),
    });
    if let Some(target) = &entry.target {
        info["symlinkTarget"] = Value::String(target.clone());
    }
    if entry.kind == FileKind::Symlink {
        info["isSymlink"] = Value::Bool(true);
    }
    info
}

/// What a written file is, as `POST /files` answers it.
pub(super) fn written(entry: &FileEntry) -> Value {
    json!({ "name": entry.name, "type": "file", "path": entry.path })
}

/// RFC 3339.
pub(super) fn time(unix_ms: u64) -> String {
    let read = i64::try_from(unix_ms).ok();
    let read = read.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    read.unwrap_or_default().to_string()
}

/// `filesystem.EventType`; `None` for what these clients have no word for.
pub(super) fn change(kind: FileChangeKind) -> Option<&'static str> {
    match kind {
        FileChangeKind::Created => Some("EVENT_TYPE_CREATE"),
        FileChangeKind::Written => Some("EVENT_TYPE_WRITE"),
        FileChangeKind::Removed => Some("EVENT_TYPE_REMOVE"),
        FileChangeKind::Renamed => Some("EVENT_TYPE_RENAME"),
        FileChangeKind::Attributes => Some("EVENT_TYPE_CHMOD"),
        FileChangeKind::Missed => None,
    }
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        // A link is a file to older clients, which leave out what they don't know, and a link to
        // those that read `isSymlink`.
        FileKind::File | FileKind::Symlink => "FILE_TYPE_FILE",
        FileKind::Folder => "FILE_TYPE_DIRECTORY",
        FileKind::Other => "FILE_TYPE_UNSPECIFIED",
    }
}

fn owner(number: u32) -> String {
    match number {
        0 => "root".into(),
        USER_NUMBER => USER.into(),
        other => other.to_string(),
    }
}

/// As Go writes a mode.
fn permissions(entry: &FileEntry) -> String {
    let first = match entry.kind {
        FileKind::Folder => 'd',
        FileKind::Symlink => 'L',
        FileKind::File | FileKind::Other => '-',
    };
    let bits = (0..9).rev().map(|bit| {
        let letter = ['x', 'w', 'r'][bit % 3];
        if entry.mode & (1 << bit) == 0 {
            '-'
        } else {
            letter
        }
    });
    std::iter::once(first).chain(bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind, mode: u32) -> FileEntry {
        FileEntry {
            name: "a".into(),
            path: "/home/user/a".into(),
            is_lossy: false,
            kind,
            size_bytes: 5_000_000_000,
            mode,
            uid: 1000,
            gid: 0,
            modified_at_ms: 1_700_000_000_123,
            target: None,
        }
    }

    #[test]
    fn a_file_is_described_as_protobuf_writes_it() {
        assert_eq!(
            info(&entry(FileKind::File, 0o100_640)),
            json!({
                "name": "a", "type": "FILE_TYPE_FILE", "path": "/home/user/a", "size": "5000000000",
                "mode": 0o640, "permissions": "-rw-r-----", "owner": "user", "group": "root",
                "modifiedTime": "2023-11-14T22:13:20.123Z",
            })
        );
        let mut link = entry(FileKind::Symlink, 0o777);
        link.target = Some("b".into());
        let link = info(&link);
        assert_eq!(link["permissions"], "Lrwxrwxrwx");
        assert_eq!(
            (&link["isSymlink"], &link["symlinkTarget"]),
            (&json!(true), &json!("b"))
        );
        assert_eq!(
            info(&entry(FileKind::Folder, 0o755))["permissions"],
            "drwxr-xr-x"
        );
    }
}
