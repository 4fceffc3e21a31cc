//! `/schedules`: tasks that are made again and again.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tasks::{Cron, NewTask, ScheduleRecord, Whose};
use wire::{
    sandbox::NetworkRequest,
    task::{ScheduleRequest, ScheduleView, Schedules, TaskCreated, TaskId},
};

use super::{
    Queue,
    crew::{DONE, Done},
    handlers::{default_network, whose},
};
use crate::sandboxes::{Asking, DefaultNetwork, Given, Named, Refusal, Service};

fn view(record: ScheduleRecord) -> ScheduleView {
    let unsigned = |ms: i64| u64::try_from(ms).unwrap_or_default();
    ScheduleView {
        schedule_id: record.id,
        owner: record.owner,
        schedule: record.request,
        next_at_ms: record.next_ms.map(unsigned),
        last_at_ms: record.last_ms.map(unsigned),
        last_task_id: record.last_task,
        error: record.error,
    }
}

/// The schedule that the path names.
async fn find(queue: &Queue, whose: Whose, id: &str) -> Result<ScheduleRecord, Refusal> {
    let schedules = queue.store.schedules(whose).await?;
    let found = schedules.into_iter().find(|one| one.id.as_str() == id);
    found.ok_or_else(|| Refusal::not_found(format!("schedule {id} not found")))
}

/// Checks a request; answers it with its first time from now.
fn checked(
    queue: &Queue,
    request: ScheduleRequest,
    owner: Whose,
) -> Result<(ScheduleRequest, Option<i64>), Refusal> {
    let cron = Cron::of(&request)?;
    for (field, is_said) in [
        ("run_at", request.task.run_at.is_some()),
        ("expires_at", request.task.expires_at.is_some()),
        ("idempotency_key", request.task.idempotency_key.is_some()),
    ] {
        if is_said {
            return Err(Refusal::invalid(format!(
                "invalid task: a schedule's task has no {field}"
            )));
        }
    }
    queue.check(request.task.clone(), owner)?;
    let next = (!request.paused)
        .then(|| cron.next(queue.store.now_ms()))
        .flatten();
    Ok((request, next))
}

pub(super) async fn list(
    State(service): State<Service>,
    Asking(owner): Asking,
) -> Result<Json<Schedules>, Refusal> {
    let records = service.queue()?.store.schedules(whose(&owner)).await?;
    let schedules = records.into_iter().map(view).collect();
    Ok(Json(Schedules { schedules }))
}

pub(super) async fn create(
    State(service): State<Service>,
    Asking(owner): Asking,
    network: DefaultNetwork,
    Given(mut request): Given<ScheduleRequest>,
) -> Result<Response, Refusal> {
    default_network(&mut request.task, network.0.map(NetworkRequest::Mode));
    let queue = service.queue()?;
    let (request, next_ms) = checked(queue, request, whose(&owner))?;
    let record = ScheduleRecord {
        id: tasks::new_id(),
        owner: whose(&owner),
        request,
        next_ms,
        last_ms: None,
        last_task: None,
        error: None,
    };
    queue.store.put_schedule(record.clone()).await?;
    Ok((StatusCode::CREATED, Json(view(record))).into_response())
}

pub(super) async fn replace(
    State(service): State<Service>,
    Asking(owner): Asking,
    network: DefaultNetwork,
    Named(id): Named,
    Given(mut request): Given<ScheduleRequest>,
) -> Result<Json<ScheduleView>, Refusal> {
    default_network(&mut request.task, network.0.map(NetworkRequest::Mode));
    let queue = service.queue()?;
    let known = find(queue, whose(&owner), &id).await?;
    let (request, next_ms) = checked(queue, request, known.owner.clone())?;
    let record = ScheduleRecord {
        request,
        next_ms,
        error: None,
        ..known
    };
    queue.store.put_schedule(record.clone()).await?;
    Ok(Json(view(record)))
}

pub(super) async fn remove(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
) -> Result<Json<Done>, Refusal> {
    let queue = service.queue()?;
    let known = find(queue, whose(&owner), &id).await?;
    queue.store.remove_schedule(whose(&owner), known.id).await?;
    Ok(DONE)
}

/// Makes its task now, beside its times.
pub(super) async fn run(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
) -> Result<Response, Refusal> {
    let queue = service.queue()?;
    let known = find(queue, whose(&owner), &id).await?;
    let task = NewTask::of(known.request.task, known.owner)?;
    let task_id: TaskId = queue.store.add(task).await?.id;
    Ok((StatusCode::CREATED, Json(TaskCreated { task_id })).into_response())
}
