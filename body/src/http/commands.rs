//! Routes of the shell.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use wire::{
    body::{CdAnswer, CdRequest, Completed, CompletedWord, EnvRequest},
    error_code::ErrorCode,
    kernel::{ShellAnswer, ShellRequest},
};

use super::{
    Parts,
    cells::{limit, named, wants_stream},
    error::ApiError,
    jobs::Owner,
    json::Body,
    kernels::COMPLETED,
};
use crate::shell::{ShellError, ShellOutput};

impl From<ShellError> for ApiError {
    fn from(error: ShellError) -> Self {
        match error {
            ShellError::NoFolder(_) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::NoSuchFolder,
                error.to_string(),
            ),
            ShellError::BadName(_)
            | ShellError::ZeroByte
            | ShellError::NoProgram
            | ShellError::ZeroByteOf(_)
            | ShellError::TooLong
            | ShellError::LongVariable
            | ShellError::LargeEnv(_) => Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidRequest,
                error.to_string(),
            ),
            ShellError::FolderGone(_) => Self::new(
                StatusCode::CONFLICT,
                ErrorCode::NoSuchFolder,
                error.to_string(),
            ),
            ShellError::Start(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::ShellNotStarted,
                error.to_string(),
            ),
        }
    }
}

/// `POST /shell`.
pub async fn run(
    State(parts): State<Parts>,
    Owner(owner): Owner,
    headers: HeaderMap,
    Body(request): Body<ShellRequest>,
) -> Result<Response, ApiError> {
    let limit = limit(request.timeout_s)?;
    if !wants_stream(&headers) {
        let running = parts.shell.run_for(owner, request.command, limit, None);
        return Ok(Json(running.await?).into_response());
    }
    let (sink, pieces) = mpsc::channel(64);
    let (done, answer) = oneshot::channel();
    let shell = parts.shell.clone();
    parts.tasks.spawn(async move {
        let mut done = done;
        tokio::select! {
            // The client went away: the command ends with its stream.
            () = done.closed() => {}
            answer = shell.run_for(owner, request.command, limit, Some(sink)) => { let _ = done.send(answer); }
        }
    });
    Ok(stream_of(pieces, answer).into_response())
}

type Answer = oneshot::Receiver<Result<ShellAnswer, ShellError>>;

fn stream_of(pieces: mpsc::Receiver<ShellOutput>, answer: Answer) -> impl IntoResponse {
    let events = stream::unfold(
        (pieces, Some(answer), 0_u64),
        |(mut pieces, answer, seq)| async move {
            let answer = answer?;
            if let Some(piece) = pieces.recv().await {
                return Some((
                    named("output", Some(seq + 1), &piece),
                    (pieces, Some(answer), seq + 1),
                ));
            }
            let event = match answer.await {
                Ok(Ok(answer)) => named("done", None, &answer),
                Ok(Err(error)) => named("error", None, &json!({"message": error.to_string()})),
                Err(_) => named(
                    "error",
                    None,
                    &json!({"message": "the machine is shutting down"}),
                ),
            };
            Some((event, (pieces, None, seq)))
        },
    );
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// `POST /shell/cd`.
pub async fn cd(
    State(parts): State<Parts>,
    Body(request): Body<CdRequest>,
) -> Result<Json<CdAnswer>, ApiError> {
    let path = parts.shell.context.cd(&request.path)?;
    Ok(Json(CdAnswer {
        status: CompletedWord::Completed,
        cwd: path.display().to_string(),
    }))
}

/// `POST /shell/env`.
pub async fn env(
    State(parts): State<Parts>,
    Body(request): Body<EnvRequest>,
) -> Result<Json<Completed>, ApiError> {
    parts.shell.context.set(&request.key, &request.value)?;
    Ok(COMPLETED)
}
