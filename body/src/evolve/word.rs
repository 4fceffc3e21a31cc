//! `evolve` on the command line inside: asks for a run, and follows it where that is wanted.

use std::{process::ExitCode, time::Duration};

use wire::{
    evolve::{EvolveWish, RunState, RunningCell, StepName},
    routes::{CancelEvolve, GetEvolveStatus, StartEvolve},
};

use super::call::{self, CallError};

const USAGE: &str =
    "usage: evolve [--note TEXT] [--interrupt-cells] | evolve --cancel | evolve --status";
/// Between two looks at a run.
const LOOK: Duration = Duration::from_secs(1);

/// `body evolve …`.
pub fn run(words: &[String]) -> ExitCode {
    let mut wish = EvolveWish::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--status" => return told(status()),
            "--cancel" => return told(cancel()),
            "--interrupt-cells" => wish.running_cell = Some(RunningCell::Interrupt),
            "--note" => match words.next() {
                Some(note) => wish.note = Some(note.clone()),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    told(ask(&wish))
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

fn ask(wish: &EvolveWish) -> Result<(), CallError> {
    let started = call::ask::<StartEvolve>((), wish)?;
    println!("Run {}: {}", started.run_id, started.message);
    // This terminal ends with the machine; until then it shows where the run is.
    let mut seen = 0;
    loop {
        std::thread::sleep(LOOK);
        let status = call::ask::<GetEvolveStatus>((), &())?;
        let Some(run) = status.latest_run else {
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
            RunState::Asked | RunState::AwaitsYes if !status.executor_present => return Ok(()),
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
    call::ask::<CancelEvolve>((), &())?;
    println!("The run was withdrawn.");
    Ok(())
}

fn status() -> Result<(), CallError> {
    let status = call::ask::<GetEvolveStatus>((), &())?;
    println!("{}", serde_json::to_string_pretty(&status)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_ends_are_told_in_words_and_not_as_the_program_has_them() {
        assert_eq!(step_name(StepName::Prove), "Prove");
        let ends = [
            RunState::Undone,
            RunState::Failed,
            RunState::Refused,
            RunState::Cancelled,
        ];
        for state in ends {
            let words = ended(state);
            assert_ne!(words, format!("{state:?}"));
            assert!(words.starts_with(char::is_lowercase), "{words}");
        }
    }
}
