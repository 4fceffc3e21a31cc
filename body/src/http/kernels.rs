//! Routes of kernels as a whole: which there are, what can be asked of one, a new process.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::body::{
    CompleteAnswer, Completed, CompletedWord, CursorRequest, InspectAnswer, KernelChoice,
    KernelList, KernelShown, NewKernel, VariablesAnswer,
};
use wire::error_code::ErrorCode;

use super::{
    Parts,
    error::ApiError,
    json::{Body, MaybeBody, Name, Params},
};
use crate::kernel::{AskError, Kernel, KernelError, MAIN, NotQueued};

/// How long a kernel may take to answer what is asked past its queue. C code that holds Python's
/// lock can hold it up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a kernel may take to start.
const START: Duration = Duration::from_secs(30);

/// It was done.
pub const COMPLETED: Json<Completed> = Json(Completed {
    status: CompletedWord::Completed,
});

impl From<KernelError> for ApiError {
    fn from(error: KernelError) -> Self {
        let (status, code) = match error {
            KernelError::Unknown(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            KernelError::BadName(_) => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
            KernelError::Exists(_) => (StatusCode::CONFLICT, ErrorCode::KernelExists),
            KernelError::Main => (StatusCode::CONFLICT, ErrorCode::KernelIsMain),
            KernelError::TooMany => (StatusCode::CONFLICT, ErrorCode::TooManyKernels),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<NotQueued> for ApiError {
    fn from(error: NotQueued) -> Self {
        let code = match error {
            NotQueued::Full { .. } => ErrorCode::QueueFull,
            NotQueued::Silent(_) => ErrorCode::KernelUnresponsive,
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string())
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Gone => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::KernelDied,
                error.to_string(),
            ),
            AskError::Failed(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                ErrorCode::KernelFailed,
                error.to_string(),
            ),
        }
    }
}

/// `GET /kernels`.
pub async fn list(State(parts): State<Parts>) -> Json<KernelList> {
    Json(KernelList {
        kernels: parts.kernels.shown(),
    })
}

/// `POST /kernels`.
pub async fn start(
    State(parts): State<Parts>,
    Body(request): Body<NewKernel>,
) -> Result<Json<KernelShown>, ApiError> {
    let kernel = parts.kernels.start(&request.name)?;
    // One that starts too slowly is there all the same, and says so.
    let _ = tokio::time::timeout(START, kernel.ready(None)).await;
    Ok(Json(kernel.shown()))
}

/// `DELETE /kernels/{name}`.
pub async fn end(
    State(parts): State<Parts>,
    Name(name): Name,
) -> Result<Json<Completed>, ApiError> {
    parts.kernels.end(&name).await?;
    Ok(COMPLETED)
}

/// `POST /interrupt`.
pub async fn interrupt(
    State(parts): State<Parts>,
    MaybeBody(choice): MaybeBody<KernelChoice>,
) -> Result<Json<Completed>, ApiError> {
    chosen(&parts, &choice)?.interrupt().await;
    Ok(COMPLETED)
}

/// `POST /reset`.
pub async fn reset(
    State(parts): State<Parts>,
    MaybeBody(choice): MaybeBody<KernelChoice>,
) -> Result<Json<Completed>, ApiError> {
    chosen(&parts, &choice)?.job("reset", Value::Null).await?;
    Ok(COMPLETED)
}

/// `POST /restart`.
pub async fn restart(
    State(parts): State<Parts>,
    MaybeBody(choice): MaybeBody<KernelChoice>,
) -> Result<Json<Completed>, ApiError> {
    let name = choice.kernel.as_deref().unwrap_or(MAIN);
    let restarted = tokio::time::timeout(START, parts.kernels.restart(name)).await;
    restarted.map_err(|_| {
        let message = "the new process is not accepting cells yet; see GET /services/{name}/logs";
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::KernelStarting,
            message,
        )
    })??;
    Ok(COMPLETED)
}

/// `POST /complete`.
pub async fn complete(
    State(parts): State<Parts>,
    Body(request): Body<CursorRequest>,
) -> Result<Json<CompleteAnswer>, ApiError> {
    let arguments = json!({"code": request.code, "cursor_pos": request.cursor_pos});
    let kernel = parts.kernels.get(request.kernel.as_deref())?;
    asked(&kernel, "complete", arguments).await
}

/// `POST /inspect`.
pub async fn inspect(
    State(parts): State<Parts>,
    Body(request): Body<CursorRequest>,
) -> Result<Json<InspectAnswer>, ApiError> {
    let arguments = json!({
        "code": request.code, "cursor_pos": request.cursor_pos, "detail_level": request.detail_level,
    });
    let kernel = parts.kernels.get(request.kernel.as_deref())?;
    asked(&kernel, "inspect", arguments).await
}

/// `GET /variables`.
pub async fn variables(
    State(parts): State<Parts>,
    Params(choice): Params<KernelChoice>,
) -> Result<Json<VariablesAnswer>, ApiError> {
    asked(&*chosen(&parts, &choice)?, "variables", Value::Null).await
}

/// What a kernel answers past its queue, as the type that it is of.
pub async fn asked<T: DeserializeOwned>(
    kernel: &Kernel,
    what: &'static str,
    arguments: Value,
) -> Result<Json<T>, ApiError> {
    let answer = tokio::time::timeout(PATIENCE, kernel.ask(what, arguments)).await;
    let value = answer.map_err(|_| {
        let message = "the kernel is busy and not responding";
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::KernelBusy,
            message,
        )
    })??;
    read(value)
}

/// What a worker answered, as the type that it is of.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<Json<T>, ApiError> {
    serde_json::from_value(value).map(Json).map_err(|error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            format!("the kernel's response can't be read: {error}"),
        )
    })
}

/// The kernel that a request names.
pub fn chosen(parts: &Parts, choice: &KernelChoice) -> Result<Arc<Kernel>, KernelError> {
    parts.kernels.get(choice.kernel.as_deref())
}
