//! `/sessions/{id}/code`: code whose variables stay, and its contexts.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, future, stream};
use sandbox::{CodeEnd, CodeEvent, CodeRun};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use wire::sandbox::{CodeContext, CodeContextRequest, CodeRequest};

use super::{
    Asking, Refusal, Service,
    output::{event, sse, wants_events},
    request::{ContextId, Given, Session},
};

/// Answer of `GET /sessions/{id}/contexts`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Contexts {
    /// Oldest first.
    contexts: Vec<CodeContext>,
}

pub(super) async fn run(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    headers: HeaderMap,
    Given(request): Given<CodeRequest>,
) -> Result<Response, Refusal> {
    let run = service.sandboxes()?.code(&owner, &id, request).await?;
    if wants_events(&headers) {
        return Ok(events(run));
    }
    Ok(Json(run.wait().await).into_response())
}

/// Its outputs as events; last how it ended, as `done`.
fn events(run: CodeRun) -> Response {
    let context = run.context().to_owned();
    let started = event("started", None, &json!({ "context": context }));
    let events = run.events().map(move |happened| match happened {
        CodeEvent::Output(output) => event("output", None, &output),
        CodeEvent::Clear { wait } => event("clear_output", None, &json!({ "wait": wait })),
        CodeEvent::Ended(end) => {
            let CodeEnd {
                status,
                result,
                error,
                execution_count,
                timing_ms,
            } = end;
            let done = json!({
                "context": context, "status": status, "result": result, "error": error,
                "execution_count": execution_count, "timing_ms": timing_ms,
            });
            event("done", None, &done)
        }
    });
    sse(stream::once(future::ready(started)).chain(events)).into_response()
}

pub(super) async fn contexts(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<Contexts>, Refusal> {
    let contexts = service.sandboxes()?.contexts(&owner, &id)?;
    Ok(Json(Contexts { contexts }))
}

pub(super) async fn create_context(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Given(request): Given<CodeContextRequest>,
) -> Result<Response, Refusal> {
    let context = service
        .sandboxes()?
        .create_context(&owner, &id, request)
        .await?;
    Ok((StatusCode::CREATED, Json(context)).into_response())
}

pub(super) async fn restart_context(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ContextId(context): ContextId,
) -> Result<Json<serde_json::Value>, Refusal> {
    service
        .sandboxes()?
        .restart_context(&owner, &id, &context)
        .await?;
    Ok(Json(json!({ "status": "completed" })))
}

pub(super) async fn remove_context(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ContextId(context): ContextId,
) -> Result<Json<serde_json::Value>, Refusal> {
    service
        .sandboxes()?
        .remove_context(&owner, &id, &context)
        .await?;
    Ok(Json(json!({ "status": "completed" })))
}
