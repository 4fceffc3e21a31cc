//! Files of a sandbox.

use serde::{Deserialize, Serialize};

use crate::Name;

/// What a name in a folder leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path below the folder that was listed; for a single one the path as it was asked for.
    pub path: Name,
    /// What it is.
    pub kind: EntryKind,
    /// Its bytes.
    pub size: u64,
    /// Its permissions.
    pub mode: u32,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Milliseconds since 1970 at its last change.
    pub modified_ms: i64,
    /// Where a link leads to, as it is written in it.
    pub target: Option<Name>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// A change in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The entry's path below the watched folder.
    pub path: Name,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was made.
    Created,
    /// Its content changed.
    Written,
    /// Its permissions or times changed.
    Attributes,
    /// It was removed.
    Removed,
    /// It was moved away; if it stays below the watched folder, `MovedTo` follows.
    MovedFrom,
    /// It was moved here.
    MovedTo,
}

/// When unpacking gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TarLimits {
    /// The most entries.
    pub entries: u64,
    /// The most bytes of all files together.
    pub bytes: u64,
}

/// Which symbolic links are made when an archive is unpacked. Hard links are made only to what the
/// archive has put into the writable folders, or what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Only those whose target lies within the writable folders; another one ends the unpacking.
    #[default]
    Inside,
    /// All: for the archive of a sandbox, where `/workspace/venv/bin/python` leads to `/usr/bin`.
    /// Nothing is written through any of them.
    Any,
}
