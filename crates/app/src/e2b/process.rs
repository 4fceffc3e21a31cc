//! `process.Process`: commands and terminals of a sandbox, over Connect.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sandbox::Exec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::{
    kernel::ShellCommand,
    sandbox::{ExecRequest, PtySize},
};

use super::{
    Facade, HOME,
    connect::{self, ConnectError, Messages, message},
    dispatch::At,
    gone::CallError,
    paths::{absolute, check_user_of},
    process_events::answer,
    selector::Selector,
};

pub(super) fn routes() -> Router<Facade> {
    Router::new()
        .route("/process.Process/Start", post(start))
        .route("/process.Process/Connect", post(connect))
        .route("/process.Process/List", post(list))
        .route("/process.Process/SendInput", post(send_input))
        .route("/process.Process/StreamInput", post(stream_input))
        .route("/process.Process/CloseStdin", post(close_stdin))
        .route("/process.Process/SendSignal", post(send_signal))
        .route("/process.Process/Update", post(update))
}

#[derive(Deserialize)]
struct StartRequest {
    process: ProcessConfig,
    #[serde(default)]
    pty: Option<Pty>,
    #[serde(default)]
    tag: Option<String>,
    /// On, unless it says otherwise.
    #[serde(default)]
    stdin: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ProcessConfig {
    cmd: String,
    args: Vec<String>,
    envs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
}

#[derive(Deserialize)]
struct Pty {
    size: PtySize,
}

#[derive(Deserialize)]
struct OfProcess {
    #[serde(default)]
    process: Selector,
}

#[derive(Deserialize)]
struct InputRequest {
    #[serde(default)]
    process: Selector,
    input: Input,
}

/// Bytes in base64, for its stdin or its terminal: a command has one of them.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Input {
    Stdin(String),
    Pty(String),
}

