//! Where a task and its attempts stand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It waits for its `run_at`.
    Scheduled,
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// An attempt failed; it waits for the next one.
    Retrying,
    /// It ended as it was meant to; its result is kept.
    Done,
    /// It is out of attempts, or failed so that another attempt would fail too.
    Failed,
    /// Somebody cancelled it, or purged its queue.
    Cancelled,
    /// Its `expires_at` came before a worker did.
    Expired,
    /// Its record can't be read, so that nobody knows what to run.
    Lost,
}

impl TaskState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Lost,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing happens to it any more unless somebody retries it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Cancelled | Self::Expired | Self::Lost
        )
    }

    /// Whether it is to run and no worker has it.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued | Self::Retrying)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("invalid state {text:?}: expected one of {known}")
        })
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It did what it was to do.
    Done,
    /// It failed.
    Failed,
    /// It took longer than the task's `timeout_s`.
    TimedOut,
    /// The task was cancelled.
    Cancelled,
    /// Its worker was stopped and gave the task back.
    Returned,
    /// Its worker was not heard of until the lease ran out.
    Lost,
}

impl AttemptOutcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Returned,
        Self::Lost,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::Lost => "lost",
        }
    }
}
