//! Routes of cells: run, list, replay, interrupt, reset.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;
use wire::{
    body::{
        CellBrief, CellBriefList, CellEventQuery, CellList, CellListAnswer, CellQuery, CellRemoved,
        CellRunQuery, CellShown, Completed, CompletedWord, InputRequest,
    },
    error_code::ErrorCode,
    kernel::ExecRequest,
};

use super::{
    Parts,
    error::ApiError,
    jobs::Owner,
    json::{Body, Name, Params},
    kernels::COMPLETED,
    outputs::sent_along,
};
use crate::kernel::{Event, Execution, Follower, Kernel, What};

/// Whether the client asked for an event stream.
pub fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// A time limit, checked.
pub fn limit(timeout_s: Option<f64>) -> Result<Option<std::time::Duration>, ApiError> {
    match timeout_s {
        None => Ok(None),
        Some(seconds) if seconds > 0.0 => std::time::Duration::try_from_secs_f64(seconds)
            .map(Some)
            .map_err(|error| {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    ErrorCode::InvalidRequest,
                    format!("invalid timeout_s: {error}"),
                )
            }),
        Some(_) => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            "timeout_s must be greater than 0",
        )),
    }
}

/// `POST /exec`.
pub async fn exec(
    State(parts): State<Parts>,
    Owner(owner): Owner,
    Params(query): Params<CellRunQuery>,
    headers: HeaderMap,
    Body(request): Body<ExecRequest>,
) -> Result<Response, ApiError> {
    limit(request.timeout_s)?;
    if parts.evolve.is_closed() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Evolving,
            "the machine is being replaced: the new one accepts cells in a moment",
        ));
    }
    let execution = parts
        .kernels
        .get(request.kernel.as_deref())?
        .execute(request, owner)?;
    if wants_stream(&headers) {
        return Ok(sse(&execution, 0, query.references).into_response());
    }
    Ok(answer(&execution, &headers).await)
}

/// A cell's events as they come, or its answer when it is over, as the client asked for.
pub async fn answer(execution: &Arc<Execution>, headers: &HeaderMap) -> Response {
    if wants_stream(headers) {
        return sse(execution, 0, false).into_response();
    }
    Json(execution.answer().await).into_response()
}

/// `GET /executions`: of all kernels, or of one.
pub async fn list(
    State(parts): State<Parts>,
    Params(query): Params<CellQuery>,
) -> Result<Json<CellListAnswer>, ApiError> {
    let kernels = match query.kernel.as_deref() {
        Some(name) => vec![parts.kernels.get(Some(name))?],
        None => parts.kernels.all(),
    };
    let executions: Vec<_> = kernels
        .iter()
        .flat_map(|kernel| kernel.executions())
        .collect();
    Ok(Json(listed(&executions, query.brief)))
}

/// Cells in the order of their ids, which is that of time.
fn listed(executions: &[Arc<Execution>], brief: bool) -> CellListAnswer {
    if brief {
        let mut executions: Vec<CellBrief> = executions.iter().map(|one| one.brief()).collect();
        executions.sort_by(|left, right| left.execution_id.cmp(&right.execution_id));
        return CellListAnswer::Brief(CellBriefList { executions });
    }
    let mut executions: Vec<CellShown> = executions.iter().map(|one| one.shown()).collect();
    executions.sort_by(|left, right| left.execution_id.cmp(&right.execution_id));
    CellListAnswer::Full(CellList { executions })
}

/// `GET /executions/{id}`.
pub async fn one(State(parts): State<Parts>, Name(id): Name) -> Result<Json<CellShown>, ApiError> {
    Ok(Json(find(&parts, &id)?.1.shown()))
}

/// `DELETE /executions/{id}`.
pub async fn remove(
    State(parts): State<Parts>,
    Name(id): Name,
) -> Result<Json<CellRemoved>, ApiError> {
    let (kernel, execution) = find(&parts, &id)?;
    kernel.cancel(&execution).await;
    Ok(Json(CellRemoved {
        status: CompletedWord::Completed,
        state: execution.state(),
    }))
}

/// `POST /executions/{id}/input`.
pub async fn input(
    State(parts): State<Parts>,
    Name(id): Name,
    Body(request): Body<InputRequest>,
) -> Result<Json<Completed>, ApiError> {
    let (kernel, execution) = find(&parts, &id)?;
    if kernel.input(&execution, request.value).await {
        Ok(COMPLETED)
    } else {
        let message = "this cell is not waiting for input";
        Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::NoInputWanted,
            message,
        ))
    }
}

