//! What a task is asked for, and which tasks are meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskId, TaskKind, TaskState};
use crate::{kernel::ShellCommand, sandbox::CreateRequest};

/// `POST /tasks`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskRequest {
    /// What it does.
    pub kind: TaskKind,
    /// With what: a JSON object, whose fields the kind says.
    #[serde(default)]
    pub payload: Value,
    /// Queue; `default` if it isn't said. Letters, digits, `_`, `.` and `-`.
    #[serde(default)]
    pub queue: Option<String>,
    /// From -100 to 100; what is larger runs first. 0 if it isn't said.
    #[serde(default)]
    pub priority: Option<i32>,
    /// How often it is started at most; 3 if it isn't said. An attempt counts when it starts.
    #[serde(default)]
    pub max_attempts: Option<u32>,
    /// Seconds that an attempt may take; 300 if it isn't said.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    /// Seconds between asking an attempt to end and ending it; 5 if it isn't said.
    #[serde(default)]
    pub grace_s: Option<f64>,
    /// Not before then: Unix seconds, or a time such as `2026-12-01T08:00:00Z`.
    #[serde(default)]
    pub run_at: Option<Value>,
    /// Not started after then; written as `run_at`.
    #[serde(default)]
    pub expires_at: Option<Value>,
    /// A second request with the same key gets the first one's task.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Files of this computer that are copied into the sandbox's `/workspace`; they must be in one of
    /// the folders that the settings list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// Answer of `POST /tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskCreated {
    /// Names it from now on.
    pub task_id: TaskId,
}

/// Payload of a task of kind `exec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecPayload {
    /// A line for `bash -lc`, or a program and its arguments. Another exit code than 0 fails the attempt.
    pub command: ShellCommand,
    /// What it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Working folder; the home if it isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The sandbox that it runs in, as `POST /sessions` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<CreateRequest>,
}

/// Payload of a task of kind `code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodePayload {
    /// Source. What it raises fails the attempt.
    pub code: String,
    /// `python`, also if it isn't said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The sandbox that it runs in, as `POST /sessions` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<CreateRequest>,
}

/// Which tasks are meant; what isn't said excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskFilter {
    /// Those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<TaskState>,
    /// Those of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskKind>,
    /// Those of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Those whose id, payload or error contains this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Answer of what was done to all tasks that a filter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskCount {
    /// So many tasks.
    pub count: u64,
}
