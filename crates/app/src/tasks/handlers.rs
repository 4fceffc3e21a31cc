//! `/tasks`: tasks are queued, listed, followed, cancelled and retried.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox::Owner;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tasks::{TaskError, Whose};
use tokio::time::{Instant, timeout_at};
use wire::{
    sandbox::NetworkRequest,
    task::{
        TaskCount, TaskCreated, TaskFilter, TaskId, TaskKind, TaskLog, TaskPage, TaskRequest,
        TaskState, TaskView,
    },
};

use crate::sandboxes::{
    Asked, Asking, DefaultNetwork, Given, Named, Refusal, Service, idempotency_key,
};

/// Longest time that a request waits for something to happen.
const LONGEST_WAIT_S: f64 = 60.0;
/// Tasks of a page, and lines of a log, if nobody says how many.
const PAGE: usize = 100;
const LINES: usize = 500;

/// Where a task stands now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Standing {
    task_id: TaskId,
    state: TaskState,
}

/// Whose tasks somebody sees: a token's are its own.
pub(super) fn whose(owner: &Owner) -> Whose {
    owner.token().map(str::to_owned)
}

/// The task that the path names.
pub(super) fn task_id(text: &str) -> Result<TaskId, Refusal> {
    text.parse()
        .map_err(|_| Refusal::not_found(format!("task {text} not found")))
}

pub(super) async fn add(
    State(service): State<Service>,
    Asking(owner): Asking,
    network: DefaultNetwork,
    headers: HeaderMap,
    Given(mut request): Given<TaskRequest>,
) -> Result<Response, Refusal> {
    if request.idempotency_key.is_none() {
        request.idempotency_key = idempotency_key(&headers)?.map(str::to_owned);
    }
    default_network(&mut request, network.0.map(NetworkRequest::Mode));
    let queue = service.queue()?;
    let task = queue.check(request, whose(&owner))?;
    let task_id = queue.store.add(task).await?.id;
    let place = [(header::LOCATION, format!("/tasks/{task_id}"))];
    let answer = Json(TaskCreated { task_id });
    Ok((StatusCode::CREATED, place, answer).into_response())
}

/// What a token's sandboxes reach by default is decided when it asks, not where the task runs.
pub(super) fn default_network(request: &mut TaskRequest, network: Option<NetworkRequest>) {
    let Some(network) = network else { return };
    let Some(payload) = request.payload.as_object_mut() else {
        return;
    };
    if !matches!(request.kind, TaskKind::Exec | TaskKind::Code) {
        return;
    }
    let sandbox = payload
        .entry("sandbox")
        .or_insert_with(|| serde_json::json!({}));
    if let Some(sandbox) = sandbox.as_object_mut()
        && sandbox
            .get("network")
            .is_none_or(serde_json::Value::is_null)
    {
        sandbox.insert("network".into(), serde_json::json!(network));
    }
}

/// Query of `GET /tasks`.
#[derive(Deserialize)]
pub(super) struct Search {
    state: Option<TaskState>,
    kind: Option<TaskKind>,
    queue: Option<String>,
    text: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(service): State<Service>,
    Asking(owner): Asking,
    Asked(search): Asked<Search>,
) -> Result<Json<TaskPage>, Refusal> {
    let filter = TaskFilter {
        state: search.state,
        kind: search.kind,
        queue: search.queue,
        text: search.text,
    };
    let limit = search.limit.unwrap_or(PAGE);
    let store = &service.queue()?.store;
    let page = store
        .list(whose(&owner), filter, search.after, limit)
        .await?;
    Ok(Json(page))
}

/// Query of what can wait.
#[derive(Deserialize)]
pub(super) struct Waiting {
    /// Seconds to wait for it.
    #[serde(default)]
    wait_s: f64,
}

/// A task; after `wait_s`, or as soon as it has ended.
pub(super) async fn get(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
    Asked(Waiting { wait_s }): Asked<Waiting>,
) -> Result<Json<TaskView>, Refusal> {
    let (store, id) = (&service.queue()?.store, task_id(&id)?);
    let until = deadline(wait_s)?;
    let mut changes = store.changes();
    loop {
        let view = store.get(whose(&owner), id.clone()).await?;
        let is_over = view.state.is_end() || Instant::now() >= until;
        if is_over || !changed(&mut changes, until).await {
            return Ok(Json(view));
        }
    }
}

/// Query of `GET /tasks/{id}/log`.
#[derive(Deserialize)]
pub(super) struct LogQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    #[serde(default)]
    wait_s: f64,
}