/// `GET /executions/{id}/events?after=N`.
pub async fn events(
    State(parts): State<Parts>,
    Name(id): Name,
    Params(query): Params<CellEventQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A browser's EventSource that reconnects says where it was.
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let after = last.unwrap_or(query.after);
    Ok(sse(&find(&parts, &id)?.1, after, query.references).into_response())
}

/// A cell of whichever kernel.
pub fn find(parts: &Parts, id: &str) -> Result<(Arc<Kernel>, Arc<Execution>), ApiError> {
    parts
        .kernels
        .execution(id)
        .ok_or_else(|| ApiError::not_found(format!("execution {id:?} not found")))
}

/// A cell's events: first which cell it is, then when the kernel begins with it, then what it puts
/// out, then the answer.
pub fn sse(
    execution: &Arc<Execution>,
    after: u64,
    references: bool,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>> + use<>> {
    let accepted = json!({
        "id": execution.id, "execution_id": execution.order.execution_id, "tag": execution.order.request.tag,
    });
    let first = stream::iter([named("accepted", None, &accepted)]);
    let reader = Reader {
        follower: Follower::new(execution),
        changes: execution.watch(),
        references,
        after,
        read_bytes: 0,
        has_begun: false,
        over: false,
    };
    let batches = stream::unfold(reader, |mut reader| async {
        let batch = reader.next().await?;
        Some((stream::iter(batch), reader))
    });
    Sse::new(first.chain(batches.flatten())).keep_alive(KeepAlive::default())
}

/// How far one client has read.
struct Reader {
    follower: Follower,
    changes: watch::Receiver<u64>,
    /// Whether it fetches large outputs itself, and wants nothing twice.
    references: bool,
    /// Seq of the last event that it got.
    after: u64,
    read_bytes: u64,
    /// Whether it was told that the kernel began, and that the cell is over.
    has_begun: bool,
    over: bool,
}

impl Reader {
    /// What came since, once there is something; `None` after the end.
    async fn next(&mut self) -> Option<Vec<Result<SseEvent, Infallible>>> {
        while !self.over {
            self.changes.mark_unchanged();
            let (events, end) = self.follower.since(self.after, &mut self.read_bytes);
            let began_ago = self.follower.began_ago().filter(|_| !self.has_begun);
            let mut batch = Vec::with_capacity(events.len() + 2);
            if let Some(ago) = began_ago {
                let ran_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
                batch.push(named("started", None, &json!({"ran_ms": ran_ms})));
                self.has_begun = true;
            }
            batch.extend(events.iter().map(|event| self.told(event)));
            self.after = events.last().map_or(self.after, |event| event.seq);
            if let Some(end) = end {
                batch.push(if self.references {
                    named("done", None, &end)
                } else {
                    // A cell that ended has an answer.
                    named("done", None, &self.follower.answer())
                });
                self.over = true;
            }
            if !batch.is_empty() {
                return Some(batch);
            }
            // The sender lives in the execution.
            let _ = self.changes.changed().await;
        }
        None
    }

    fn told(&self, event: &Event) -> Result<SseEvent, Infallible> {
        let seq = Some(event.seq);
        match &event.what {
            What::Output(output) if self.references => {
                match sent_along(self.follower.execution_id(), event.seq, output) {
                    Ok(text) => Ok(SseEvent::default()
                        .event("output")
                        .id(event.seq.to_string())
                        .data(text)),
                    Err(reference) => named("output_reference", seq, &reference),
                }
            }
            What::Output(output) => named("output", seq, &**output),
            What::Comm(message) => named("comm", seq, message),
            What::Cleared => named("clear_output", seq, &json!({})),
            What::Input(prompt) => named("input_request", seq, prompt),
        }
    }
}

/// An event with its JSON.
pub fn named(
    name: &str,
    id: Option<u64>,
    data: &impl serde::Serialize,
) -> Result<SseEvent, Infallible> {
    let event = SseEvent::default().event(name);
    let event = match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    };
    // Our own types are always JSON.
    Ok(event.data(serde_json::to_string(data).unwrap_or_default()))
}
