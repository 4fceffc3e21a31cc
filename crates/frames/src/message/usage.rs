//! What a sandbox uses.

use serde::{Deserialize, Serialize};

use crate::Name;

/// As the container's control group says it; none where it doesn't.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of memory now, files of folders in memory among them.
    pub memory_bytes: Option<u64>,
    /// The most bytes that may be used.
    pub memory_limit_bytes: Option<u64>,
    /// Processor time so far, in microseconds.
    pub cpu_us: Option<u64>,
    /// Processes and threads now.
    pub pids: Option<u64>,
    /// Bytes that came in over its network so far, loopback left out.
    #[serde(default)]
    pub received_bytes: Option<u64>,
    /// Bytes that went out over its network so far, loopback left out.
    #[serde(default)]
    pub sent_bytes: Option<u64>,
    /// Each writable folder that has a file system of its own.
    pub folders: Vec<FolderUsage>,
}

/// What a writable folder's file system holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderUsage {
    /// The folder.
    pub path: Name,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
}
