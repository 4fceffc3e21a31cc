//! A command's output on this program's own, its stdin, signals and terminal, until it ends.

use std::io::{IsTerminal, Write};

use app::TextReader;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use wire::{
    failure::{Failure, FailureCode},
    sandbox::{ExecAnswer, ExecRequest},
};

use super::{
    api::{Api, Events},
    run::exit_code,
};
use crate::{
    print::{self, Program},
    terminal::{Raw, size},
};

/// How much is read of stdin at once.
const PIECE_BYTES: usize = 32 << 10;

/// Runs a command with this program's stdin, stdout, stderr and terminal; answers its exit code.
pub async fn attach(api: &Api, sandbox: &str, request: &ExecRequest) -> Result<u8, Failure> {
    let path = format!("{sandbox}/exec?encoding=base64");
    let mut events = api.events(&path, Some(request)).await?;
    let exec = loop {
        match events.next().await? {
            Some(event) if event.name == "started" => break started(&event.data)?,
            Some(_) => {}
            None => return Err(broken()),
        }
    };
    let exec = format!("{sandbox}/exec/{}", machine_client::segment(&exec));
    let is_tty = request.pty.is_some();
    let raw = if is_tty { Raw::begin() } else { None };
    let mut output = Output::new(is_tty);
    let input = async {
        if request.keep_stdin == Some(true) {
            feed(api, &exec, is_tty).await;
        }
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = follow(&mut events, &mut output) => answer,
        () = input => Err(broken()),
        () = pass_on_signals(api, &exec, is_tty) => Err(broken()),
    };
    drop(raw);
    drop(output);
    let answer = answer?;
    if answer.timed_out {
        print::note("The command timed out.");
    }
    Ok(exit_code(answer.exit_code))
}

fn broken() -> Failure {
    Failure::new(FailureCode::Internal, "The connection to the sandbox ended")
}

fn started(data: &str) -> Result<String, Failure> {
    let started: Value = serde_json::from_str(data).unwrap_or_default();
    started["exec_id"]
        .as_str()
        .map(String::from)
        .ok_or_else(broken)
}

/// Prints a command's output until it ends.
pub async fn follow(events: &mut Events, output: &mut Output) -> Result<ExecAnswer, Failure> {
    while let Some(event) = events.next().await? {
        if event.name == "done" {
            return serde_json::from_str(&event.data)
                .map_err(|error| broken().because(error.to_string()));
        }
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        if event.name == "error" {
            let words = data["message"].as_str().unwrap_or_default();
            return Err(Failure::new(FailureCode::Unhealthy, words));
        }
        let bytes = data["base64"]
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        match (event.name.as_str(), bytes) {
            ("stdout" | "pty", Some(bytes)) => output.out(&bytes),
            ("stderr", Some(bytes)) => output.err(&bytes),
            ("dropped", _) => print::note("[output that is no longer kept was left out]"),
            _ => {}
        }
    }
    Err(broken())
}

/// Where a command's output goes: as it is into files and pipes, and onto the terminal that it was
/// given; else, on a terminal, it may colour, and command nothing else.
pub struct Output {
    program: Program,
    out: Option<TextReader>,
    err: Option<TextReader>,
}

impl Output {
    pub fn new(is_tty: bool) -> Self {
        let filter = |is_terminal: bool| (is_terminal && !is_tty).then(TextReader::default);
        Self {
            program: Program::new(),
            out: filter(std::io::stdout().is_terminal()),
            err: filter(std::io::stderr().is_terminal()),
        }
    }

    /// To stdout.
    pub fn out(&mut self, bytes: &[u8]) {
        match &mut self.out {
            Some(reader) => self.program.out(&reader.read(bytes)),
            None => plain(std::io::stdout().lock(), bytes),
        }
    }

    /// To stderr.
    pub fn err(&mut self, bytes: &[u8]) {
        match &mut self.err {
            Some(reader) => self.program.err(&reader.read(bytes)),
            None => plain(std::io::stderr().lock(), bytes),
        }
    }
}

/// As they are. A closed pipe is the reader's wish, no failure of ours.
fn plain(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

/// Sends this program's stdin to the command until one of them ends.
async fn feed(api: &Api, exec: &str, is_tty: bool) {
    // Read ahead: what is typed while a request runs goes with the next one.
    let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(16);
    let reading = async move {
        let mut stdin = tokio::io::stdin();
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut piece).await {
            if sender.send(piece[..count].to_vec()).await.is_err() {
                return;
            }
        }
    };
    let sending = async {
        let path = format!("{exec}/stdin");
        while let Some(mut bytes) = pieces.recv().await {
            while bytes.len() < PIECE_BYTES
                && let Ok(more) = pieces.try_recv()
            {
                bytes.extend_from_slice(&more);
            }
            let input = json!({ "base64": BASE64_STANDARD.encode(&bytes) });
            let sent: Result<Value, Failure> = api.post(&path, &input).await;
            // It reads no more.
            if sent.is_err() {
                return;
            }
        }
        // A terminal's end is a key of its own.
        if !is_tty {
            let _: Result<Value, Failure> = api.post(&path, &json!({ "close": true })).await;
        }
    };
    tokio::join!(reading, sending);
}

/// Ctrl-C and the terminal's new sizes go to the command. Never ends.
async fn pass_on_signals(api: &Api, exec: &str, is_tty: bool) {
    let mut sizes = signal(SignalKind::window_change()).ok();
    let mut interrupts = signal(SignalKind::interrupt()).ok();
    loop {
        tokio::select! {
            () = heard(&mut interrupts) => {
                let path = format!("{exec}/signal");
                let _: Result<Value, Failure> = api.post(&path, &json!({ "signal": "SIGINT" })).await;
            }
            () = heard(&mut sizes), if is_tty => {
                let path = format!("{exec}/resize");
                let _: Result<Value, Failure> = api.post(&path, &size()).await;
            }
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
