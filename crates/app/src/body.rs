//! The machine's own API, as its client: questions and answers in JSON.

use std::time::Duration;

use hyper::{Method, StatusCode};
use lifecycle::{
    MachineOptions,
    http::{ANSWER_BYTES, Answer, Call, HttpError, WORD_BYTES},
    json::{self, JsonError},
};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    failure::{Failure, FailureCode},
    kernel::ErrorAnswer,
};

use crate::{
    MachineHandle,
    machine::{connect, load},
};

impl MachineHandle {
    /// GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// GET of an answer of so many bytes at most.
    pub(crate) async fn get_up_to<T: DeserializeOwned>(
        &self,
        limit_bytes: usize,
        path: &str,
    ) -> Result<T, Failure> {
        let door = door(&self.inner.options).await?;
        ask_up_to(limit_bytes, door, Method::GET, path, None).await
    }

    /// POST of JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(json(request)?)).await
    }

    /// DELETE.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Failure> {
        ask(door(&self.inner.options).await?, method, path, body).await
    }
}

/// How long a look at something may take: it is answered from memory, or something is wrong. What
/// changes things takes as long as it takes.
const LOOK: Duration = Duration::from_secs(20);

/// The most that a look at something answers, unless the caller expects more: what the machine sends
/// is in memory as text and as values.
const LOOK_BYTES: usize = 32 << 20;

/// One question in JSON at one of the body's doors: a port, and what it lets in.
///
/// # Errors
/// The body's refusal, or what kept it from answering; a GET also after [`LOOK`].
pub(crate) async fn ask<T: DeserializeOwned>(
    door: (u16, String),
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<T, Failure> {
    let limit_bytes = if method == Method::GET {
        LOOK_BYTES
    } else {
        ANSWER_BYTES
    };
    ask_up_to(limit_bytes, door, method, path, body).await
}

async fn ask_up_to<T: DeserializeOwned>(
    limit_bytes: usize,
    (port, token): (u16, String),
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<T, Failure> {
    let look = method == Method::GET;
    let call = Call {
        method,
        token: Some(&token),
        body: body.map(Into::into),
        ..Call::get(port, path)
    };
    let asked = async {
        let answer = accepted(call.send().await.map_err(unreachable)?).await?;
        read(&answer.bytes_up_to(limit_bytes).await.map_err(unreachable)?)
    };
    if look {
        within(LOOK, asked).await
    } else {
        asked.await
    }
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answered = tokio::time::timeout(limit, asked).await;
    answered.unwrap_or_else(|_| Err(silent(limit)))
}

fn silent(limit: Duration) -> Failure {
    Failure::new(FailureCode::Unhealthy, "The machine is not responding")
        .because(format!("no response within {} s", limit.as_secs()))
        .next("Check the machine's services and log, or restart the machine.")
}

/// What may stand in a segment of a path as it is.
const SEGMENT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, SEGMENT).to_string()
}

/// Where the kernel is and what it lets in.
pub(crate) async fn door(options: &MachineOptions) -> Result<(u16, String), Failure> {
    let machine = load(options)?;
    let port = machine.kernel_port(&connect(options).await?).await?;
    Ok((port, machine.secret("os_token")?))
}

/// Turns the body's refusals into failures.
pub(crate) async fn accepted(answer: Answer) -> Result<Answer, Failure> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.bytes_up_to(WORD_BYTES).await.unwrap_or_default();
    let cause = serde_json::from_slice::<ErrorAnswer>(&body).map_or_else(
        |_| format!("the response was {status}"),
        |answer| answer.error.message,
    );
    let failure = match status {
        StatusCode::UNAUTHORIZED => Failure::new(
            FailureCode::Internal,
            "The machine rejected Vivarium's token",
        )
        .next("The secrets changed while the machine was running. Restart the machine."),
        StatusCode::SERVICE_UNAVAILABLE => {
            Failure::new(FailureCode::Unhealthy, "The kernel is not accepting cells")
                .next("Wait a moment, or restart the machine.")
        }
        StatusCode::NOT_FOUND => {
            Failure::new(FailureCode::NotFound, "Not found in the machine").next("Check the name.")
        }
        StatusCode::CONFLICT => Failure::new(FailureCode::Busy, "The machine is busy")
            .next("Wait until the other operation has finished, then try again."),
        status if status.is_client_error() => {
            Failure::new(FailureCode::Invalid, "The machine rejected the request")
                .next("Fix the request and try again.")
        }
        _ => Failure::new(
            FailureCode::Internal,
            "The machine failed to process the request",
        )
        .next("Check the machine's log."),
    };
    Err(failure.because(cause))
}

/// No answer, or half of one: nobody listens, or who did is gone. Both are what a machine that is
/// being stopped looks like; only an answer that is no HTTP is none of it.
pub(crate) fn unreachable(error: HttpError) -> Failure {
    if let HttpError::TooLarge { .. } = error {
        return too_large(&error);
    }
    let code = match &error {
        HttpError::Connect { .. } => FailureCode::NotRunning,
        HttpError::Broken(source) if !source.is_parse() => FailureCode::NotRunning,
        _ => FailureCode::Internal,
    };
    Failure::new(code, "The machine is unreachable")
        .because(error.to_string())
        .next("Check that the machine is running.")
}

/// What comes from inside is kept up to a limit.
pub(crate) fn too_large(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        FailureCode::Unhealthy,
        "The machine's response is too large",
    )
    .because(error.to_string())
    .next("Request less, or check the machine's log.")
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
    json::from_slice(body).map_err(|error| match error {
        JsonError::TooMany { .. } => too_large(&error),
        error => Failure::new(
            FailureCode::Internal,
            "Unexpected response from the machine",
        )
        .because(error.to_string())
        .next("The app and the image may have different versions. Rebuild the image."),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The answer of a server that says just this.
    pub(crate) async fn answer(text: &'static str) -> Answer {
        asked(text).await.unwrap()
    }

    /// What asking a server brings that says just this and goes.
    async fn asked(text: &'static str) -> Result<Answer, HttpError> {
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
        Call::get(port, "/").send().await
    }

    #[tokio::test]
    async fn a_refusal_carries_the_machines_words() {
        let answer = answer(concat!(
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "{\"error\":{\"code\":\"bad_json\",\"message\":\"Not JSON\"},\"request_id\":\"0123456789\"}",
        ))
        .await;
        let failure = accepted(answer).await.err().unwrap();
        assert_eq!(failure.code, FailureCode::Invalid);
        assert_eq!(failure.cause.as_deref(), Some("Not JSON"));
    }

    #[tokio::test]
    async fn who_goes_away_before_the_answer_is_whole_runs_no_more() {
        for said in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"half\":",
        ] {
            let answer = async { asked(said).await?.bytes().await };
            let failure = unreachable(answer.await.unwrap_err());
            assert_eq!(failure.code, FailureCode::NotRunning, "{said}");
        }
        let failure = unreachable(asked("RFB 003.008\n").await.err().unwrap());
        assert_eq!(failure.code, FailureCode::Internal);
    }

    #[tokio::test]
    async fn a_look_at_a_machine_that_says_nothing_ends() {
        let nothing = std::future::pending::<Result<(), Failure>>();
        let failure = within(Duration::from_millis(1), nothing).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Unhealthy);
    }

    #[test]
    fn a_name_never_leaves_its_segment() {
        assert_eq!(segment("kernel-main_1.x"), "kernel-main_1.x");
        assert_eq!(segment("../é?"), "..%2F%C3%A9%3F");
    }
}
