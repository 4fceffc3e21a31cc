//! Routes about the machine itself.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{Parts, error::ApiError};

/// `GET /ping`: `ok` only when the main kernel takes cells.
pub async fn ping(State(parts): State<Parts>) -> Result<Json<Value>, ApiError> {
    if parts.kernel.is_ready() {
        Ok(Json(json!({"status": "ok", "version": wire::VERSION})))
    } else {
        let message = "the main kernel does not take cells yet";
        Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "kernel_starting",
            message,
        ))
    }
}

/// `GET /status`.
pub async fn status(State(parts): State<Parts>) -> Json<Value> {
    let asked = tokio::time::timeout(Duration::from_secs(1), parts.kernel.status()).await;
    let status = asked.ok().flatten();
    Json(json!({
        "exec_count": status.as_ref().map_or(0, |status| status.exec_count),
        "globals_count": status.as_ref().map_or(0, |status| status.globals_count),
        "busy": parts.kernel.is_busy(),
        "ready": parts.kernel.is_ready(),
        "version": wire::VERSION,
    }))
}

/// `GET /services`.
pub async fn services(State(parts): State<Parts>) -> Json<Value> {
    Json(json!({ "services": parts.keeper.status() }))
}
