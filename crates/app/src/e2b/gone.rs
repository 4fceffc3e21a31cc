//! Failures of calls to a sandbox: one that isn't there any more is told in the words by which these
//! clients know it, everything else as Connect's errors.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox::{FileErrorKind, SandboxError};
use serde_json::json;

use super::connect::{self, Code, ConnectError};
use crate::sandboxes::Refusal;

/// What these clients look for: a sandbox that ended, was removed, or is paused.
pub(super) const NOT_FOUND: &str = "The sandbox was not found";
/// What they look for if nothing listens there.
const NOT_OPEN: &str = "The sandbox is running but port is not open";

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// The sandbox isn't there.
    Gone,
    Connect(ConnectError),
}

impl CallError {
    /// As the answer to a stream.
    pub(super) fn into_stream(self) -> Response {
        match self {
            Self::Gone => gone(),
            Self::Connect(error) => connect::failed_stream(&error),
        }
    }
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        match self {
            Self::Gone => gone(),
            Self::Connect(error) => error.into_response(),
        }
    }
}

impl From<ConnectError> for CallError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<SandboxError> for CallError {
    fn from(error: SandboxError) -> Self {
        use SandboxError as E;
        let code = match &error {
            E::NotFound(_) | E::Ended { .. } | E::Lost { .. } | E::Paused(_) => {
                return Self::Gone;
            }
            E::File { kind, .. } => of_file(*kind),
            E::ExecNotFound(_) | E::ExecClosed(_) | E::ContextNotFound(_) => Code::NotFound,
            E::Invalid { .. } | E::ExecFailed { .. } => Code::InvalidArgument,
            E::NotSupported { .. } => Code::Unimplemented,
            E::Full { .. } => Code::ResourceExhausted,
            E::Session { .. } | E::Engine(_) | E::Stopping => Code::Unavailable,
            _ => Code::Internal,
        };
        Self::Connect(ConnectError::new(code, error.to_string()))
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::Connect(ConnectError::new(Code::Unavailable, refusal.message))
    }
}

fn of_file(kind: FileErrorKind) -> Code {
    match kind {
        // These clients see all files of a sandbox at home, and ask whether one is there.
        FileErrorKind::NotFound | FileErrorKind::Outside => Code::NotFound,
        FileErrorKind::Exists => Code::AlreadyExists,
        FileErrorKind::WrongKind => Code::InvalidArgument,
        FileErrorKind::Denied => Code::PermissionDenied,
        FileErrorKind::Full => Code::ResourceExhausted,
        FileErrorKind::Other => Code::Internal,
    }
}

/// A plain route's failure, whose clients read a number and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PlainError {
    /// The sandbox isn't there.
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for PlainError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SandboxError> for PlainError {
    fn from(error: SandboxError) -> Self {
        Self::Refused(error.into())
    }
}

impl IntoResponse for PlainError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Gone => return gone(),
            Self::Refused(refusal) => refusal,
        };
        refusal.log("e2b");
        let body = json!({ "code": refusal.status.as_u16(), "message": refusal.message });
        let again = (header::RETRY_AFTER, Refusal::retry_after());
        match refusal.is_passing() {
            true => (refusal.status, [again], Json(body)).into_response(),
            false => (refusal.status, Json(body)).into_response(),
        }
    }
}

/// A failure of a plain route of one sandbox.
pub(super) fn plain(error: SandboxError) -> PlainError {
    use SandboxError as E;
    match error {
        E::NotFound(_) | E::Ended { .. } | E::Lost { .. } | E::Paused(_) => PlainError::Gone,
        E::File {
            kind: FileErrorKind::Outside,
            ..
        } => Refusal::not_found(error.to_string()).into(),
        error => error.into(),
    }
}

/// A sandbox that isn't there.
pub(super) fn gone() -> Response {
    let body = Json(json!({ "code": 502, "message": NOT_FOUND }));
    (StatusCode::BAD_GATEWAY, body).into_response()
}

/// A port on which nothing of ours listens.
pub(super) fn not_open(port: &str) -> Response {
    let port = port.parse::<u16>().ok();
    let body = Json(json!({ "code": 502, "message": NOT_OPEN, "port": port }));
    (StatusCode::BAD_GATEWAY, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_is_gone_is_one_answer_whatever_ended_it() {
        let id: wire::sandbox::SandboxId = "i1".parse().unwrap();
        for error in [
            SandboxError::NotFound(id.clone()),
            SandboxError::Paused(id.clone()),
            SandboxError::Ended {
                id: id.clone(),
                reason: "it expired".into(),
            },
            SandboxError::Lost {
                id,
                reason: "removed".into(),
            },
        ] {
            let answer = CallError::from(error).into_stream();
            assert_eq!(answer.status(), 502);
        }
        let file = |kind| {
            let error = SandboxError::File {
                path: "/tmp/a".into(),
                kind,
                reason: "no".into(),
            };
            CallError::from(error)
        };
        let code = |error| match error {
            CallError::Connect(error) => Some(error.code),
            CallError::Gone => None,
        };
        assert_eq!(code(file(FileErrorKind::NotFound)), Some(Code::NotFound));
        assert_eq!(code(file(FileErrorKind::Outside)), Some(Code::NotFound));
        // A command that has ended can't be killed: `kill` answers that it wasn't there.
        assert_eq!(
            code(SandboxError::ExecClosed("e".into()).into()),
            Some(Code::NotFound)
        );
    }
}
