//! `/sessions/{id}/exec`: commands, their output, stdin, signals and terminals.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{
    kernel::ShellCommand,
    sandbox::{ExecRequest, ExecView, PtySize, SignalName, SignalRequest},
};

use super::{
    Asking, Refusal, Service,
    output::{self, wants_events},
    request::{Asked, ExecId, Given, Session},
    sessions::{Events, Which},
};

/// Answer of `GET /sessions/{id}/exec`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Execs {
    /// Oldest first.
    execs: Vec<ExecView>,
}

/// `POST …/stdin`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Input {
    /// What it reads.
    #[serde(default)]
    text: Option<String>,
    /// The same as bytes.
    #[serde(default)]
    base64: Option<String>,
    /// Whether its stdin ends behind that.
    #[serde(default)]
    close: bool,
}

/// Nothing more to say.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    /// `completed`.
    status: &'static str,
}

const DONE: Json<Done> = Json(Done {
    status: "completed",
});

pub(super) async fn exec(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(which): Events,
    headers: HeaderMap,
    Given(request): Given<ExecRequest>,
) -> Result<Response, Refusal> {
    let encoding = which.encoding()?;
    let is_empty = match &request.command {
        ShellCommand::Line(line) => line.is_empty(),
        ShellCommand::Arguments(words) => words.first().is_none_or(String::is_empty),
    };
    if is_empty {
        return Err(Refusal::invalid(
            "missing command: a line or a list of arguments was expected",
        ));
    }
    let is_background = request.background;
    let exec = service.sandboxes()?.exec(&owner, &id, request).await?;
    if wants_events(&headers) {
        return Ok(output::of(&exec, which.after, encoding).into_response());
    }
    let answer = if is_background {
        started(&exec)
    } else {
        exec.answer().await?
    };
    Ok(Json(answer).into_response())
}

/// The answer for a command that runs on.
fn started(exec: &sandbox::Exec) -> wire::sandbox::ExecAnswer {
    wire::sandbox::ExecAnswer {
        exec_id: exec.id(),
        stdout: String::new(),
        stderr: String::new(),
        exit_code: None,
        timed_out: false,
        truncated: false,
        timing_ms: 0,
    }
}

pub(super) async fn list(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<Execs>, Refusal> {
    let execs = service.sandboxes()?.execs(&owner, &id)?;
    Ok(Json(Execs { execs }))
}

pub(super) async fn get(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ExecId(exec): ExecId,
) -> Result<Json<ExecView>, Refusal> {
    let exec = service.sandboxes()?.exec_of(&owner, &id, &exec)?;
    Ok(Json(exec.view()))
}

pub(super) async fn events(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ExecId(exec): ExecId,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let encoding = which.encoding()?;
    let exec = service.sandboxes()?.exec_of(&owner, &id, &exec)?;
    // A client that comes back by itself says so in a header.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = last.and_then(|id| id.parse().ok()).unwrap_or(which.after);
    Ok(output::of(&exec, after, encoding).into_response())
}

pub(super) async fn stdin(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ExecId(exec): ExecId,
    Given(input): Given<Input>,
) -> Result<Json<Done>, Refusal> {
    let exec = service.sandboxes()?.exec_of(&owner, &id, &exec)?;
    let bytes = match (input.text, input.base64) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("either text or base64, not both")),
        (Some(text), None) => Bytes::from(text),
        (None, Some(base64)) => BASE64_STANDARD
            .decode(base64)
            .map_err(|error| Refusal::invalid(format!("invalid base64: {error}")))?
            .into(),
        (None, None) => Bytes::new(),
    };
    if !bytes.is_empty() {
        exec.write_stdin(bytes).await?;
    }
    if input.close {
        exec.close_stdin().await?;
    }
    Ok(DONE)
}

pub(super) async fn signal(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ExecId(exec): ExecId,
    Given(request): Given<SignalRequest>,
) -> Result<Json<Done>, Refusal> {
    let signal = number(&request.signal)?;
    let exec = service.sandboxes()?.exec_of(&owner, &id, &exec)?;
    exec.signal(signal).await?;
    Ok(DONE)
}

pub(super) async fn resize(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    ExecId(exec): ExecId,
    Given(size): Given<PtySize>,
) -> Result<Json<Done>, Refusal> {
    let exec = service.sandboxes()?.exec_of(&owner, &id, &exec)?;
    exec.resize(size).await?;
    Ok(DONE)
}

/// A signal's number on Linux, which is what runs in every sandbox.
fn number(signal: &SignalName) -> Result<i32, Refusal> {
    const NAMES: &[(&str, i32)] = &[
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("CHLD", 17),
        ("CONT", 18),
        ("STOP", 19),
        ("TSTP", 20),
        ("TTIN", 21),
        ("TTOU", 22),
        ("URG", 23),
        ("XCPU", 24),
        ("XFSZ", 25),
        ("VTALRM", 26),
        ("PROF", 27),
        ("WINCH", 28),
        ("IO", 29),
        ("PWR", 30),
        ("SYS", 31),
    ];
    let found = match signal {
        SignalName::Number(number) => (1..=64).contains(number).then_some(*number),
        SignalName::Name(name) => {
            let upper = name.to_ascii_uppercase();
            let short = upper.strip_prefix("SIG").unwrap_or(&upper);
            NAMES
                .iter()
                .find(|(known, _)| *known == short)
                .map(|(_, number)| *number)
        }
    };
    found.ok_or_else(|| {
        Refusal::invalid(
            "invalid signal: a number from 1 to 64 or a name such as SIGTERM was expected",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names() {
        let read = |signal| number(&signal).ok();
        assert_eq!(read(SignalName::Name("SIGTERM".into())), Some(15));
        assert_eq!(read(SignalName::Name("kill".into())), Some(9));
        assert_eq!(read(SignalName::Number(2)), Some(2));
        for signal in [
            SignalName::Number(0),
            SignalName::Number(-9),
            SignalName::Name("X".into()),
        ] {
            assert_eq!(read(signal), None);
        }
    }
}
