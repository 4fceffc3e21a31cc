//! All routes of tasks, in one list.

use axum::http::Method;
use wire::{
    task::{
        Queues, ScheduleRequest, ScheduleView, Schedules, TaskCount, TaskCreated, TaskFilter,
        TaskLog, TaskPage, TaskRequest, TaskView, WorkerChange, Workers,
    },
    tokens::Scope,
};

use super::{crew, handlers, schedules};
use crate::sandboxes::{Operation, operation};

/// Every operation, with what it takes and answers.
pub(crate) fn operations() -> Vec<Operation> {
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    vec![
        operation(
            post.clone(),
            "/tasks",
            Scope::Exec,
            "Queue a task",
            handlers::add,
        )
        .takes::<TaskRequest>()
        .answers::<TaskCreated>()
        .status(201),
        operation(
            get.clone(),
            "/tasks",
            Scope::Read,
            "List tasks, newest first",
            handlers::list,
        )
        .answers::<TaskPage>()
        .query("state", "string")
        .query("kind", "string")
        .query("queue", "string")
        .query("text", "string")
        .query("after", "string")
        .query("limit", "integer"),
        operation(
            get.clone(),
            "/tasks/{id}",
            Scope::Read,
            "Show a task",
            handlers::get,
        )
        .answers::<TaskView>()
        .query("wait_s", "number"),
        operation(
            get.clone(),
            "/tasks/{id}/log",
            Scope::Read,
            "A task's log",
            handlers::log,
        )
        .answers::<TaskLog>()
        .query("after", "integer")
        .query("limit", "integer")
        .query("wait_s", "number"),
        operation(
            post.clone(),
            "/tasks/{id}/cancel",
            Scope::Exec,
            "Cancel a task",
            handlers::cancel,
        )
        .answers::<handlers::Standing>(),
        operation(
            post.clone(),
            "/tasks/{id}/retry",
            Scope::Exec,
            "Queue a task again that failed, was cancelled, expired or was lost",
            handlers::retry,
        )
        .answers::<handlers::Standing>(),
        operation(
            post.clone(),
            "/tasks/cancel",
            Scope::Exec,
            "Cancel all tasks that match",
            handlers::cancel_all,
        )
        .takes::<TaskFilter>()
        .answers::<TaskCount>(),
        operation(
            post.clone(),
            "/tasks/retry",
            Scope::Exec,
            "Retry all tasks that match",
            handlers::retry_all,
        )
        .takes::<TaskFilter>()
        .answers::<TaskCount>(),
        operation(
            get.clone(),
            "/queues",
            Scope::Read,
            "List the queues",
            crew::queues,
        )
        .answers::<Queues>(),
        operation(
            post.clone(),
            "/queues/{queue}/pause",
            Scope::Admin,
            "Let workers take nothing from a queue",
            crew::pause,
        )
        .answers::<crew::Done>(),
        operation(
            post.clone(),
            "/queues/{queue}/resume",
            Scope::Admin,
            "Let workers take from a queue again",
            crew::resume,
        )
        .answers::<crew::Done>(),
        operation(
            post.clone(),
            "/queues/{queue}/purge",
            Scope::Admin,
            "Cancel all tasks of a queue that aren't running",
            crew::purge,
        )
        .answers::<TaskCount>(),
        operation(
            get.clone(),
            "/workers",
            Scope::Read,
            "List the workers",
            crew::workers,
        )
        .answers::<Workers>(),
        operation(
            post.clone(),
            "/workers/{worker}/drain",
            Scope::Admin,
            "Let a worker take no more tasks",
            crew::drain,
        )
        .answers::<crew::Done>(),
        operation(
            put.clone(),
            "/workers/{worker}",
            Scope::Admin,
            "Change how many tasks a worker runs at once",
            crew::change,
        )
        .takes::<WorkerChange>()
        .answers::<crew::Done>(),
        operation(
            get,
            "/schedules",
            Scope::Read,
            "List the schedules",
            schedules::list,
        )
        .answers::<Schedules>(),
        operation(
            post.clone(),
            "/schedules",
            Scope::Exec,
            "Create a schedule",
            schedules::create,
        )
        .takes::<ScheduleRequest>()
        .answers::<ScheduleView>()
        .status(201),
        operation(
            put,
            "/schedules/{id}",
            Scope::Exec,
            "Replace a schedule",
            schedules::replace,
        )
        .takes::<ScheduleRequest>()
        .answers::<ScheduleView>(),
        operation(
            delete,
            "/schedules/{id}",
            Scope::Exec,
            "Remove a schedule",
            schedules::remove,
        )
        .answers::<crew::Done>(),
        operation(
            post,
            "/schedules/{id}/run",
            Scope::Exec,
            "Make a schedule's task now",
            schedules::run,
        )
        .answers::<TaskCreated>()
        .status(201),
    ]
}
