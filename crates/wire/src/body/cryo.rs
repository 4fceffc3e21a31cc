//! Snapshots of a namespace.

use serde::{Deserialize, Serialize};

use super::CompletedWord;

wire! {
    /// `POST /cryo/store` and `POST /cryo/reload`.
    #[derive(Eq, Default)]
    pub struct CryoRequest {
        /// Of the snapshot: 1 to 64 letters, digits, `.`, `-`, `_`. Left out, a new one is made
        /// by a store, and the newest is taken by a reload.
        #[serde(default)]
        pub name: Option<String>,
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
    }

    /// A value that was not stored.
    #[derive(Eq)]
    pub struct Skipped {
        /// Its name.
        pub name: String,
        /// Its class.
        #[serde(rename = "type")]
        pub kind: String,
        /// Why not.
        pub reason: String,
    }

    /// Answer of `POST /cryo/store`.
    #[derive(Eq)]
    pub struct CryoStored {
        /// Always `completed`.
        #[serde(default)]
        pub status: CompletedWord,
        /// The snapshot's name.
        pub name: String,
        /// Names of the values in it.
        pub saved: Vec<String>,
        /// What is not in it.
        pub skipped: Vec<Skipped>,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// Milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub timing_ms: u64,
    }

    /// A value that was not restored.
    #[derive(Eq)]
    pub struct NotRestored {
        /// Its name.
        pub name: String,
        /// Why not.
        pub reason: String,
    }

    /// Answer of `POST /cryo/reload`.
    #[derive(Eq)]
    pub struct CryoReloaded {
        /// Always `completed`.
        #[serde(default)]
        pub status: CompletedWord,
        /// The snapshot's name.
        pub name: String,
        /// Names of the values that are back.
        pub restored: Vec<String>,
        /// What could not be brought back.
        pub failed: Vec<NotRestored>,
        /// Milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub timing_ms: u64,
    }

    /// A value inside a snapshot.
    #[derive(Eq)]
    pub struct StoredValue {
        /// Its name.
        pub name: String,
        /// Its class.
        #[serde(rename = "type")]
        pub kind: String,
        /// Serialised; none where it lies in one piece with others.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub size_bytes: Option<u64>,
    }

    /// A snapshot, told without loading it.
    pub struct Snapshot {
        /// Its name.
        pub name: String,
        /// When it was stored, in Unix seconds.
        pub created_at_s: f64,
        /// Python's version.
        pub python: String,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// What is inside.
        pub values: Vec<StoredValue>,
        /// What could not be stored.
        pub skipped: Vec<Skipped>,
    }

    /// Answer of `GET /cryo`.
    pub struct SnapshotList {
        /// Newest first.
        pub snapshots: Vec<SnapshotLine>,
    }

    /// A snapshot in the list.
    pub struct SnapshotLine {
        /// Its name.
        pub name: String,
        /// When it was stored, in Unix seconds.
        pub created_at_s: f64,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// How many values are inside.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub values: u64,
        /// Why it can't be reloaded, where that is so.
        pub damaged: Option<String>,
    }

    /// Answer of `GET /criu/status`.
    #[derive(Eq)]
    pub struct CriuStatus {
        /// Whether a kernel's process can be frozen to the disk.
        pub available: bool,
        /// CRIU's, where it is there.
        pub version: Option<String>,
        /// Why not, and what to use instead.
        pub reason: Option<String>,
    }
}
