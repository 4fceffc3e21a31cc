//! Routes of the MCP endpoint.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{OriginalUri, Path, Query, State},
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use wire::{
    body::{Completed, CompletedWord},
    error_code::ErrorCode,
    mcp::{McpRemoval, McpRemoved, McpServerList, McpServerShown, McpStatus},
};

use super::{
    Relay,
    config::{ConfigError, Configured},
    entry, entry_form,
    filter::Filter,
    reply, sse,
    streamable::{self, At},
    upstream::Order,
};
use crate::http::error::ApiError;

/// How often a silent stream shows that it lives.
pub const PING: Duration = Duration::from_secs(15);

type Shared = State<Arc<Relay>>;
type Words = Query<HashMap<String, String>>;

/// All of them, below a prefix.
pub fn routes(relay: Arc<Relay>) -> Router {
    let alive = || get(|| async { Json(serde_json::json!({"status": "ok"})) });
    Router::new()
        .route("/ping", alive())
        .route("/health", alive())
        .route("/status", get(status))
        .route("/traces", get(traces))
        .route("/servers", get(servers))
        .route("/servers/{name}", put(enter).delete(remove))
        .route("/servers/{name}/restart", post(restart))
        .route("/servers/{name}/enable", post(enable))
        .route("/servers/{name}/disable", post(disable))
        .route("/servers/{name}/sse", get(events))
        .route("/servers/{name}/message", post(message))
        .route("/servers/{name}/mcp", any(one))
        .route("/mcp", any(all))
        .fallback(|| async { ApiError::not_found("route not found") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .with_state(relay)
}

/// Whether a client asked for an event stream.
pub fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.contains("text/event-stream") || accept.contains("*/*")
}

fn server(relay: &Relay, name: &str) -> Result<Arc<super::server::Server>, ApiError> {
    let found = relay.server(name);
    found.ok_or_else(|| ApiError::not_found(format!("MCP server {name:?} not found")))
}

async fn one(
    State(relay): Shared,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let at = At::One(server(&relay, &name)?);
    Ok(speak(relay, at, Filter::default(), request).await)
}

async fn all(
    State(relay): Shared,
    Query(words): Words,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let filter = Filter::read(&words).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(speak(relay, At::All, filter, request).await)
}

async fn speak(relay: Arc<Relay>, at: At, filter: Filter, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => streamable::post(relay, at, filter, parts.headers, body).await,
        Method::GET => streamable::get(&relay, &at, &parts.headers),
        Method::DELETE => streamable::delete(&relay, &at, &parts.headers),
        _ => ApiError::method_not_allowed().into_response(),
    }
}

async fn events(
    State(relay): Shared,
    Path(name): Path<String>,
    Query(words): Words,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let server = server(&relay, &name)?;
    if !wants_events(&headers) {
        return Err(ApiError::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::NotAcceptable,
            "this route is an event stream: Accept must include text/event-stream",
        ));
    }
    // The announced address is seen from outside, with what this router was nested below.
    let prefix = uri.path().split("/servers/").next().unwrap_or_default();
    Ok(sse::open(
        &relay,
        &server,
        prefix,
        words.get("token").map(String::as_str),
    ))
}

async fn message(
    State(relay): Shared,
    Path(name): Path<String>,
    Query(words): Words,
    body: Body,
) -> Result<Response, ApiError> {
    let server = server(&relay, &name)?;
    Ok(sse::post(&relay, &server, &words, body).await)
}

async fn status(State(relay): Shared) -> Json<McpStatus> {
    Json(relay.status())
}

async fn servers(State(relay): Shared) -> Json<McpServerList> {
    Json(McpServerList {
        servers: relay
            .config
            .servers()
            .into_iter()
            .map(|(name, configured)| shown(name, &configured))
            .collect(),
        files: relay.config.files(),
    })
}

fn shown(name: String, configured: &Configured) -> McpServerShown {
    McpServerShown {
        name,
        source: configured.source,
        enabled: !configured.entry.disabled,
        entry: entry::shown(&configured.entry),
    }
}

