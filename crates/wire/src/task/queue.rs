//! Queues and the workers that take from them.

use serde::{Deserialize, Serialize};

use super::{TaskId, TaskKind};

/// A queue as `GET /queues` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueView {
    /// Its name.
    pub queue: String,
    /// Whether workers take nothing from it.
    pub paused: bool,
    /// Tasks that wait for a worker.
    pub queued: u64,
    /// Tasks that wait for their time.
    pub scheduled: u64,
    /// Tasks that wait for their next attempt.
    pub retrying: u64,
    /// Tasks that workers have.
    pub running: u64,
    /// Tasks that are done, and still kept.
    pub done: u64,
    /// Tasks that failed, and are still kept.
    pub failed: u64,
    /// Seconds for which the oldest queued task has waited.
    pub oldest_s: Option<f64>,
    /// Attempts that ended within the last full minute.
    pub ended_per_minute: u64,
    /// Attempts that ended within the last hour.
    pub ended_last_hour: u64,
    /// Of these, those that didn't do what they were to do.
    pub failed_last_hour: u64,
    /// Mean seconds of an attempt within the last hour.
    pub mean_run_s: Option<f64>,
    /// Longest attempt within the last hour, in seconds.
    pub longest_run_s: Option<f64>,
}

/// Answer of `GET /queues`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Queues {
    /// By name.
    pub queues: Vec<QueueView>,
}

/// How many attempts of a kind may start in a time, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateLimit {
    /// So many starts.
    pub count: u32,
    /// In so many seconds.
    pub per_s: f64,
}

/// A worker as `GET /workers` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkerView {
    /// Its name, which no other process has or had.
    pub worker: String,
    /// Name of its computer.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Whether it was heard of within the last seconds.
    pub alive: bool,
    /// Whether it takes no more tasks.
    pub draining: bool,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// Queues that it takes from; all if the list is empty.
    pub queues: Vec<String>,
    /// Kinds that it can run.
    pub kinds: Vec<TaskKind>,
    /// Tasks that it has.
    pub tasks: Vec<TaskId>,
    /// Unix milliseconds of its start.
    pub started_at_ms: u64,
    /// Unix milliseconds of the last time it was heard of.
    pub seen_at_ms: u64,
}

/// Answer of `GET /workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workers {
    /// Newest first.
    pub workers: Vec<WorkerView>,
}

/// `PUT /workers/{id}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WorkerChange {
    /// How many tasks it runs at once from now on, from 0 to 1000.
    pub concurrency: Option<u32>,
    /// Whether it takes no more tasks.
    pub draining: Option<bool>,
}
