//! Routes of cells: run, list, replay, interrupt, reset.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::kernel::ExecRequest;

use super::{Parts, error::ApiError, json::Body};
use crate::kernel::Execution;

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
                    "invalid_request",
                    format!("timeout_s is no time limit: {error}"),
                )
            }),
        Some(_) => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "timeout_s must be above 0",
        )),
    }
}

/// `POST /exec`.
pub async fn exec(
    State(parts): State<Parts>,
    headers: HeaderMap,
    Body(request): Body<ExecRequest>,
) -> Result<Response, ApiError> {
    limit(request.timeout_s)?;
    if let Some(name) = request.kernel.as_deref().filter(|name| *name != "main") {
        return Err(ApiError::not_found(format!("there is no kernel {name:?}")));
    }
    let execution = parts.kernel.execute(request);
    if wants_stream(&headers) {
        return Ok(sse(execution, 0).into_response());
    }
    Ok(Json(execution.answer().await).into_response())
}

/// `GET /executions`.
pub async fn list(State(parts): State<Parts>) -> Json<Value> {
    let executions: Vec<Value> = parts
        .kernel
        .executions()
        .iter()
        .map(|execution| execution.shown())
        .collect();
    Json(json!({ "executions": executions }))
}

/// `GET /executions/{id}`.
pub async fn one(
    State(parts): State<Parts>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(find(&parts, &id)?.shown()))
}

/// `DELETE /executions/{id}`.
pub async fn remove(
    State(parts): State<Parts>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let execution = find(&parts, &id)?;
    parts.kernel.cancel(&execution).await;
    Ok(Json(
        json!({"status": "completed", "state": execution.state()}),
    ))
}

/// Query of `GET /executions/{id}/events`.
#[derive(Deserialize)]
pub struct After {
    #[serde(default)]
    after: u64,
}

/// `GET /executions/{id}/events?after=N`.
pub async fn events(
    State(parts): State<Parts>,
    Path(id): Path<String>,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(after) =
        query.map_err(|_| ApiError::bad_request("after is the seq to go on from, a number"))?;
    // A browser's EventSource that reconnects says where it was.
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(sse(find(&parts, &id)?, last.unwrap_or(after.after)).into_response())
}

/// `POST /interrupt`.
pub async fn interrupt(State(parts): State<Parts>) -> Json<Value> {
    parts.kernel.interrupt().await;
    Json(json!({"status": "completed"}))
}

/// `POST /reset`.
pub async fn reset(State(parts): State<Parts>) -> Result<Json<Value>, ApiError> {
    if parts.kernel.reset().await {
        Ok(Json(json!({"status": "completed"})))
    } else {
        let message = "the kernel ended before it could be reset; a new one starts";
        Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "kernel_died",
            message,
        ))
    }
}

fn find(parts: &Parts, id: &str) -> Result<Arc<Execution>, ApiError> {
    parts
        .kernel
        .execution(id)
        .ok_or_else(|| ApiError::not_found(format!("there is no execution {id:?}")))
}

fn sse(
    execution: Arc<Execution>,
    after: u64,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let changes = execution.watch();
    let batches = stream::unfold(
        (execution, changes, after, false),
        |(execution, mut changes, after, over)| async move {
            if over {
                return None;
            }
            loop {
                changes.mark_unchanged();
                let (events, answer) = execution.since(after);
                if events.is_empty() && answer.is_none() {
                    // The sender lives in the execution.
                    let _ = changes.changed().await;
                    continue;
                }
                let last = events.last().map_or(after, |event| event.seq);
                let mut batch: Vec<_> = events
                    .into_iter()
                    .map(|event| named("output", Some(event.seq), &event.output))
                    .collect();
                let over = answer.is_some();
                if let Some(answer) = answer {
                    batch.push(named("done", None, &answer));
                }
                return Some((stream::iter(batch), (execution, changes, last, over)));
            }
        },
    );
    Sse::new(batches.flatten()).keep_alive(KeepAlive::default())
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
