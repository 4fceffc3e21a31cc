//! `evolve` on the command line inside: asks for a run, and follows it where that is wanted.

use std::{process::ExitCode, time::Duration};

use wire::{
    evolve::{EvolveMachineStatus, EvolveStarted, RunState, StepName},
    kernel::ErrorAnswer,
};

use super::call::{self, CallError};

const USAGE: &str =
    "usage: evolve [--note TEXT] [--interrupt-cells] | evolve --cancel | evolve --status";
/// Between two looks at a run.
const LOOK: Duration = Duration::from_secs(1);

/// `body evolve …`.
pub fn run(words: &[String]) -> ExitCode {
    let mut wish = serde_json::Map::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--status" => return told(status()),
            "--cancel" => return told(cancel()),
            "--interrupt-cells" => {
                wish.insert("running_cell".into(), "interrupt".into());
            }
            "--note" => match words.next() {
                Some(note) => {
                    wish.insert("note".into(), note.as_str().into());
                }
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    told(ask(&serde_json::Value::Object(wish)))
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn told(ended: Result<(), CallError>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("evolve: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn ask(wish: &serde_json::Value) -> Result<(), CallError> {
    let (status, body) = call::request("POST", "/evolve", &wish.to_string())?;
    if status != 200 {
        return Err(refusal(status, &body));
    }
    let started: EvolveStarted = serde_json::from_slice(&body)?;
    println!("Run {}: {}", started.run_id, started.message);
    // This terminal ends with the machine; until then it shows where the run is.
    let mut seen = 0;
    loop {
        std::thread::sleep(LOOK);
        let Some(run) = read()?.latest_run else {
            return Ok(());
        };
        if run.run_id != started.run_id {
            return Ok(());
        }
        for step in run.steps.iter().skip(seen) {
            println!("{}", step_name(step.name));
        }
        seen = run.steps.len();
        match run.state {
            RunState::Asked | RunState::AwaitsYes if !read()?.executor_present => return Ok(()),
            RunState::Asked | RunState::AwaitsYes | RunState::Running => {}
            RunState::Good => return Ok(()),
            state => {
                let why = run.error.unwrap_or_else(|| "no reason given".into());
                return Err(CallError::Odd(format!("{}: {why}", ended(state))));
            }
        }
    }
}

fn step_name(step: StepName) -> &'static str {
    match step {
        StepName::Prepare => "Prepare",
        StepName::Build => "Build",
        StepName::Prove => "Prove",
        StepName::Carry => "Carry",
        StepName::Swap => "Swap",
        StepName::Settle => "Settle",
        StepName::Tidy => "Tidy",
        StepName::Undo => "Undo",
    }
}

fn ended(state: RunState) -> &'static str {
    match state {
        RunState::Undone => "failed, the old machine was kept",
        RunState::Failed => "failed, nothing was changed",
        RunState::Refused => "declined",
        RunState::Cancelled => "cancelled",
        RunState::Asked | RunState::AwaitsYes | RunState::Running => "not finished",
        RunState::Good => "successful",
    }
}

fn cancel() -> Result<(), CallError> {
    match call::request("POST", "/evolve/cancel", "")? {
        (200, _) => {
            println!("The run was withdrawn.");
            Ok(())
        }
        (status, body) => Err(refusal(status, &body)),
    }
}

fn refusal(status: u16, body: &[u8]) -> CallError {
    CallError::Odd(match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => answer.error.message,
        Err(_) => format!("the machine responded with {status}"),
    })
}

fn status() -> Result<(), CallError> {
    let status = read()?;
    let text = serde_json::to_string_pretty(&status)?;
    println!("{text}");
    Ok(())
}

fn read() -> Result<EvolveMachineStatus, CallError> {
    let (_, body) = call::request("GET", "/evolve/status", "")?;
    Ok(serde_json::from_slice(&body)?)
}
