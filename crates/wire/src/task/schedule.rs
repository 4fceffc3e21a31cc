//! Tasks that are made again and again, at times that a cron expression says.

use serde::{Deserialize, Serialize};

use super::{TaskId, TaskRequest};

/// What happens to times that passed while no process was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MissedRuns {
    /// One task is made for all of them together.
    #[default]
    Once,
    /// None is made.
    Skip,
    /// One is made for each of them, the last 100.
    All,
}

/// `POST /schedules` and `PUT /schedules/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleRequest {
    /// Five fields as cron has them (minute, hour, day, month, weekday), six with seconds in front, or
    /// `@hourly` and the like.
    pub cron: String,
    /// Time zone by its IANA name, such as `Europe/Berlin`; `UTC` if it isn't said.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// What happens to times that passed while no process was there; `once` if it isn't said.
    #[serde(default)]
    pub missed: MissedRuns,
    /// Whether it makes no tasks.
    #[serde(default)]
    pub paused: bool,
    /// The task that is made, without `run_at` and `idempotency_key`.
    pub task: TaskRequest,
}

/// A schedule as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleView {
    /// Its id.
    pub schedule_id: TaskId,
    /// Name of the token that made it; `None` for the person.
    pub owner: Option<String>,
    /// What was asked for.
    #[serde(flatten)]
    pub schedule: ScheduleRequest,
    /// Unix milliseconds of the next time; `None` if it is paused or has none.
    pub next_at_ms: Option<u64>,
    /// Unix milliseconds of the last time at which it made a task.
    pub last_at_ms: Option<u64>,
    /// The last task that it made.
    pub last_task_id: Option<TaskId>,
    /// Why it could make none the last time.
    pub error: Option<String>,
}

/// Answer of `GET /schedules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Schedules {
    /// Oldest first.
    pub schedules: Vec<ScheduleView>,
}
