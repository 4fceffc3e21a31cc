//! The machine's own API, as its client: questions and answers in JSON.

use std::time::Duration;

use bytes::Bytes;
use machine_client::{
    ANSWER_BYTES, ClientError, Method, Refusal, RouteCall, StatusCode,
    json::{self, JsonError},
};
use serde::de::DeserializeOwned;
use wire::{
    advice::Advice,
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
    routes::Route,
};

use crate::{MachineHandle, endpoint::ApiCall};

impl MachineHandle {
    /// Calls a route of the machine's API.
    ///
    /// # Errors
    /// The machine's refusal, or what kept it from answering; a GET also after [`LOOK`].
    pub(crate) async fn call<R: Route>(
        &self,
        names: impl Into<R::Names>,
        request: &R::Request,
    ) -> Result<R::Answer, Failure>
    where
        R::Answer: DeserializeOwned,
    {
        let call = RouteCall::<R>::new(names, request).map_err(failed)?;
        self.ask(ApiCall::of(&call)).await
    }

    /// Calls a route with a query, for an answer of so many bytes at most.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn call_up_to<R: Route>(
        &self,
        limit_bytes: usize,
        call: &RouteCall<R>,
    ) -> Result<R::Answer, Failure>
    where
        R::Answer: DeserializeOwned,
    {
        self.ask_up_to(limit_bytes, ApiCall::of(call)).await
    }

    /// Calls a route for a text of so many bytes at most, read by the caller.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn text_up_to<R: Route>(
        &self,
        limit_bytes: usize,
        call: &RouteCall<R>,
    ) -> Result<Bytes, Failure> {
        let asked = async {
            let answer = self.inner.endpoints.send(&ApiCall::of(call)).await?;
            answer.bytes_up_to(limit_bytes).await.map_err(failed)
        };
        within(LOOK, asked).await
    }

    /// One question at one of the machine's APIs.
    ///
    /// # Errors
    /// The machine's refusal, or what kept it from answering; a GET also after [`LOOK`].
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: ApiCall<'_>) -> Result<T, Failure> {
        let limit_bytes = if call.method == Method::GET {
            LOOK_BYTES
        } else {
            ANSWER_BYTES
        };
        self.ask_up_to(limit_bytes, call).await
    }

    async fn ask_up_to<T: DeserializeOwned>(
        &self,
        limit_bytes: usize,
        call: ApiCall<'_>,
    ) -> Result<T, Failure> {
        let asked = async {
            let answer = self.inner.endpoints.send(&call).await?;
            read(&answer.bytes_up_to(limit_bytes).await.map_err(failed)?)
        };
        if call.method == Method::GET {
            within(LOOK, asked).await
        } else {
            asked.await
        }
    }
}

/// How long a look at something may take: it is answered from memory, or something is wrong. What
/// changes things takes as long as it takes.
const LOOK: Duration = Duration::from_secs(20);

/// The most that a look at something answers, unless the caller expects more: what the machine sends
/// is in memory as text and as values.
pub(crate) const LOOK_BYTES: usize = 32 << 20;

/// What was asked, or that the machine was silent for so long.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answered = tokio::time::timeout(limit, asked).await;
    answered.unwrap_or_else(|_| Err(silent(limit)))
}

fn silent(limit: Duration) -> Failure {
    Failure::new(FailureCode::Unhealthy, "The machine is not responding")
        .because(format!("no response within {} s", limit.as_secs()))
        .next(Advice::CheckServices)
}

/// What a failed request means to a person.
pub(crate) fn failed(error: ClientError) -> Failure {
    let code = match error {
        ClientError::Refused(refusal) => return refused(*refusal),
        ClientError::Json(error) => return unreadable(error),
        ClientError::TooLarge { .. } | ClientError::EventTooLarge(_) => return too_large(&error),
        // No answer, or half of one: nobody listens, or who did is gone. Both are what a machine that
        // is being stopped looks like; only an answer that isn't HTTP is none of it.
        ClientError::Connect { .. } => FailureCode::NotRunning,
        ClientError::Broken(_) if !error.is_not_http() => FailureCode::NotRunning,
        _ => FailureCode::Internal,
    };
    Failure::new(code, "The machine is unreachable")
        .because(error.to_string())
        .next(Advice::CheckMachine)
}

fn refused(refusal: Refusal) -> Failure {
    let failure = refusal_of(refusal.status, refusal.code.as_ref()).because(refusal.to_string());
    match refusal.code {
        Some(code) => failure.refused(code),
        None => failure,
    }
}

