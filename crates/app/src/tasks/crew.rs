//! `/queues` and `/workers`.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use wire::task::{Queues, TaskCount, WorkerChange, Workers};

use crate::sandboxes::{Asking, Given, Named, Refusal, Service};

/// Nothing more to say.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    /// `completed`.
    status: &'static str,
}

pub(super) const DONE: Json<Done> = Json(Done {
    status: "completed",
});

pub(super) async fn queues(
    State(service): State<Service>,
    _: Asking,
) -> Result<Json<Queues>, Refusal> {
    let queues = service.queue()?.store.queues().await?;
    Ok(Json(Queues { queues }))
}

pub(super) async fn pause(
    State(service): State<Service>,
    Named(queue): Named,
) -> Result<Json<Done>, Refusal> {
    service.queue()?.store.set_paused(queue, true).await?;
    Ok(DONE)
}

pub(super) async fn resume(
    State(service): State<Service>,
    Named(queue): Named,
) -> Result<Json<Done>, Refusal> {
    service.queue()?.store.set_paused(queue, false).await?;
    Ok(DONE)
}

pub(super) async fn purge(
    State(service): State<Service>,
    Named(queue): Named,
) -> Result<Json<TaskCount>, Refusal> {
    let count = service.queue()?.store.purge(queue).await?;
    Ok(Json(TaskCount { count }))
}

pub(super) async fn workers(
    State(service): State<Service>,
    _: Asking,
) -> Result<Json<Workers>, Refusal> {
    let workers = service.queue()?.store.workers().await?;
    Ok(Json(Workers { workers }))
}

pub(super) async fn drain(
    State(service): State<Service>,
    Named(worker): Named,
) -> Result<Json<Done>, Refusal> {
    let change = WorkerChange {
        draining: Some(true),
        ..WorkerChange::default()
    };
    service.queue()?.store.change_worker(worker, change).await?;
    Ok(DONE)
}

pub(super) async fn change(
    State(service): State<Service>,
    Named(worker): Named,
    Given(change): Given<WorkerChange>,
) -> Result<Json<Done>, Refusal> {
    service.queue()?.store.change_worker(worker, change).await?;
    Ok(DONE)
}
