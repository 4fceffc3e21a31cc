//! Routes of calls for sandboxes: what the MCP server `sandbox` puts, and what a host takes and answers.

use axum::{Json, extract::State, http::StatusCode};
use wire::{
    body::Completed,
    error_code::ErrorCode,
    sandbox_call::{
        SandboxAnswer, SandboxCall, SandboxCallAnswer, SandboxCallHost, SandboxCallList,
    },
};

use super::{
    Parts,
    error::ApiError,
    json::{Body, Name},
    kernels::COMPLETED,
};
use crate::sandboxes::calls::CallError;

/// The longest name of a host.
const HOST_BYTES: usize = 64;

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let (status, code) = match error {
            CallError::NoHost | CallError::HostGone => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::NoSandboxHost)
            }
            CallError::TooLong(_) => (StatusCode::GATEWAY_TIMEOUT, ErrorCode::Unavailable),
            CallError::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TooManySandboxCalls,
            ),
            CallError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge),
            CallError::NotFound(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            CallError::Taken => (StatusCode::CONFLICT, ErrorCode::SandboxCallTaken),
            CallError::Unreadable(_) => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
        };
        Self::new(status, code, error.to_string())
    }
}

/// `POST /sandbox/calls`. A caller that goes away takes its call back.
pub async fn put(
    State(parts): State<Parts>,
    Body(call): Body<SandboxCall>,
) -> Result<Json<SandboxAnswer>, ApiError> {
    tokio::select! {
        answered = parts.sandbox_calls.put(call) => Ok(Json(answered?)),
        () = parts.stop.cancelled() => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            "the machine's supervisor is stopping, so the call was cancelled",
        )),
    }
}

/// `GET /sandbox/calls`.
pub async fn list(State(parts): State<Parts>) -> Json<SandboxCallList> {
    Json(parts.sandbox_calls.list())
}

/// `POST /sandbox/calls/{id}/take`.
pub async fn take(
    State(parts): State<Parts>,
    Name(id): Name,
    Body(host): Body<SandboxCallHost>,
) -> Result<Json<SandboxCall>, ApiError> {
    let call = parts.sandbox_calls.take(&id, name(&host.host)?)?;
    Ok(Json(SandboxCall::clone(&call)))
}

/// `POST /sandbox/calls/{id}/keep`.
pub async fn keep(
    State(parts): State<Parts>,
    Name(id): Name,
    Body(host): Body<SandboxCallHost>,
) -> Result<Json<Completed>, ApiError> {
    parts.sandbox_calls.keep(&id, name(&host.host)?)?;
    Ok(COMPLETED)
}

/// `POST /sandbox/calls/{id}/answer`.
pub async fn answer(
    State(parts): State<Parts>,
    Name(id): Name,
    Body(answer): Body<SandboxCallAnswer>,
) -> Result<Json<Completed>, ApiError> {
    parts.sandbox_calls.answer(&id, answer)?;
    Ok(COMPLETED)
}

/// The name of a host, which is kept as long as it works on a call.
fn name(host: &str) -> Result<&str, ApiError> {
    if (1..=HOST_BYTES).contains(&host.len()) {
        return Ok(host);
    }
    let message = format!("invalid host: 1 to {HOST_BYTES} bytes are expected");
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        ErrorCode::InvalidRequest,
        message,
    ))
}
