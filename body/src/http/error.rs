//! The one shape of every error: `{"error": {code, message}, request_id}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use wire::{
    error_code::ErrorCode,
    kernel::{ErrorAnswer, ErrorBody},
};

/// An error as a client sees it.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message)
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::MethodNotAllowed,
            "method not allowed for this route",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = ulid::Ulid::generate().to_string();
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id, code = %self.code, "{}", self.message);
        }
        let body = ErrorAnswer {
            error: ErrorBody {
                code: self.code,
                message: self.message,
            },
            request_id,
        };
        (self.status, Json(body)).into_response()
    }
}
