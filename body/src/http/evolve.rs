//! Routes of evolve: what something inside asks for, and what an executor tells.

use axum::{Json, extract::State, http::StatusCode};
use wire::{
    body::{Change, Completed},
    error_code::ErrorCode,
    evolve::{
        EvolveClaim, EvolveLog, EvolveMachineStatus, EvolveQueue, EvolveReport, EvolveRunList,
        EvolveStarted, EvolveWish, ExecutorKind, StartedWord,
    },
    routes::AfterQuery,
};

use super::{
    Parts,
    error::ApiError,
    json::{Body, MaybeBody, Name, Params},
    kernels::COMPLETED,
};
use crate::evolve::{EvolveError, executor};

impl From<EvolveError> for ApiError {
    fn from(error: EvolveError) -> Self {
        let (status, code) = match error {
            EvolveError::Busy(_) => (StatusCode::CONFLICT, ErrorCode::EvolveInProgress),
            EvolveError::Taken => (StatusCode::CONFLICT, ErrorCode::EvolveTaken),
            EvolveError::GoesOn(_) => (StatusCode::CONFLICT, ErrorCode::EvolveInProgress),
            EvolveError::Over(_) => (StatusCode::CONFLICT, ErrorCode::EvolveOver),
            EvolveError::NothingWaits => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            EvolveError::Unknown(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            EvolveError::Disk(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::DiskFailed),
        };
        Self::new(status, code, error.to_string())
    }
}

/// `POST /evolve`.
pub async fn wish(
    State(parts): State<Parts>,
    MaybeBody(wish): MaybeBody<EvolveWish>,
) -> Result<Json<EvolveStarted>, ApiError> {
    let (run, message) = parts.evolve.wish(wish)?;
    let run_id = run.run_id;
    parts.changes.tell(|| Change::Evolve {
        run_id: run_id.clone(),
    });
    if parts.evolve.executor == ExecutorKind::Socket {
        executor::start(&parts.tasks, parts.stop.clone());
    }
    Ok(Json(EvolveStarted {
        status: StartedWord::Started,
        run_id,
        message,
    }))
}

/// `POST /evolve/cancel`.
pub async fn cancel(State(parts): State<Parts>) -> Result<Json<Completed>, ApiError> {
    let run_id = parts.evolve.cancel()?;
    parts.changes.tell(|| Change::Evolve { run_id });
    Ok(COMPLETED)
}

/// `GET /evolve/status`.
pub async fn status(State(parts): State<Parts>) -> Result<Json<EvolveMachineStatus>, ApiError> {
    Ok(Json(parts.evolve.status()?))
}

/// `GET /evolve/runs`.
pub async fn runs(State(parts): State<Parts>) -> Result<Json<EvolveRunList>, ApiError> {
    Ok(Json(EvolveRunList {
        runs: parts.evolve.runs()?,
    }))
}

/// `GET /evolve/runs/{id}/log`.
pub async fn log(
    State(parts): State<Parts>,
    Name(id): Name,
    Params(from): Params<AfterQuery>,
) -> Result<Json<EvolveLog>, ApiError> {
    Ok(Json(parts.evolve.log(&id, from.after)?))
}

/// `POST /evolve/claim`.
pub async fn claim(
    State(parts): State<Parts>,
    Body(claim): Body<EvolveClaim>,
) -> Result<Json<Completed>, ApiError> {
    parts.evolve.claim(&claim)?;
    Ok(COMPLETED)
}

/// `POST /evolve/runs/{id}/report`.
pub async fn report(
    State(parts): State<Parts>,
    Name(id): Name,
    Body(report): Body<EvolveReport>,
) -> Result<Json<Completed>, ApiError> {
    parts.evolve.report(&id, &report)?;
    parts.changes.tell(|| Change::Evolve { run_id: id });
    Ok(COMPLETED)
}

/// `POST /evolve/queue`.
pub async fn queue(State(parts): State<Parts>, Body(queue): Body<EvolveQueue>) -> Json<Completed> {
    parts.evolve.close_queue(queue.closed, queue.for_s);
    COMPLETED
}
