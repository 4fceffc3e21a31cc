//! Routes of jobs, and who owns what a request begins.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request,
};
use wire::{
    body::Completed,
    job::{JobList, JobLog, JobOwner},
    routes::AfterQuery,
};

use super::{
    Parts,
    error::ApiError,
    json::{Name, Params},
    kernels::COMPLETED,
};
use crate::jobs;

/// Who asks: what the access rules found out. Without them the request comes from inside.
pub struct Owner(pub JobOwner);

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, Infallible> {
        let owner = parts.extensions.get::<JobOwner>();
        Ok(Self(owner.cloned().unwrap_or_default()))
    }
}

/// `GET /jobs`.
pub async fn list(State(parts): State<Parts>) -> Json<JobList> {
    let now_ms = parts.keeper.clock().unix_ms();
    Json(jobs::list(
        &parts.kernels,
        &parts.shell,
        &parts.terminals,
        now_ms,
    ))
}

/// `DELETE /jobs/{id}`.
pub async fn cancel(
    State(parts): State<Parts>,
    Name(id): Name,
) -> Result<Json<Completed>, ApiError> {
    if jobs::cancel(&parts.kernels, &parts.shell, &parts.terminals, &id).await {
        Ok(COMPLETED)
    } else {
        Err(not_found(&id))
    }
}

/// `GET /jobs/{id}/log?after=N`.
pub async fn log(
    State(parts): State<Parts>,
    Name(id): Name,
    Params(after): Params<AfterQuery>,
) -> Result<Json<JobLog>, ApiError> {
    let log = jobs::log(&parts.kernels, &id, after.after);
    log.map(Json).ok_or_else(|| not_found(&id))
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("job {id:?} not found, or it is over"))
}
