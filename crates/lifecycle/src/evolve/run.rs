//! A run that is carried out: the state machine itself, and what it writes and tells at each turn.

use containers::{CancellationToken, Engine};
use wire::{
    evolve::{EvolveRun, EvolveStep, RunKind, RunState, StepName, StepState},
    failure::{Failure, FailureCode},
};

use super::{
    OnRunEvent, RunEvent,
    failpoint::failpoint,
    kept,
    run_store::{RunFile, RunStore, now_ms},
};
use crate::{error::LifecycleError, machine::Machine, plan::Placed};

/// What a step does, after "to".
pub(super) fn verb(step: StepName) -> &'static str {
    match step {
        StepName::Prepare => "prepare",
        StepName::Build => "build the image",
        StepName::Prove => "test the new machine",
        StepName::Carry => "save the variables",
        StepName::Swap => "replace the old machine",
        StepName::Settle => "wait for the new machine",
        StepName::Tidy => "remove old images and containers",
        StepName::Undo => "restore the old machine",
    }
}

/// What a step says at its end.
pub(super) enum Done {
    /// It was done; with a sentence, where there is something to say.
    With(Option<String>),
    /// There was no need of it, or no way; why.
    Skipped(String),
}

/// A run that is being carried out.
pub(super) struct Run<'a> {
    pub machine: &'a Machine,
    pub engine: &'a Engine,
    pub cancel: &'a CancellationToken,
    pub hear: OnRunEvent<'a>,
    pub run_store: RunStore,
    pub file: RunFile,
    /// What had changed in the old container when the candidate was proved, and when that was looked for, in Unix seconds.
    pub changed: Option<(u64, Vec<String>)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        machine: &'a Machine,
        engine: &'a Engine,
        cancel: &'a CancellationToken,
        hear: OnRunEvent<'a>,
        file: RunFile,
    ) -> Self {
        Self {
            machine,
            engine,
            cancel,
            hear,
            run_store: machine.run_store(),
            file,
            changed: None,
        }
    }

    pub(super) async fn drive(mut self) -> Result<EvolveRun, LifecycleError> {
        loop {
            let step = self.file.next;
            if self.is_anothers(step) {
                match self.hand_over().await {
                    Ok(()) => return Ok(self.file.run),
                    Err(error) => {
                        self.begin(step)?;
                        self.fail(step, &Failure::from(error))?;
                        self.file.next = StepName::Undo;
                        continue;
                    }
                }
            }
            let begun = self.begin(step);
            let done = match step {
                // An undo is made also where that can't be written: made twice it harms nothing.
                _ if begun.is_err() && step != StepName::Undo => begun.map(|()| Done::With(None)),
                StepName::Prepare => self.prepare().await,
                StepName::Build => self.build().await,
                StepName::Prove => self.prove().await,
                StepName::Carry => self.carry().await,
                StepName::Swap => self.swap().await,
                StepName::Settle => self.settle().await,
                StepName::Tidy => self.tidy().await,
                StepName::Undo => self.undo().await,
            };
            let error = match done {
                Ok(done) => {
                    self.close(step, done);
                    match self.following(step) {
                        Some(next) => self.file.next = next,
                        None => return self.end(),
                    }
                    continue;
                }
                Err(error) => error,
            };
            let failure = Failure::from(error);
            if let Err(error) = self.fail(step, &failure) {
                tracing::warn!(%error, "where a run stands can't be written");
            }
            match step {
                // Nothing was changed yet.
                StepName::Prepare => return self.end(),
                // The new machine is good; what could not be removed is removed by a later run.
                StepName::Tidy => {
                    self.warn(format!(
                        "Some old images or containers could not be removed: {failure}"
                    ));
                    return self.end();
                }
                // As it stands on the disk it is taken up again.
                StepName::Undo => return Err(LifecycleError::NotUndone { failure }),
                _ => self.file.next = StepName::Undo,
            }
        }
    }

    fn following(&self, step: StepName) -> Option<StepName> {
        Some(match step {
            StepName::Prepare if self.file.run.kind == RunKind::Rollback => StepName::Carry,
            StepName::Prepare => StepName::Build,
            StepName::Build => StepName::Prove,
            StepName::Prove => StepName::Carry,
            StepName::Carry => StepName::Swap,
            StepName::Swap => StepName::Settle,
            StepName::Settle => StepName::Tidy,
            StepName::Tidy | StepName::Undo => return None,
        })
    }

    fn begin(&mut self, step: StepName) -> Result<(), LifecycleError> {
        self.file.run.steps.push(EvolveStep {
            name: step,
            state: StepState::Running,
            started_at: now_ms(),
            ended_at: None,
            note: None,
        });
        self.save()?;
        self.line(&format!("== {}", verb(step)));
        failpoint(match step {
            StepName::Prepare => "prepare",
            StepName::Build => "build",
            StepName::Prove => "prove",
            StepName::Carry => "carry",
            StepName::Swap => "swap",
            StepName::Settle => "settle",
            StepName::Tidy => "tidy",
            StepName::Undo => "undo",
        });
        Ok(())
    }

    fn close(&mut self, step: StepName, done: Done) {
        let (state, note) = match done {
            Done::With(note) => (StepState::Done, note),
            Done::Skipped(why) => (StepState::Skipped, Some(why)),
        };
        self.mark(step, state, note);
    }

    fn mark(&mut self, step: StepName, state: StepState, note: Option<String>) {
        if let Some(note) = &note {
            self.line(note);
        }
        let open = self.file.run.steps.iter_mut().rev();
        if let Some(open) = open.into_iter().find(|open| open.name == step) {
            open.state = state;
            open.ended_at = Some(now_ms());
            open.note = note;
        }
    }

    fn fail(&mut self, step: StepName, failure: &Failure) -> Result<(), LifecycleError> {
        if let Some(detail) = &failure.detail {
            for line in detail.lines() {
                self.line(&quoted(line));
            }
        }
        self.mark(step, StepState::Failed, Some(failure.to_string()));
        if self.file.run.failure.is_none() && step != StepName::Tidy {
            self.file.run.error = Some(failure.to_string());
            self.file.run.failure = Some(failure.clone());
        }
        self.save()
    }

    /// Writes where the run stands, and tells it.
    pub(super) fn save(&mut self) -> Result<(), LifecycleError> {
        kept::run(&mut self.file.run);
        self.run_store.write(&self.file)?;
        (self.hear)(RunEvent::Run(Box::new(self.file.run.clone())));
        Ok(())
    }

    fn end(mut self) -> Result<EvolveRun, LifecycleError> {
        let undone = self
            .file
            .run
            .steps
            .iter()
            .any(|step| step.name == StepName::Undo);
        self.file.run.state = match &self.file.run.failure {
            None => RunState::Good,
            Some(failure) if failure.code == FailureCode::Cancelled => RunState::Cancelled,
            Some(_) if undone => RunState::Undone,
            Some(_) => RunState::Failed,
        };
        self.file.run.ended_at = Some(now_ms());
        kept::run(&mut self.file.run);
        self.line(&format!("== {}", ended(self.file.run.state)));
        self.run_store.end(&self.file.run)?;
        (self.hear)(RunEvent::Run(Box::new(self.file.run.clone())));
        Ok(self.file.run)
    }

    pub(super) fn line(&mut self, text: &str) {
        note(&self.run_store, &self.file.run.run_id, self.hear, text);
    }

    pub(super) fn warn(&mut self, text: String) {
        self.line(&format!("note: {text}"));
        self.file.run.report.warnings.push(text);
    }

    pub(super) fn cancelled(&self) -> Result<(), LifecycleError> {
        if self.cancel.is_cancelled() {
            return Err(LifecycleError::Cancelled);
        }
        Ok(())
    }

    /// The machine's container, and what stands beside it while a run goes on.
    pub(super) fn placed(&self, place: Placed) -> String {
        self.machine.names.placed(place)
    }
}

/// A line of somebody else's in a run's log: it can't be taken for one of the run's own.
pub(super) fn quoted(line: &str) -> String {
    format!("    {line}")
}

/// Writes a line into a run's log, and tells it.
pub(super) fn note(run_store: &RunStore, run_id: &str, hear: OnRunEvent<'_>, text: &str) {
    let text = kept::line(text);
    if let Err(error) = run_store.log(run_id, &text) {
        tracing::warn!(%error, "a run's log can't be written");
    }
    hear(RunEvent::Line(text));
}

fn ended(state: RunState) -> &'static str {
    match state {
        RunState::Good => "good: the new machine is running",
        RunState::Undone => "undone: the old machine was kept",
        RunState::Failed => "failed: nothing was changed",
        RunState::Cancelled => "cancelled: the old machine was kept",
        RunState::Refused => "refused",
        RunState::Asked | RunState::AwaitsYes | RunState::Running => "not finished",
    }
}
