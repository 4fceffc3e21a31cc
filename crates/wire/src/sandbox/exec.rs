//! Commands of a sandbox.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::ShellCommand;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PtySize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// `POST /sessions/{id}/exec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecRequest {
    /// A line for `bash -lc`, or a program and its arguments.
    #[cfg_attr(feature = "ts", ts(type = "string | Array<string>"))]
    pub command: ShellCommand,
    /// Seconds; the sandbox's own limit if `None`, none at all if 0.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    /// What it reads; its stdin ends there. `None`: its stdin is empty, but for a background one,
    /// whose stdin stays open.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Whether its stdin stays open for `…/stdin`. A background command's does if `None`.
    #[serde(default)]
    pub keep_stdin: Option<bool>,
    /// Working folder; the home if `None`.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment, over the sandbox's own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the answer comes at its start instead of at its end.
    #[serde(default)]
    pub background: bool,
    /// A terminal of that size instead of three pipes.
    #[serde(default)]
    pub pty: Option<PtySize>,
}

/// Answer of `POST /sessions/{id}/exec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SandboxExecAnswer"))]
pub struct ExecAnswer {
    /// Names it in `…/exec/{exec_id}/…`.
    pub exec_id: String,
    /// What it wrote to stdout, or to its terminal.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// Its exit status, 128 + the signal if one ended it; `None` while it runs in the background.
    pub exit_code: Option<i32>,
    /// Whether its time was over.
    pub timed_out: bool,
    /// Whether it wrote more than is kept.
    pub truncated: bool,
    /// Milliseconds from its start to its end.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub timing_ms: u64,
}

/// A command of a sandbox, that runs or did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecView {
    /// Its id.
    pub exec_id: String,
    /// Process id inside the sandbox.
    pub pid: u32,
    /// What runs.
    #[cfg_attr(feature = "ts", ts(type = "string | Array<string>"))]
    pub command: ShellCommand,
    /// Working folder that was asked for.
    pub cwd: Option<String>,
    /// Environment that was asked for with it.
    pub env: BTreeMap<String, String>,
    /// Whether it has a terminal.
    pub pty: bool,
    /// Whether its caller did not wait.
    pub background: bool,
    /// Unix milliseconds of its start.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub started_at_ms: u64,
    /// How it ended; `None` while it runs.
    pub exit_code: Option<i32>,
}

/// `POST /sessions/{id}/exec/{exec_id}/signal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalRequest {
    /// Number, or name such as `SIGTERM` or `TERM`.
    pub signal: SignalName,
}

/// A signal by number or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SignalName {
    /// Such as 15.
    Number(i32),
    /// Such as `SIGTERM`.
    Name(String),
}
