//! The server of this process, as the window's commands work with it, and the one of another process.

use std::net::SocketAddr;

use machine_client::{Client, ClientError, Request, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use super::{Refusal, Service};
use crate::serve::Running;

/// Largest answer of a command: a file's bytes in base64.
const ANSWER_BYTES: usize = 96 << 20;

/// The server of this process.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) service: Service,
    /// Where its API listens, if it has one.
    pub(crate) address: Option<SocketAddr>,
    /// Whether its API asks for a token.
    pub(crate) needs_token: bool,
}

impl Serving {
    /// The sandboxes of this process, or why there are none.
    pub(super) fn sandboxes(&self) -> Result<&sandbox::Sandboxes, Failure> {
        let refused = |Refusal { code, message, .. }| {
            Failure::new(FailureCode::Internal, "Sandboxes can't be used")
                .because(message)
                .refused(code)
        };
        self.service.sandboxes().map_err(refused)
    }
}

/// Nothing serves sandboxes.
pub(super) fn nobody_serves() -> Failure {
    Failure::new(FailureCode::NotRunning, "Sandboxes are turned off")
        .because("vivarium serve isn't running")
        .next(Advice::ServeSandboxes)
}

/// Whether a command failed for that reason.
pub(super) fn is_nobody(failure: &Failure) -> bool {
    failure.next.as_deref() == Some(&Advice::ServeSandboxes)
}

/// Has the server of another process carry out a command.
///
/// # Errors
/// What that server answers; [`nobody_serves`] if it is gone.
pub(super) async fn forward<Q: Serialize, A: DeserializeOwned>(
    running: &Running,
    command: &str,
    request: &Q,
) -> Result<A, Failure> {
    let strange = |error: &dyn std::fmt::Display| {
        Failure::new(
            FailureCode::Internal,
            "Unexpected response from vivarium serve",
        )
        .because(error.to_string())
    };
    let client = Client::tcp(running.port, Some(running.token.reveal()));
    let client = client.map_err(|error| strange(&error))?;
    let body = serde_json::to_vec(request).map_err(|error| strange(&error))?;
    let path = format!("/rpc/{command}");
    let answer = match client.send(Request::post(&path, body)).await {
        Err(ClientError::Connect { .. }) => return Err(nobody_serves()),
        answer => answer.map_err(|error| strange(&error))?,
    };
    let status = answer.status();
    // Whatever listens there now, it isn't the server that left its token.
    if status == StatusCode::UNAUTHORIZED {
        return Err(nobody_serves());
    }
    let text = answer.bytes_up_to(ANSWER_BYTES).await;
    let text = text.map_err(|error| strange(&error))?;
    if status.is_success() {
        return machine_client::json::from_slice(&text).map_err(|error| strange(&error));
    }
    let told = serde_json::from_slice::<Failure>(&text);
    Err(told.unwrap_or_else(|_| strange(&status)))
}
