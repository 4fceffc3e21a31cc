//! `vivarium exec`: a cell, whose `input()` is answered from this program's stdin.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use app::{App, CellTold};
use serde_json::json;
use tokio::sync::watch;
use wire::{
    advice::Advice,
    body::InputPrompt,
    failure::{Failure, FailureCode},
    kernel::{ExecAnswer, ExecRequest, ExecStatus},
};

use crate::{print, waiting::Waiting};

/// What a shell answers for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Where the code comes from.
pub enum Source {
    Given(String),
    File(PathBuf),
    Stdin,
    /// Stdin, unless a person sits there who was not told.
    Nothing,
}

impl Source {
    /// From the command line's argument or option; `-` is stdin.
    pub fn of(code: Option<String>, file: Option<PathBuf>) -> Self {
        match (code, file) {
            (_, Some(file)) if file.as_os_str() == "-" => Self::Stdin,
            (_, Some(file)) => Self::File(file),
            (Some(code), None) if code == "-" => Self::Stdin,
            (Some(code), None) => Self::Given(code),
            (None, None) => Self::Nothing,
        }
    }

    fn read(self) -> Result<String, Failure> {
        match self {
            Self::Given(code) => Ok(code),
            Self::File(file) => std::fs::read_to_string(&file).map_err(|error| {
                let what = format!("The file {} could not be read", file.display());
                Failure::new(FailureCode::Invalid, what).because(error.to_string())
            }),
            Self::Nothing if std::io::stdin().is_terminal() => {
                Err(Failure::new(FailureCode::Invalid, "No code given").next(Advice::text(
                    "Pass it as an argument (vivarium exec 'print(1)'), as a file (-f cell.py) or on stdin.",
                )))
            }
            Self::Stdin | Self::Nothing => stdin(),
        }
    }
}

/// Runs a cell. Answers what `sys.exit()` said, 130 where it was interrupted, else 1 where it does not complete.
pub async fn run(
    app: &App,
    source: Source,
    timeout_s: Option<f64>,
    json: bool,
) -> Result<u8, Failure> {
    let code = source.read()?;
    let request = ExecRequest {
        code,
        timeout_s,
        ..Default::default()
    };
    let execution = OnceLock::new();
    let answer = tokio::select! {
        answer = follow(app, &request, json, &execution) => answer?,
        _ = tokio::signal::ctrl_c() => {
            // This one, also where it waits behind somebody else's.
            end(app, &execution).await;
            print::note("The cell was interrupted.");
            return Ok(INTERRUPTED);
        }
    };
    if json {
        print::json(&answer);
    } else {
        match answer.status {
            ExecStatus::Completed | ExecStatus::Failed => {}
            ExecStatus::Interrupted => print::note("The cell was interrupted."),
            ExecStatus::Timeout => print::note("The cell timed out."),
            ExecStatus::Died => {
                print::note("The kernel died while running the cell. A new kernel is starting.")
            }
        }
    }
    Ok(code_of(&answer))
}

fn code_of(answer: &ExecAnswer) -> u8 {
    match (answer.status, answer.exit_code) {
        (ExecStatus::Completed, _) => 0,
        (ExecStatus::Interrupted, _) => INTERRUPTED,
        // No failure looks like a success, whatever the machine says.
        (_, Some(code @ 1..)) => code,
        _ => 1,
    }
}

/// Prints what the cell puts out and answers what it asks, until it ends.
async fn follow(
    app: &App,
    request: &ExecRequest,
    json: bool,
    execution: &OnceLock<String>,
) -> Result<ExecAnswer, Failure> {
    // The newest question alone: a cell may ask without an end while a person thinks.
    let (asks, mut asked) = watch::channel(None);
    let mut program = print::Program::new();
    let has_begun = AtomicBool::new(false);
    let mut tell = |told: CellTold| match told {
        CellTold::Accepted { execution_id } => {
            // It is accepted once.
            let _ = execution.set(execution_id);
        }
        CellTold::Output(output) if json => print::json(&json!({ "output": output })),
        CellTold::Output(output) => program.output(output),
        CellTold::Started { .. } => has_begun.store(true, Ordering::Relaxed),
        // A terminal keeps what it has shown.
        CellTold::Cleared => {}
        CellTold::Input {
            execution_id,
            prompt,
        } => {
            asks.send_replace(prompt.map(|prompt| (execution_id, prompt)));
        }
    };
    let machine = app.machine(None)?;
    let mut cell = machine.exec(request, &mut tell);
    let mut waiting = Waiting::new();
    loop {
        let begun = has_begun.load(Ordering::Relaxed);
        tokio::select! {
            answer = &mut cell => return answer,
            reason = waiting.next(app, begun) => print::note(&reason),
            Ok(()) = asked.changed() => {
                let question = asked.borrow_and_update().clone();
                // The question before is over.
                let Some((execution_id, prompt)) = question else { continue };
                let said = line(prompt);
                tokio::pin!(said);
                let value = loop {
                    tokio::select! {
                        answer = &mut cell => return answer,
                        value = &mut said => break value,
                        reason = waiting.next(app, true) => print::note(&reason),
                    }
                };
                match value {
                    Some(value) => {
                        let answer = json!({"execution_id": execution_id, "value": value});
                        // Where the question is over meanwhile, the cell goes on without it.
                        let _ = app.rpc(None, "kernel_input", answer).await;
                    }
                    None => {
                        end(app, execution).await;
                        return Err(Failure::new(FailureCode::Invalid, "The cell is waiting for input, but stdin is empty")
                            .next(Advice::text("Pass the input on stdin: echo yes | vivarium exec 'input()'.")));
                    }
                }
            }
        }
    }
}

/// The next line of stdin, without its end.
async fn line(InputPrompt { prompt, .. }: InputPrompt) -> Option<String> {
    print::Program::new().err(&prompt);
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let count = std::io::stdin().read_line(&mut line).ok()?;
        (count > 0).then_some(line)
    });
    let line = read.await.ok()??;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Ends the cell, if the kernel has it.
async fn end(app: &App, execution: &OnceLock<String>) {
    if let Some(execution_id) = execution.get() {
        // If it is over already there is nothing to end.
        if let Ok(machine) = app.machine(None) {
            let _ = machine.end_cell(execution_id).await;
        }
    }
}

fn stdin() -> Result<String, Failure> {
    let mut code = String::new();
    std::io::stdin()
        .read_to_string(&mut code)
        .map_err(|error| {
            Failure::new(FailureCode::Invalid, "The code on stdin could not be read")
                .because(error.to_string())
                .next(Advice::text("Use UTF-8 text."))
        })?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_passed_on_and_an_interrupt_has_its_own() {
        let code = |status: &str, exit_code: Option<u8>| {
            let answer = json!({
                "id": "a", "execution_id": "b", "status": status, "stdout": "", "stderr": "", "result": null, "error": null,
                "timing_ms": 1, "execution_count": 1, "outputs": [], "exit_code": exit_code,
            });
            code_of(&serde_json::from_value(answer).unwrap())
        };
        assert_eq!(code("completed", None), 0);
        assert_eq!(code("completed", Some(0)), 0);
        assert_eq!(code("failed", Some(3)), 3);
        assert_eq!(code("failed", Some(0)), 1);
        assert_eq!(code("failed", None), 1);
        assert_eq!(code("interrupted", None), 130);
        assert_eq!(code("timeout", None), 1);
        assert_eq!(code("died", None), 1);
    }
}