/// Lines of a log; after `wait_s`, or as soon as there is one or the task has ended.
pub(super) async fn log(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
    Asked(query): Asked<LogQuery>,
) -> Result<Json<TaskLog>, Refusal> {
    let (store, id) = (&service.queue()?.store, task_id(&id)?);
    let until = deadline(query.wait_s)?;
    let limit = query.limit.unwrap_or(LINES);
    let mut changes = store.changes();
    loop {
        let log = store
            .log(whose(&owner), id.clone(), query.after, limit)
            .await?;
        let is_over = !log.lines.is_empty() || log.state.is_end() || Instant::now() >= until;
        if is_over || !changed(&mut changes, until).await {
            return Ok(Json(log));
        }
    }
}

fn deadline(wait_s: f64) -> Result<Instant, Refusal> {
    if !(0.0..=LONGEST_WAIT_S).contains(&wait_s) {
        return Err(Refusal::invalid(format!(
            "invalid wait_s: seconds up to {LONGEST_WAIT_S} are expected"
        )));
    }
    Ok(Instant::now() + Duration::from_secs_f64(wait_s))
}

/// Waits for a change of the store, but not at every one of a flood; false if there will be none.
async fn changed(changes: &mut tokio::sync::watch::Receiver<u64>, until: Instant) -> bool {
    const PAUSE: Duration = Duration::from_millis(50);
    match timeout_at(until, changes.changed()).await {
        Ok(Ok(())) => {
            tokio::time::sleep(PAUSE).await;
            changes.mark_unchanged();
            true
        }
        Ok(Err(_)) => false,
        // Its time is over: the last look is the answer.
        Err(_) => true,
    }
}

pub(super) async fn cancel(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
) -> Result<Json<Standing>, Refusal> {
    let task_id = task_id(&id)?;
    let store = &service.queue()?.store;
    let state = store.cancel(whose(&owner), task_id.clone()).await?;
    Ok(Json(Standing { task_id, state }))
}

pub(super) async fn retry(
    State(service): State<Service>,
    Asking(owner): Asking,
    Named(id): Named,
) -> Result<Json<Standing>, Refusal> {
    let task_id = task_id(&id)?;
    let store = &service.queue()?.store;
    let state = store.retry(whose(&owner), task_id.clone()).await?;
    Ok(Json(Standing { task_id, state }))
}

pub(super) async fn cancel_all(
    State(service): State<Service>,
    Asking(owner): Asking,
    Given(filter): Given<TaskFilter>,
) -> Result<Json<TaskCount>, Refusal> {
    let store = &service.queue()?.store;
    let count = store.cancel_all(whose(&owner), some(filter)?).await?;
    Ok(Json(TaskCount { count }))
}

pub(super) async fn retry_all(
    State(service): State<Service>,
    Asking(owner): Asking,
    Given(filter): Given<TaskFilter>,
) -> Result<Json<TaskCount>, Refusal> {
    let store = &service.queue()?.store;
    let count = store.retry_all(whose(&owner), some(filter)?).await?;
    Ok(Json(TaskCount { count }))
}

/// A filter that excludes something: a body that was forgotten is no word about all tasks.
fn some(filter: TaskFilter) -> Result<TaskFilter, TaskError> {
    if filter == TaskFilter::default() {
        return Err(TaskError::Invalid {
            field: "filter",
            reason: "at least one of state, kind, queue and text is expected".into(),
        });
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::sandbox::NetworkMode;

    use super::*;

    #[test]
    fn a_tokens_network_is_what_its_tasks_get_unless_they_say_another() {
        let network = Some(NetworkRequest::Mode(NetworkMode::Internet));
        let applied = |payload| {
            let request = json!({"kind": "exec", "payload": payload});
            let mut request: TaskRequest = serde_json::from_value(request).unwrap();
            default_network(&mut request, network.clone());
            request.payload["sandbox"]["network"].clone()
        };
        assert_eq!(applied(json!({"command": "true"})), "internet");
        assert_eq!(applied(json!({"sandbox": {"network": "none"}})), "none");
        assert_eq!(applied(json!({"sandbox": {"cpus": 1}})), "internet");
    }

    #[test]
    fn a_filter_that_was_forgotten_is_not_all_tasks() {
        assert!(some(TaskFilter::default()).is_err());
        let filter = TaskFilter {
            queue: Some("a".into()),
            ..TaskFilter::default()
        };
        assert!(some(filter).is_ok());
    }
}