/// What a refusal means to the app. The code says more than the status, where this version knows it.
fn refusal_of(status: StatusCode, code: Option<&ErrorCode>) -> Failure {
    match code {
        Some(ErrorCode::Evolving) => {
            return Failure::new(FailureCode::Busy, "The machine is being replaced")
                .next(Advice::WaitForNewMachine);
        }
        Some(ErrorCode::DiskFull) => {
            return Failure::new(FailureCode::DiskFull, "The machine's disk is full")
                .next(Advice::DeleteFiles);
        }
        Some(ErrorCode::KernelUnresponsive) => {
            return Failure::new(FailureCode::Unhealthy, "The kernel is not responding")
                .next(Advice::RestartKernel);
        }
        Some(ErrorCode::QueueFull) => {
            return Failure::new(FailureCode::Busy, "Too many cells are waiting")
                .next(Advice::WaitForCells);
        }
        _ => {}
    }
    match status {
        StatusCode::UNAUTHORIZED => Failure::new(
            FailureCode::Internal,
            "The machine rejected Vivarium's token",
        )
        .next(Advice::RestartForSecrets),
        StatusCode::SERVICE_UNAVAILABLE => {
            Failure::new(FailureCode::Unhealthy, "The kernel is not accepting cells")
                .next(Advice::WaitOrRestart)
        }
        StatusCode::NOT_FOUND => {
            Failure::new(FailureCode::NotFound, "Not found in the machine").next(Advice::CheckName)
        }
        StatusCode::CONFLICT => {
            Failure::new(FailureCode::Busy, "The machine is busy").next(Advice::WaitForOperation)
        }
        status if status.is_client_error() => {
            Failure::new(FailureCode::Invalid, "The machine rejected the request")
                .next(Advice::FixRequest)
        }
        _ => Failure::new(
            FailureCode::Internal,
            "The machine failed to process the request",
        )
        .next(Advice::ReadMachineLog),
    }
}

/// What comes from inside is kept up to a limit.
pub(crate) fn too_large(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        FailureCode::Unhealthy,
        "The machine's response is too large",
    )
    .because(error.to_string())
    .next(Advice::RequestLess)
}

pub(crate) fn json<T: serde::Serialize>(request: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(request).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "A request could not be written as JSON",
        )
        .because(error.to_string())
    })
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    json::from_slice(body).map_err(unreadable)
}

fn unreadable(error: JsonError) -> Failure {
    if let JsonError::TooMany { .. } = error {
        return too_large(&error);
    }
    Failure::new(
        FailureCode::Internal,
        "Unexpected response from the machine",
    )
    .because(error.to_string())
    .next(Advice::RebuildImage)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use machine_client::{Answer, Client, Request};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The answer of a server that says just this.
    pub(crate) async fn answer(text: &'static str) -> Answer {
        asked(text).await.unwrap()
    }

    /// What asking a server brings that says just this and goes.
    async fn asked(text: &'static str) -> Result<Answer, ClientError> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        });
        Client::tcp(port, None)?.send(Request::get("/")).await
    }

    #[tokio::test]
    async fn a_refusal_carries_the_machines_words() {
        let answer = answer(concat!(
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "{\"error\":{\"code\":\"malformed_json\",\"message\":\"Not JSON\"},\"request_id\":\"0123456789\"}",
        ))
        .await;
        let failure = failed(answer.accepted().await.unwrap_err());
        assert_eq!(failure.code, FailureCode::Invalid);
        assert_eq!(
            failure.error_code.as_deref(),
            Some(&ErrorCode::MalformedJson)
        );
        assert_eq!(failure.cause.as_deref(), Some("Not JSON"));
    }

    #[test]
    fn a_known_code_says_more_than_the_status() {
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        let code = |code: &ErrorCode| refusal_of(busy, Some(code)).code;
        assert_eq!(code(&ErrorCode::Evolving), FailureCode::Busy);
        assert_eq!(code(&ErrorCode::DiskFull), FailureCode::DiskFull);
        assert_eq!(code(&ErrorCode::KernelStarting), FailureCode::Unhealthy);
        assert_eq!(code(&ErrorCode::Other("x".into())), FailureCode::Unhealthy);
        assert_eq!(refusal_of(busy, None).code, FailureCode::Unhealthy);
    }

    #[tokio::test]
    async fn who_goes_away_before_the_answer_is_whole_runs_no_more() {
        for said in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"half\":",
        ] {
            let answer = async { asked(said).await?.bytes().await };
            let failure = failed(answer.await.unwrap_err());
            assert_eq!(failure.code, FailureCode::NotRunning, "{said}");
        }
        let failure = failed(asked("RFB 003.008\n").await.unwrap_err());
        assert_eq!(failure.code, FailureCode::Internal);
    }

    #[tokio::test]
    async fn a_look_at_a_machine_that_says_nothing_ends() {
        let nothing = std::future::pending::<Result<(), Failure>>();
        let failure = within(Duration::from_millis(1), nothing).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Unhealthy);
    }
}
