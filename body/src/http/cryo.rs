//! Routes of snapshots.

use axum::{Json, extract::State, http::StatusCode};
use wire::body::{
    Change, Completed, CryoReloaded, CryoRequest, CryoStored, Snapshot, SnapshotList,
};
use wire::error_code::ErrorCode;

use super::{
    Parts,
    error::ApiError,
    json::{MaybeBody, Name},
    kernels::{COMPLETED, read},
};
use crate::cryo::CryoError;

impl From<CryoError> for ApiError {
    fn from(error: CryoError) -> Self {
        let (status, code) = match error {
            CryoError::Kernel(error) => return error.into(),
            CryoError::Unknown(_) | CryoError::None => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            CryoError::BadName(_) => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
            CryoError::Damaged { .. } => (StatusCode::CONFLICT, ErrorCode::SnapshotDamaged),
            CryoError::Disk(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::DiskFailed),
            CryoError::Full => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull),
        };
        Self::new(status, code, error.to_string())
    }
}

/// Goes on where the client goes away: so does the worker. The handler awaits it; without one it ends
/// with the job, which the kernel's end answers too.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    // It ends otherwise by a panic alone, which is in the log.
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(CryoError::Disk(std::io::Error::other(error)).into()))
}

/// `POST /cryo/store`.
pub async fn store(
    State(parts): State<Parts>,
    MaybeBody(request): MaybeBody<CryoRequest>,
) -> Result<Json<CryoStored>, ApiError> {
    let kernel = parts.kernels.get(request.kernel.as_deref())?;
    to_its_end(async move {
        let Json(stored) = read::<CryoStored>(parts.cryo.store(&kernel, request.name).await?)?;
        parts.changes.tell(|| Change::Cryo {
            name: stored.name.clone(),
        });
        Ok(Json(stored))
    })
    .await
}

/// `POST /cryo/reload`.
pub async fn reload(
    State(parts): State<Parts>,
    MaybeBody(request): MaybeBody<CryoRequest>,
) -> Result<Json<CryoReloaded>, ApiError> {
    let kernel = parts.kernels.get(request.kernel.as_deref())?;
    to_its_end(async move { read(parts.cryo.reload(&kernel, request.name).await?) }).await
}

/// `GET /cryo`.
pub async fn list(State(parts): State<Parts>) -> Result<Json<SnapshotList>, ApiError> {
    Ok(Json(SnapshotList {
        snapshots: parts.cryo.list()?,
    }))
}

/// `GET /cryo/{name}`.
pub async fn one(State(parts): State<Parts>, Name(name): Name) -> Result<Json<Snapshot>, ApiError> {
    Ok(Json(parts.cryo.one(&name)?))
}

/// `DELETE /cryo/{name}`.
pub async fn remove(
    State(parts): State<Parts>,
    Name(name): Name,
) -> Result<Json<Completed>, ApiError> {
    parts.cryo.remove(&name).await?;
    parts.changes.tell(|| Change::Cryo { name });
    Ok(COMPLETED)
}
