//! Tasks: work that is accepted once and run to an end, whatever happens to the process that runs it.
//! What `POST /tasks` and its routes take and answer.

mod id;
mod kind;
mod queue;
mod request;
mod schedule;
mod state;
mod view;

pub use self::{
    id::{TaskId, TaskIdError},
    kind::TaskKind,
    queue::{QueueView, Queues, RateLimit, WorkerChange, WorkerView, Workers},
    request::{CodePayload, ExecPayload, TaskCount, TaskCreated, TaskFilter, TaskRequest},
    schedule::{MissedRuns, ScheduleRequest, ScheduleView, Schedules},
    state::{AttemptOutcome, TaskState},
    view::{AttemptView, LogStream, TaskLog, TaskLogLine, TaskPage, TaskProgress, TaskView},
};
