//! What can go wrong with tasks.

use std::sync::Arc;

use wire::task::{TaskId, TaskState};

/// Failures of the queue.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// There is none of that id, or it is somebody else's.
    #[error("task {0} not found")]
    NotFound(TaskId),
    /// No task was ever put into a queue of that name.
    #[error("queue {0} not found")]
    QueueNotFound(String),
    /// No worker of that name, or it was last heard of long ago.
    #[error("worker {0} not found")]
    WorkerNotFound(String),
    /// There is no schedule of that id, or it is somebody else's.
    #[error("schedule {0} not found")]
    ScheduleNotFound(TaskId),
    /// A field of a request has a value that can't be used.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// Its name in the request.
        field: &'static str,
        /// Why not, and what is expected.
        reason: String,
    },
    /// This version can't do it.
    #[error("not supported: {what}")]
    NotSupported {
        /// What was asked for, and what to do instead.
        what: String,
    },
    /// As many as there may be are there.
    #[error("too many {what}: the limit is {limit}")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// The most that there may be.
        limit: usize,
    },
    /// It has ended, so it can't be cancelled.
    #[error("task {id} has already ended: {state}")]
    Ended {
        /// Which one.
        id: TaskId,
        /// How.
        state: TaskState,
    },
    /// It is to run, runs, or is done, so it can't be retried.
    #[error(
        "task {id} can't be retried: it is {state}, and only a failed, cancelled, expired or lost task can"
    )]
    NotFailed {
        /// Which one.
        id: TaskId,
        /// Where it stands.
        state: TaskState,
    },
    /// The attempt isn't this worker's any more: its lease ran out, or the task was given to another.
    #[error("the lease of attempt {attempt} of task {id} has ended")]
    LeaseEnded {
        /// Which task.
        id: TaskId,
        /// Which attempt.
        attempt: u32,
    },
    /// The disk is full. Nothing was changed.
    #[error("the task could not be stored: the disk is full")]
    DiskFull,
    /// The store was written by a later version.
    #[error(
        "the task store {path} was written by a newer version of Vivarium (schema {found}; this version knows {known}): update Vivarium, or move the file away to start with an empty queue"
    )]
    Newer {
        /// Where it is.
        path: String,
        /// What it has.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// The store can't be read or written.
    #[error("could not {doing} the task store: {source}")]
    Store {
        /// A verb.
        doing: &'static str,
        /// Below.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The store was closed.
    #[error("the task queue is shutting down")]
    Stopping,
}

impl TaskError {
    /// A value of a request that can't be used.
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Invalid { field, reason }
    }
}
