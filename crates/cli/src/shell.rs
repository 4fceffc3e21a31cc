//! `vivarium shell`: a command in the machine's shell, or a shell of one's own in this terminal.

use std::{
    io::{IsTerminal, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use app::{App, Shown, TerminalInput, TerminalOutput};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    job::{Job, JobKind, JobList},
    kernel::{ShellCommand, ShellRequest},
};

use crate::{
    commands::{call, terminated},
    print,
    terminal::{Raw, size},
};

/// How much is read of stdin at once.
const PIECE_BYTES: usize = 4 << 10;

/// Runs a command, or opens a shell if none is given; answers its exit code.
///
/// # Errors
/// The app's, and [`FailureCode::Invalid`] if a shell is to be opened without a terminal.
pub async fn run(app: &App, command: Vec<String>, json: bool) -> Result<u8, Failure> {
    let Some(command) = shell_command(command) else {
        return open(app).await;
    };
    let request = ShellRequest {
        command,
        timeout_s: None,
    };
    let answer = app.machine(None)?.shell(&request).await?;
    if json {
        print::json(&answer);
    } else {
        let mut program = print::Program::new();
        program.out(&answer.stdout);
        program.err(&answer.stderr);
    }
    Ok(exit_code(answer.returncode))
}

/// One argument is a line for the shell; several are a program and its arguments, which no shell
/// splits or expands again. `None` if nothing is given.
fn shell_command(given: Vec<String>) -> Option<ShellCommand> {
    match <[String; 1]>::try_from(given) {
        Ok([line]) if line.trim().is_empty() => None,
        Ok([line]) => Some(ShellCommand::Line(line)),
        Err(arguments) if arguments.is_empty() => None,
        Err(arguments) => Some(ShellCommand::Arguments(arguments)),
    }
}

fn exit_code(code: Option<i32>) -> u8 {
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// A shell of this terminal's own. It ends with its connection.
async fn open(app: &App) -> Result<u8, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new(FailureCode::Invalid, "No command given")
            .because("an interactive shell needs a terminal as stdin and stdout")
            .next(Advice::text(
                "Give a command: vivarium shell 'ls -l /root'.",
            )));
    }
    let machine = app.machine(None)?;
    let size = size();
    let name = own_name();
    let (mut input, mut output) = machine.terminal(&name, size.cols, size.rows).await?;
    let raw = Raw::begin();
    let ended = tokio::select! {
        ended = draw(&mut output) => ended,
        ended = pass_on(&mut input) => ended.map(|()| None),
    };
    drop(raw);
    match ended? {
        Some(exit) => Ok(exit_code(exit)),
        None => {
            // Asked to end from outside: nobody would find the shell again.
            hang_up(app, &name).await;
            Ok(1)
        }
    }
}

/// Draws what is shown until the shell ends; answers its exit code.
async fn draw(output: &mut TerminalOutput) -> Result<Option<Option<i32>>, Failure> {
    loop {
        match output.next().await? {
            Shown::Bytes(bytes) => {
                let mut stdout = std::io::stdout().lock();
                // A terminal that is gone is told by a signal.
                let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            }
            Shown::Ended(exit) => return Ok(Some(exit)),
        }
    }
}

/// Passes on keys and sizes, until this program is asked to end.
async fn pass_on(input: &mut TerminalInput) -> Result<(), Failure> {
    let (sender, mut keys) = mpsc::channel::<Vec<u8>>(16);
    let reading = async move {
        let mut stdin = tokio::io::stdin();
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut piece).await {
            if sender.send(piece[..count].to_vec()).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut sizes = signal(SignalKind::window_change()).ok();
    let mut hang_up = signal(SignalKind::hangup()).ok();
    let passing = async {
        loop {
            tokio::select! {
                Some(bytes) = keys.recv() => input.write(bytes).await?,
                () = heard(&mut sizes) => {
                    let size = size();
                    input.resize(size.cols, size.rows).await?;
                }
            }
        }
    };
    tokio::select! {
        ended = passing => ended,
        () = reading => Ok(()),
        () = heard(&mut hang_up) => Ok(()),
        () = terminated() => Ok(()),
    }
}

/// A name that no other terminal has.
fn own_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = now.unwrap_or_default().as_millis();
    format!("vivarium shell {}-{ms}", std::process::id())
}

/// Ends the shell, as when a terminal's window is closed. If the machine doesn't answer, the shell stays
/// and is listed as a job.
async fn hang_up(app: &App, name: &str) {
    let Ok(list) = call::<JobList>(app, "job_list", Value::Null).await else {
        return;
    };
    let is_it = |job: &&Job| job.kind == JobKind::Terminal && job.title == name;
    if let Some(job) = list.jobs.iter().find(is_it) {
        let _ = call::<Value>(app, "job_cancel", json!({ "id": job.id })).await;
    }
}

/// Ends when the signal comes; never if it can't be heard.
pub async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_is_a_line_and_several_are_arguments() {
        let command =
            |words: &[&str]| shell_command(words.iter().map(|&word| word.to_owned()).collect());
        assert_eq!(command(&["ls | wc"]), Some("ls | wc".into()));
        let words = vec!["rm".to_owned(), "a b".to_owned()];
        let arguments = ShellCommand::Arguments(words);
        assert_eq!(command(&["rm", "a b"]), Some(arguments));
        assert_eq!(command(&[]), None);
        assert_eq!(command(&[" "]), None);
    }

    #[test]
    fn exit_codes_are_passed_on() {
        assert_eq!(
            [Some(0), Some(7), Some(130), Some(-1), None].map(exit_code),
            [0, 7, 130, 1, 1]
        );
    }
}
