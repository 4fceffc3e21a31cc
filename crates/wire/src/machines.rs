//! The machines that there are, and how one is added, renamed and removed.

use serde::{Deserialize, Serialize};

/// Answer of `machine_list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineList {
    /// The first is the one that is meant if none is named.
    pub machines: Vec<MachineEntry>,
}

/// One machine of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineEntry {
    /// Names it in commands and events.
    pub name: String,
}

/// Asks for `machine_create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineCreateRequest {
    /// Letters, digits, `_`, `.` and `-`; 60 at most.
    pub name: String,
    /// `default` or `locked`.
    #[serde(default)]
    pub profile: Option<String>,
    /// Base image; `debian:trixie-slim` if `None`.
    #[serde(default)]
    pub base: Option<String>,
    /// Folders of this computer that it sees, besides those of its own.
    #[serde(default)]
    pub mounts: Vec<MachineMount>,
    /// Such as `4g`; no limit if `None`.
    #[serde(default)]
    pub memory: Option<String>,
    /// Processors, such as 1.5; all if `None`.
    #[serde(default)]
    pub cpus: Option<f64>,
}

/// A folder of this computer in a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineMount {
    /// Absolute, or from `~/` on.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

/// Asks for `machine_rename`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineRenameRequest {
    /// Its name now.
    pub name: String,
    /// Its new name.
    pub new_name: String,
}

/// Asks for `machine_delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineDeleteRequest {
    /// Which.
    pub name: String,
    /// The home volume too: logins, files in `/root`.
    #[serde(default)]
    pub home: bool,
}
