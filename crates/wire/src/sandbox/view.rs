//! A sandbox as it is shown: where it stands, and what it uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DiskKind, NetworkMode, OnTimeout, SandboxId, SandboxLimits};

/// Where a sandbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SandboxState {
    /// It takes commands.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its container was removed or ended by somebody else, or with the engine.
    Lost,
    /// It was removed, or its time was over.
    Ended,
}

/// What a sandbox uses at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxUsage {
    /// Processor time so far, in milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub cpu_ms: u64,
    /// Processors in use since the last look, 100 for one whole; `None` at the first look.
    pub cpu_percent: Option<f64>,
    /// Memory without the file cache; what lies in the writable folders is in it.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub memory_bytes: u64,
    /// In the writable folders.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub disk_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Received over the network; `None` if that isn't known.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub network_received_bytes: Option<u64>,
    /// Sent over the network; `None` if that isn't known.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub network_sent_bytes: Option<u64>,
}

/// A sandbox as `GET /sessions` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxView {
    /// Its id.
    pub sandbox_id: SandboxId,
    /// Where it stands.
    pub state: SandboxState,
    /// Whether its first process answers. If it doesn't, commands and files fail until it does;
    /// removing the sandbox works.
    #[serde(default = "answers")]
    pub responding: bool,
    /// Why it is lost or has ended, in a sentence.
    pub reason: Option<String>,
    /// Name of its container.
    pub container: String,
    /// Image as it was asked for.
    pub image: String,
    /// Name of the token that made it; `None` for the person and for a machine.
    pub owner: Option<String>,
    /// Id of the machine whose programs made it: the machine's name, or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub machine: Option<String>,
    /// What it may use.
    pub limits: SandboxLimits,
    /// Where its writable folders are.
    #[serde(default)]
    pub disk: DiskKind,
    /// What it may reach.
    pub network: NetworkMode,
    /// Whether it has the engine's graphics cards.
    pub gpu: bool,
    /// Another runtime of the engine, such as `runsc`.
    pub runtime: Option<String>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Names of the variables that its creator set. Their values are not shown.
    pub env_names: Vec<String>,
    /// Whether it was started before it was asked for.
    pub from_pool: bool,
    /// Unix milliseconds of its creation.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub created_at_ms: u64,
    /// Seconds since then.
    pub age_s: f64,
    /// Unix milliseconds of the last command, code or file.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub last_used_at_ms: u64,
    /// Unix milliseconds at which its time is over.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub ends_at_ms: u64,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Whether the next command, code or file resumes it after it was paused.
    #[serde(default)]
    pub auto_resume: bool,
    /// What it uses; `None` if nobody looked yet.
    pub usage: Option<SandboxUsage>,
    /// What its user should know, such as that files count against its memory.
    pub notes: Vec<String>,
}

/// What earlier versions, which don't say it, had to mean.
fn answers() -> bool {
    true
}