async fn enter(
    State(relay): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<McpServerShown>, ApiError> {
    let invalid =
        |problem: String| ApiError::bad_request(format!("invalid server entry: {problem}"));
    let value: Value = serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    let form = entry_form::read(&value).map_err(|error| invalid(error.to_string()))?;
    relay.config.put(&name, form.entry).map_err(refusal)?;
    relay.apply();
    let servers = relay.config.servers();
    let configured = servers.get(&name).ok_or_else(|| no_server(&name))?;
    Ok(Json(shown(name, configured)))
}

async fn remove(
    State(relay): Shared,
    Path(name): Path<String>,
) -> Result<Json<McpRemoved>, ApiError> {
    server(&relay, &name)?;
    let removed = relay.config.remove(&name).map_err(refusal)?;
    let below = relay.config.servers().contains_key(&name);
    let (outcome, message) = match (removed, below) {
        (true, false) => (McpRemoval::Removed, format!("{name} was removed")),
        (true, true) => {
            let message =
                format!("the entry of {name} was removed; the one that it replaced is used again");
            (McpRemoval::Uncovered, message)
        }
        (false, _) => {
            relay.config.enable(&name, false).map_err(refusal)?;
            let message =
                format!("{name} is built in or defined in the repo: it was turned off instead");
            (McpRemoval::Disabled, message)
        }
    };
    relay.apply();
    Ok(Json(McpRemoved {
        status: CompletedWord::Completed,
        outcome,
        message,
    }))
}

const COMPLETED: Json<Completed> = Json(Completed {
    status: CompletedWord::Completed,
});

async fn restart(
    State(relay): Shared,
    Path(name): Path<String>,
) -> Result<Json<Completed>, ApiError> {
    let server = server(&relay, &name)?;
    relay.restart(&server).await.map_err(|error| {
        let (status, problem) = (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
        ApiError::new(status, ErrorCode::ServerNotReady, problem)
    })?;
    Ok(COMPLETED)
}

async fn enable(
    State(relay): Shared,
    Path(name): Path<String>,
) -> Result<Json<Completed>, ApiError> {
    relay.config.enable(&name, true).map_err(refusal)?;
    relay.apply();
    Ok(COMPLETED)
}

async fn disable(
    State(relay): Shared,
    Path(name): Path<String>,
) -> Result<Json<Completed>, ApiError> {
    relay.config.enable(&name, false).map_err(refusal)?;
    relay.apply();
    // Also where it was off before and something still runs.
    server(&relay, &name)?.order(Order::Halt);
    Ok(COMPLETED)
}

async fn traces(
    State(relay): Shared,
    Query(words): Words,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match words.get("after") {
        None => None,
        Some(text) => Some(
            text.parse::<u64>()
                .map_err(|_| ApiError::bad_request("after must be a number"))?,
        ),
    };
    let resumed = headers.get("last-event-id");
    let resumed = resumed.and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resumed.or(after).unwrap_or(0);
    let of = words.get("server").cloned();
    let accept = headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !accept.contains("text/event-stream") {
        return Ok(Json(relay.traces().after(after, of.as_deref())).into_response());
    }
    let state = (Arc::clone(&relay), relay.traces().last(), after, of);
    let events = stream::unfold(state, |(relay, mut last, mut after, of)| async move {
        loop {
            last.mark_unchanged();
            let page = relay.traces().after(after, of.as_deref());
            after = page.last;
            let mut chunk = Vec::new();
            for event in &page.events {
                let text = serde_json::to_vec(event).unwrap_or_default();
                let head = format!("event: trace\nid: {}\ndata: ", event.seq);
                chunk.extend_from_slice(head.as_bytes());
                chunk.extend_from_slice(&text);
                chunk.extend_from_slice(b"\n\n");
            }
            if !chunk.is_empty() {
                return Some((Bytes::from(chunk), (relay, last, after, of)));
            }
            match tokio::time::timeout(PING, last.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some((Bytes::from_static(b":\n\n"), (relay, last, after, of))),
            }
        }
    });
    Ok(reply::streamed(relay.until_the_end(events)))
}

fn no_server(name: &str) -> ApiError {
    ApiError::not_found(format!("MCP server {name:?} not found"))
}

fn refusal(error: ConfigError) -> ApiError {
    let (status, code) = match &error {
        ConfigError::Invalid(_) | ConfigError::NoFile => {
            (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest)
        }
        ConfigError::Unknown(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
        ConfigError::Broken { .. } => (StatusCode::CONFLICT, ErrorCode::BrokenFile),
        ConfigError::Unwritten { .. } => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
    };
    ApiError::new(status, code, error.to_string())
}
