//! Why a request about tasks is refused.

use axum::http::StatusCode;
use tasks::TaskError;
use wire::error_code::ErrorCode;

use crate::sandboxes::Refusal;

impl From<TaskError> for Refusal {
    fn from(error: TaskError) -> Self {
        use TaskError as E;
        let (status, code) = match &error {
            E::NotFound(_)
            | E::QueueNotFound(_)
            | E::WorkerNotFound(_)
            | E::ScheduleNotFound(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            E::Invalid { .. } => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
            E::NotSupported { .. } => (StatusCode::NOT_IMPLEMENTED, ErrorCode::NotSupported),
            E::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::QueueFull),
            E::Ended { .. } | E::NotFailed { .. } | E::LeaseEnded { .. } => {
                (StatusCode::CONFLICT, ErrorCode::TaskState)
            }
            E::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull),
            E::Newer { .. } | E::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::DiskFailed),
        };
        Self::new(status, code, error.to_string())
    }
}
