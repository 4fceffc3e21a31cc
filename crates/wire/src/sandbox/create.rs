//! What a sandbox is asked for: image, limits, network, end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SandboxId;

/// `POST /sessions`. Whatever is left out has the default of the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CreateRequest {
    /// Image by name or id.
    pub image: Option<String>,
    /// Memory, in MiB; what is written to the folders of `disk_mb` counts against it, unless they are in
    /// a volume.
    pub memory_mb: Option<u32>,
    /// Processors, 1.5 for one and a half.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Size of each writable folder, in MiB.
    pub disk_mb: Option<u32>,
    /// Where the writable folders are: in memory, if it isn't said.
    pub disk: Option<DiskKind>,
    /// What happens if its image isn't there: it is built or fetched first, if it isn't said.
    pub pull: Option<Pull>,
    /// What it may reach.
    pub network: Option<NetworkRequest>,
    /// Seconds that a command may take if the command itself says nothing.
    pub timeout_s: Option<f64>,
    /// Seconds until the sandbox ends.
    pub ttl_s: Option<f64>,
    /// What happens at its end.
    pub on_timeout: Option<OnTimeout>,
    /// Whether the next command, code or file resumes it after it was paused, instead of failing.
    pub auto_resume: bool,
    /// Environment of all that runs in it.
    pub env: BTreeMap<String, String>,
    /// Whether it gets the engine's graphics cards.
    pub gpu: bool,
    /// Another runtime of the engine, such as `runsc`.
    pub runtime: Option<String>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
}

/// Answer of `POST /sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxCreated {
    /// Names it from now on.
    pub sandbox_id: SandboxId,
}

/// What a sandbox may reach.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Nothing but its own loopback.
    #[default]
    None,
    /// A network without a way out.
    Isolated,
    /// The internet, and whatever the engine's host can reach.
    Internet,
}

impl NetworkMode {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Isolated => "isolated",
            Self::Internet => "internet",
        }
    }
}

/// What a caller asks for: one of the modes, or rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "network: none, isolated, internet or an object with rules was expected"
)]
pub enum NetworkRequest {
    /// One of the modes.
    Mode(NetworkMode),
    /// Rules; they are not supported yet, and refused with words.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    Rules(serde_json::Map<String, Value>),
}

/// What happens if a sandbox's image isn't there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// It is built, if it is the sandboxes' own, or fetched from its registry; the answer waits for it.
    #[default]
    Missing,
    /// The request is refused.
    Never,
}

/// Where the writable folders of a sandbox are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskKind {
    /// In memory: what is in them counts against `memory_mb`, and no more than `disk_mb` fits.
    #[default]
    Memory,
    /// In volumes on the container engine's disk, which go with the sandbox. If the engine has no
    /// quotas, a sandbox that has more than `disk_mb` in one is ended within seconds.
    Volume,
}

impl DiskKind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Volume => "volume",
        }
    }
}

/// What happens when a sandbox reaches its end time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// It is removed with all that is in it.
    #[default]
    Kill,
    /// It is paused: its memory stays until the engine ends or somebody removes it.
    Pause,
}

/// What a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxLimits {
    /// Memory, in MiB.
    pub memory_mb: u32,
    /// Processors.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Size of each writable folder, in MiB; in memory, what is in them counts against it.
    pub disk_mb: u32,
}

/// `POST /sessions/{id}/timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimeoutRequest {
    /// Seconds from now until it ends.
    #[serde(alias = "timeout_s", alias = "timeout")]
    pub ttl_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_request_is_one() {
        let request: CreateRequest = serde_json::from_str("{}").unwrap();
        assert_eq!(request, CreateRequest::default());
    }

    #[test]
    fn a_network_is_a_mode_or_rules() {
        let read = |text: &str| serde_json::from_str::<CreateRequest>(text);
        let mode = read(r#"{"network": "isolated"}"#).unwrap().network;
        assert_eq!(mode, Some(NetworkRequest::Mode(NetworkMode::Isolated)));
        let rules = read(r#"{"network": {"allow": []}}"#).unwrap().network;
        assert!(matches!(rules, Some(NetworkRequest::Rules(_))));
        let refused = read(r#"{"network": "lan"}"#).unwrap_err().to_string();
        assert!(refused.contains("none, isolated, internet"), "{refused}");
    }
}
