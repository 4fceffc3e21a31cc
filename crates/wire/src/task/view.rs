//! A task as it is shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AttemptOutcome, TaskId, TaskKind, TaskState};

/// A task as `GET /tasks/{id}` shows it. Lists leave out `payload`, `result` and `attempts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskView {
    /// Its id.
    pub task_id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// Its queue.
    pub queue: String,
    /// What is larger runs first.
    pub priority: i32,
    /// Where it stands.
    pub state: TaskState,
    /// Name of the token that made it; `None` for the person.
    pub owner: Option<String>,
    /// Whether it runs and is to be cancelled.
    pub cancelling: bool,
    /// How often it was started.
    pub attempt: u32,
    /// How often it is started at most.
    pub max_attempts: u32,
    /// Seconds that an attempt may take.
    pub timeout_s: f64,
    /// Seconds between asking an attempt to end and ending it.
    pub grace_s: f64,
    /// Unix milliseconds of its acceptance.
    pub created_at_ms: u64,
    /// Unix milliseconds before which it isn't started.
    pub due_at_ms: u64,
    /// Unix milliseconds after which it isn't started.
    pub expires_at_ms: Option<u64>,
    /// Unix milliseconds of its last attempt's start.
    pub started_at_ms: Option<u64>,
    /// Unix milliseconds of its end.
    pub ended_at_ms: Option<u64>,
    /// Name of the worker that has it or had it last.
    pub worker: Option<String>,
    /// How far it is.
    pub progress: Option<TaskProgress>,
    /// Why its last attempt failed, or why it was cancelled.
    pub error: Option<String>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// What its last attempt put out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Oldest first; the last 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptView>>,
}

/// One start of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptView {
    /// From 1.
    pub number: u32,
    /// Name of its worker.
    pub worker: String,
    /// Unix milliseconds.
    pub started_at_ms: u64,
    /// Unix milliseconds.
    pub ended_at_ms: Option<u64>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How far a task is, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskProgress {
    /// So much is done.
    #[serde(default)]
    pub done: f64,
    /// Of so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What it does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A page of tasks, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskPage {
    /// Newest first. A page may have fewer tasks than asked for, or none, and still have a `next`.
    pub tasks: Vec<TaskView>,
    /// What `after` has to be for the next page; `None` after the last one.
    pub next: Option<String>,
}

/// What wrote a line of a task's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The command, to its stdout.
    Stdout,
    /// The command, to its stderr.
    Stderr,
    /// Vivarium.
    System,
}

/// A piece of a task's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskLogLine {
    /// Its number, from 1. One that is missing was dropped, as a log is bounded.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Attempt that wrote it.
    pub attempt: u32,
    /// What wrote it.
    pub stream: LogStream,
    /// Text as it was written, with its line ends.
    pub text: String,
}

/// Answer of `GET /tasks/{id}/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskLog {
    /// Oldest first.
    pub lines: Vec<TaskLogLine>,
    /// Where the task stood when these were the last ones.
    pub state: TaskState,
    /// Whether there are more lines already.
    pub more: bool,
}
