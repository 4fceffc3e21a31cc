//! Files of a sandbox.

use serde::{Deserialize, Serialize};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, which is not followed.
    Symlink,
    /// A device, a pipe or a socket.
    Other,
}

/// A file or folder in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileEntry {
    /// Its name; bytes that are not UTF-8 are replaced in it.
    pub name: String,
    /// Its absolute path.
    pub path: String,
    /// Whether `name` and `path` are not exact, since the name is not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_lossy: bool,
    /// What it is.
    pub kind: FileKind,
    /// Size.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub size_bytes: u64,
    /// Permissions, as `chmod` takes them.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Unix milliseconds of the last change.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub modified_at_ms: u64,
    /// Where a symbolic link leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What happened to a watched path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// It is there now.
    Created,
    /// It was written.
    Written,
    /// Its permissions or times changed.
    Attributes,
    /// It is gone.
    Removed,
    /// It has another name.
    Renamed,
    /// Changes were missed: list again.
    Missed,
}

/// A change in a watched folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileChange {
    /// Path below the watched folder.
    pub name: String,
    /// What happened.
    pub kind: FileChangeKind,
}