impl Input {
    fn bytes(&self) -> Result<Bytes, ConnectError> {
        let (Self::Stdin(text) | Self::Pty(text)) = self;
        let bytes = BASE64_STANDARD.decode(text);
        bytes
            .map(Bytes::from)
            .map_err(|error| ConnectError::invalid(format!("invalid base64: {error}")))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StreamInput {
    Start(OfProcess),
    Data { input: Input },
    Keepalive {},
}

#[derive(Deserialize)]
struct SignalRequest {
    #[serde(default)]
    process: Selector,
    signal: Signal,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Signal {
    Name(String),
    Number(i32),
}

#[derive(Deserialize)]
struct UpdateRequest {
    #[serde(default)]
    process: Selector,
    #[serde(default)]
    pty: Option<Pty>,
}

/// An answer without anything in it.
fn nothing() -> Json<Value> {
    Json(json!({}))
}

async fn start(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match begin(&facade, &at, &headers, body).await {
        // What it wrote so far is a part of its output.
        Ok(exec) => answer(&exec, 0, &headers, None),
        Err(error) => error.into_stream(),
    }
}

async fn begin(
    facade: &Facade,
    at: &At,
    headers: &HeaderMap,
    body: Body,
) -> Result<Exec, CallError> {
    check_user_of(headers)?;
    let limit = connect::timeout(headers)?;
    let request = Messages::of(body).only::<StartRequest>().await?;
    let tag = request.tag.clone();
    let request = asked(request, limit)?;
    let sandboxes = facade.0.service.sandboxes()?;
    let exec = sandboxes.exec(&at.owner, &at.id, request).await?;
    if let Some(tag) = tag {
        let there = sandboxes.execs(&at.owner, &at.id)?;
        facade.0.tags.set(&at.id, exec.id(), tag, &there);
    }
    Ok(exec)
}

/// The same request in our own words. A client that goes away ends nothing; its time limit does.
fn asked(request: StartRequest, limit: Option<Duration>) -> Result<ExecRequest, ConnectError> {
    let StartRequest {
        process,
        pty,
        stdin,
        ..
    } = request;
    if process.cmd.is_empty() {
        return Err(ConnectError::invalid("no command is named"));
    }
    let mut command = vec![process.cmd];
    command.extend(process.args);
    let cwd = process.cwd.filter(|cwd| !cwd.is_empty());
    Ok(ExecRequest {
        command: ShellCommand::Arguments(command),
        timeout_s: Some(limit.map_or(0.0, |limit| limit.as_secs_f64())),
        stdin: None,
        keep_stdin: Some(pty.is_some() || stdin.unwrap_or(true)),
        cwd: Some(cwd.map_or_else(|| HOME.to_owned(), |cwd| absolute(&cwd))),
        env: process.envs,
        // Its first reader is here at once, and what it writes waits for that one.
        background: false,
        pty: pty.map(|pty| pty.size),
    })
}

async fn connect(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let found = async {
        let limit = connect::timeout(&headers)?;
        let OfProcess { process } = Messages::of(body).only().await?;
        Ok::<_, CallError>((facade.selected(&at, &process)?, limit))
    };
    match found.await {
        Ok((exec, limit)) => answer(&exec, 0, &headers, limit),
        Err(error) => error.into_stream(),
    }
}

async fn list(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
) -> Result<Json<Value>, CallError> {
    let running = facade.running(&at)?;
    let processes: Vec<Value> = running
        .into_iter()
        .map(|view| {
            let (cmd, args) = match view.command {
                ShellCommand::Line(line) => {
                    ("/bin/bash".into(), vec!["-l".into(), "-c".into(), line])
                }
                ShellCommand::Arguments(mut words) => {
                    let rest = words.split_off(words.len().min(1));
                    (words.pop().unwrap_or_default(), rest)
                }
            };
            let config = ProcessConfig {
                cmd,
                args,
                envs: view.env,
                cwd: view.cwd,
            };
            let mut process = json!({ "config": config, "pid": view.pid });
            if let Some(tag) = facade.0.tags.of(&at.id, &view.exec_id) {
                process["tag"] = Value::String(tag);
            }
            process
        })
        .collect();
    Ok(Json(json!({ "processes": processes })))
}

async fn send_input(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Json<Value>, CallError> {
    let InputRequest { process, input } = message(&body)?;
    let exec = facade.selected(&at, &process)?;
    exec.write_stdin(input.bytes()?).await?;
    Ok(nothing())
}

async fn stream_input(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Body,
) -> Response {
    match taken(&facade, &at, body).await {
        Ok(()) => connect::single(&json!({})),
        Err(error) => error.into_stream(),
    }
}

async fn taken(facade: &Facade, at: &At, body: Body) -> Result<(), CallError> {
    let mut messages = Messages::of(body);
    let mut exec = None;
    while let Some(input) = messages.next::<StreamInput>().await? {
        match input {
            StreamInput::Start(OfProcess { process }) => {
                exec = Some(facade.selected(at, &process)?);
            }
            StreamInput::Data { input } => {
                let unnamed = || ConnectError::invalid("no process is named");
                let exec: &Exec = exec.as_ref().ok_or_else(unnamed)?;
                exec.write_stdin(input.bytes()?).await?;
            }
            StreamInput::Keepalive {} => {}
        }
    }
    Ok(())
}

async fn close_stdin(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Json<Value>, CallError> {
    let OfProcess { process } = message(&body)?;
    facade.selected(&at, &process)?.close_stdin().await?;
    Ok(nothing())
}

async fn send_signal(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Json<Value>, CallError> {
    let SignalRequest { process, signal } = message(&body)?;
    let signal = match signal {
        Signal::Number(number @ (9 | 15)) => number,
        Signal::Name(name) if name == "SIGNAL_SIGKILL" => 9,
        Signal::Name(name) if name == "SIGNAL_SIGTERM" => 15,
        _ => return Err(ConnectError::invalid("SIGKILL or SIGTERM was expected").into()),
    };
    facade.selected(&at, &process)?.signal(signal).await?;
    Ok(nothing())
}

async fn update(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Response, CallError> {
    let UpdateRequest { process, pty } = message(&body)?;
    let exec = facade.selected(&at, &process)?;
    if let Some(pty) = pty {
        exec.resize(pty.size).await?;
    }
    Ok(nothing().into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Result<ExecRequest, ConnectError> {
        asked(serde_json::from_str(text).unwrap(), None)
    }

    #[test]
    fn a_command_of_the_python_client_is_understood() {
        let request = start(
            r#"{"process":{"cmd":"/bin/bash","args":["-l","-c","echo 1"],"envs":{"A":"b"},"cwd":"src"},"stdin":false}"#,
        )
        .unwrap();
        let words = ["/bin/bash", "-l", "-c", "echo 1"]
            .map(String::from)
            .to_vec();
        assert_eq!(request.command, ShellCommand::Arguments(words));
        assert_eq!(request.cwd.as_deref(), Some("/home/user/src"));
        assert_eq!(request.env["A"], "b");
        assert_eq!(
            (request.keep_stdin, request.timeout_s),
            (Some(false), Some(0.0))
        );
        let bare = start(r#"{"process":{"cmd":"x"}}"#).unwrap();
        assert_eq!(
            (bare.keep_stdin, bare.cwd.as_deref()),
            (Some(true), Some("/home/user"))
        );
        let pty =
            start(r#"{"process":{"cmd":"x"},"pty":{"size":{"cols":80,"rows":24}},"stdin":false}"#);
        let pty = pty.unwrap();
        assert_eq!(
            (pty.pty, pty.keep_stdin),
            (Some(PtySize { cols: 80, rows: 24 }), Some(true))
        );
        assert!(start(r#"{"process":{}}"#).is_err());
    }

    #[test]
    fn input_is_bytes_for_one_of_two_ends() {
        let read = |text: &str| serde_json::from_str::<StreamInput>(text).unwrap();
        let StreamInput::Data { input } = read(r#"{"data":{"input":{"pty":"/wA="}}}"#) else {
            unreachable!()
        };
        assert_eq!(input.bytes().unwrap(), Bytes::from_static(b"\xff\0"));
        assert!(matches!(
            read(r#"{"keepalive":{}}"#),
            StreamInput::Keepalive {}
        ));
        let StreamInput::Start(of) = read(r#"{"start":{"process":{"pid":7}}}"#) else {
            unreachable!()
        };
        assert_eq!(of.process, serde_json::from_str(r#"{"pid":7}"#).unwrap());
        assert!(Input::Stdin("?".into()).bytes().is_err());
    }
}
