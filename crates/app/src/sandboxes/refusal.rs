//! Why a request about a sandbox is refused, as the kernel API words it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox::{FileErrorKind, SandboxError};
use serde::Serialize;
use wire::{
    advice::Advice,
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
    kernel::{ErrorAnswer, ErrorBody},
};

/// Seconds after which a client may try again.
const AGAIN_S: u64 = 1;

/// A request that is refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: ErrorCode,
    /// One sentence for a person.
    pub(crate) message: String,
}

/// Its body. `detail` is what clients of the old sandbox manager read of a 404.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    answer: ErrorAnswer,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            ErrorCode::NotSupported,
            message,
        )
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            message,
        )
    }

    /// A token that doesn't have the scope.
    pub(crate) fn forbidden(failure: Failure) -> Self {
        let code = ErrorCode::InsufficientScope;
        Self::new(StatusCode::FORBIDDEN, code, sentence(failure))
    }

    /// Work that failed, in its own words.
    pub(crate) fn failed(failure: Failure) -> Self {
        let (status, code) = match failure.code {
            FailureCode::NotFound => (StatusCode::NOT_FOUND, ErrorCode::ImageMissing),
            FailureCode::EngineMissing | FailureCode::EngineDenied => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
        };
        Self::new(status, code, sentence(failure))
    }

    /// Whether the same request may work in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    }

    /// How long to wait before the next try.
    pub(crate) fn retry_after() -> HeaderValue {
        HeaderValue::from(AGAIN_S)
    }

    /// Told once, where it is answered: what is at fault here, never what a client did wrong.
    pub(crate) fn log(&self, request_id: &str) {
        if self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED {
            tracing::warn!(request_id, code = %self.code, "a request failed: {}", self.message);
        }
    }
}

/// What failed, and why, and what to do, as one text.
fn sentence(failure: Failure) -> String {
    let Failure {
        message,
        cause,
        next,
        ..
    } = failure;
    let mut text = message;
    if let Some(cause) = cause {
        text += ": ";
        text += &cause;
    }
    if let Some(next) = next.as_deref().and_then(advice) {
        text += ". ";
        text += next;
    }
    text
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.status {
            StatusCode::NOT_FOUND => FailureCode::NotFound,
            status if status.is_server_error() => FailureCode::Internal,
            _ => FailureCode::Invalid,
        };
        Self::new(code, refusal.message).refused(refusal.code)
    }
}

/// What the caller of the API can do.
fn advice(next: &Advice) -> Option<&str> {
    Some(match next {
        Advice::GetSandboxImage { .. } => {
            "Check the image's name, or build or pull it on the computer that serves sandboxes."
        }
        Advice::RemoveSandboxes => {
            "Remove sandboxes that nobody uses, or raise the limit in the settings."
        }
        Advice::ResumeSandbox => "Resume the sandbox first.",
        Advice::CreateSandbox => "Create another one.",
        Advice::CheckEngine | Advice::StartEngine { .. } => {
            "Check that the container engine is running."
        }
        Advice::Text { text } => text,
        // What there is to do is for the computer's owner, who is told by the command line.
        _ => return None,
    })
}

impl From<SandboxError> for Refusal {
    fn from(error: SandboxError) -> Self {
        use SandboxError as E;
        let (status, code) = match &error {
            E::NotFound(_) | E::Ended { .. } | E::ExecNotFound(_) | E::ContextNotFound(_) => {
                (StatusCode::NOT_FOUND, ErrorCode::NotFound)
            }
            E::Lost { .. } => (StatusCode::GONE, ErrorCode::SandboxLost),
            E::Paused(_) => (StatusCode::CONFLICT, ErrorCode::SandboxPaused),
            E::Full { .. } => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManySandboxes),
            E::Invalid { .. } | E::ExecFailed { .. } => {
                (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest)
            }
            E::ImageMissing { .. } => (StatusCode::NOT_FOUND, ErrorCode::ImageMissing),
            E::NotSupported { .. } => (StatusCode::NOT_IMPLEMENTED, ErrorCode::NotSupported),
            E::ExecClosed(_) => (StatusCode::CONFLICT, ErrorCode::NoInputWanted),
            E::File { kind, .. } => of_file(*kind),
            E::Kernel { .. } => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::KernelFailed),
            E::Session { .. } | E::Engine(_) | E::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            E::Store { .. } => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::DiskFailed),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
        };
        Self::new(status, code, sentence(error.into()))
    }
}

/// Status and code of a failure of a file.
pub(crate) fn of_file(kind: FileErrorKind) -> (StatusCode, ErrorCode) {
    match kind {
        FileErrorKind::NotFound => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
        FileErrorKind::Exists => (StatusCode::CONFLICT, ErrorCode::FileExists),
        FileErrorKind::WrongKind => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest),
        FileErrorKind::Outside | FileErrorKind::Denied => {
            (StatusCode::FORBIDDEN, ErrorCode::FileDenied)
        }
        FileErrorKind::Full => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull),
        FileErrorKind::Other => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::DiskFailed),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let request_id = ulid::Ulid::generate().to_string();
        self.log(&request_id);
        let detail = (self.status == StatusCode::NOT_FOUND).then(|| self.message.clone());
        let again = self
            .is_passing()
            .then(|| [(header::RETRY_AFTER, Self::retry_after())]);
        let (code, message) = (self.code, self.message);
        let answer = ErrorAnswer {
            error: ErrorBody { code, message },
            request_id,
        };
        let body = Json(Answer { answer, detail });
        match again {
            Some(again) => (self.status, again, body).into_response(),
            None => (self.status, body).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn body(refusal: Refusal) -> (Response, Value) {
        let mut response = refusal.into_response();
        let body = std::mem::take(response.body_mut());
        let bytes = axum::body::to_bytes(body, 1 << 16).await.unwrap();
        (response, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn what_is_not_there_has_a_detail_for_the_old_client() {
        let error = SandboxError::NotFound("i1".parse().unwrap());
        let (response, body) = body(error.into()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(body["error"]["code"], "not_found");
        assert_eq!(body["detail"], body["error"]["message"]);
        assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    }

    #[tokio::test]
    async fn who_may_try_again_is_told_when() {
        let (response, answer) = body(SandboxError::Full { limit: 3 }.into()).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(answer["error"]["code"], "too_many_sandboxes");
        assert!(answer.get("detail").is_none());
        let (response, _) = body(SandboxError::Paused("i1".parse().unwrap()).into()).await;
        assert_eq!(response.status(), 409);
        assert!(response.headers().get(header::RETRY_AFTER).is_none());
    }
}
