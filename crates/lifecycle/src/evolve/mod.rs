//! How a machine is rebuilt and replaced without ever being lost: one state machine whose place
//! is written to the disk before each step, so that any crash can be picked up.
//!
//! A run that fails before the swap leaves the old machine as it is; one that fails later puts it
//! back. What could not be finished is finished or undone by [`Machine::recover`].

mod book;
mod failpoint;
mod generations;
pub(crate) mod git;
mod inside;
mod leave;
mod make;
mod replace;
mod repo;

use dock::{CancellationToken, Dock};
use wire::{
    evolve::{
        Asker, EvolveLog, EvolveRequest, EvolveRun, EvolveStep, RollbackRequest, RunKind, RunState,
        StepName, StepState,
    },
    failure::{Failure, FailureCode},
};

pub(crate) use self::generations::Current;
use self::{
    book::{Asked, Book, RunFile, now_ms},
    inside::Inside,
};
pub use failpoint::FAILPOINTS;
use failpoint::failpoint;

use crate::{error::LifecycleError, machine::Machine, plan::Placed, spec::Profile};

/// How long to wait for cells where nobody says.
const CELL_LIMIT_S: u32 = 60;

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum Told {
    /// The run as it stands now.
    Run(Box<EvolveRun>),
    /// A line of its log.
    Line(String),
}

/// Hears a run.
pub type Hear<'a> = &'a mut (dyn FnMut(Told) + Send + Sync);

/// A run to be carried out.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names it: letters and digits.
    pub run_id: String,
    /// Who asked for it.
    pub asked_by: Asker,
    /// For what.
    pub what: What,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub enum What {
    /// Builds and puts in place a new generation.
    Evolve(EvolveRequest),
    /// Puts an earlier one in place.
    Rollback(RollbackRequest),
}

impl Machine {
    pub(crate) fn evolve_dir(&self) -> std::path::PathBuf {
        self.paths.machine_dir(&self.names.machine).join("evolve")
    }

    fn book(&self) -> Book {
        Book::at(self.evolve_dir())
    }

    /// Carries out a run to its end; how it ended stands in what it answers.
    ///
    /// # Errors
    /// [`LifecycleError::Busy`] and [`LifecycleError::File`] where it could not begin, or could
    /// not be brought to an end: then [`recover`](Self::recover) does that.
    pub async fn carry_out(
        &self,
        dock: &Dock,
        order: Order,
        cancel: &CancellationToken,
        hear: Hear<'_>,
    ) -> Result<EvolveRun, LifecycleError> {
        let _lock = self.lock()?;
        self.recover_locked(dock, &mut |_| {}).await?;
        let (kind, note, asked) = match order.what {
            What::Evolve(request) => (
                RunKind::Evolve,
                request.note,
                Asked {
                    running_cell: request.running_cell,
                    cell_limit_s: request.cell_limit_s,
                    ..Default::default()
                },
            ),
            What::Rollback(request) => {
                let all = self.read_generations()?;
                let number = match request.number.or_else(|| all.before_current()) {
                    Some(number) if all.get(number).is_some() => number,
                    Some(number) => return Err(LifecycleError::NoGeneration { number }),
                    None => return Err(LifecycleError::NoEarlier),
                };
                (
                    RunKind::Rollback,
                    Some(format!("Back to generation {number}")),
                    Asked {
                        running_cell: request.running_cell,
                        cell_limit_s: request.cell_limit_s,
                        keep_repo: request.keep_repo,
                        state: request.state,
                        to: Some(number),
                    },
                )
            }
        };
        let file = RunFile {
            run: EvolveRun {
                run_id: order.run_id,
                kind,
                state: RunState::Running,
                asked_by: order.asked_by,
                note,
                running_cell: asked.running_cell,
                started_at: now_ms(),
                ended_at: None,
                steps: Vec::new(),
                error: None,
                failure: None,
                generation: asked.to,
                from_generation: None,
                commit: None,
                report: Default::default(),
            },
            asked,
            next: StepName::Prepare,
            old: None,
            image_id: None,
            image: None,
            new_id: None,
            stopped_at: None,
            repo_before: None,
            built: Vec::new(),
        };
        Run::new(self, dock, cancel, hear, file).drive().await
    }

    /// Whether a run was cut off and nobody works on it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self.book().unfinished(), Ok(Some(_))) && self.lock().is_ok()
    }

    /// Finishes or undoes a run that was cut off; `None` where there is none.
    ///
    /// # Errors
    /// [`LifecycleError::Busy`] where another process carries it out, else as
    /// [`carry_out`](Self::carry_out).
    pub async fn recover(
        &self,
        dock: &Dock,
        hear: Hear<'_>,
    ) -> Result<Option<EvolveRun>, LifecycleError> {
        if self.book().unfinished()?.is_none() {
            return Ok(None);
        }
        let _lock = self.lock()?;
        self.recover_locked(dock, hear).await
    }

    /// As [`recover`](Self::recover), for those who hold the lock.
    pub(crate) async fn recover_locked(
        &self,
        dock: &Dock,
        hear: Hear<'_>,
    ) -> Result<Option<EvolveRun>, LifecycleError> {
        let Some(mut file) = self.book().unfinished()? else {
            return Ok(None);
        };
        tracing::warn!(run_id = file.run.run_id, step = ?file.next, "a run of evolve was cut off");
        let now = now_ms();
        for step in &mut file.run.steps {
            if step.state == StepState::Running {
                step.state = StepState::Failed;
                step.ended_at = Some(now);
                step.note = Some("It was cut off here".into());
            }
        }
        // The new machine is in place: it is given its chance. Before that it goes.
        if file.next < StepName::Settle {
            let failure =
                Failure::new(FailureCode::Internal, "The run was cut off").because(format!(
                    "what carried it out ended while it was to {}",
                    verb(file.next)
                ));
            file.run.error = Some(failure.to_string());
            file.run.failure = Some(failure);
            file.next = StepName::Undo;
        }
        let never = CancellationToken::new();
        let run = Run::new(self, dock, &never, hear, file).drive().await?;
        Ok(Some(run))
    }

    /// All runs that are remembered, newest first.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn runs(&self) -> Result<Vec<EvolveRun>, LifecycleError> {
        self.book().runs()
    }

    /// A run's log from a place on.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn run_log(&self, run_id: &str, after: u64) -> Result<EvolveLog, LifecycleError> {
        self.book().read_log(run_id, after)
    }

    pub(crate) fn inside<'a>(&self, dock: &'a Dock, container: &'a str) -> Inside<'a> {
        let user = match self.spec.profile {
            Profile::Default => Some("os"),
            Profile::Locked => None,
        };
        Inside {
            dock,
            container,
            user,
        }
    }
}

/// What a step does, after "to".
fn verb(step: StepName) -> &'static str {
    match step {
        StepName::Prepare => "prepare",
        StepName::Build => "build the image",
        StepName::Prove => "prove the candidate",
        StepName::Carry => "store the namespaces",
        StepName::Swap => "put the new machine in place",
        StepName::Settle => "wait for the new machine",
        StepName::Tidy => "tidy up",
        StepName::Undo => "bring the old machine back",
    }
}

/// What a step says at its end.
pub(crate) enum Done {
    /// It was done; with a sentence, where there is something to say.
    With(Option<String>),
    /// There was no need of it, or no way; why.
    Skipped(String),
}

/// A run that is being carried out.
pub(crate) struct Run<'a> {
    machine: &'a Machine,
    dock: &'a Dock,
    cancel: &'a CancellationToken,
    hear: Hear<'a>,
    book: Book,
    file: RunFile,
}

impl<'a> Run<'a> {
    fn new(
        machine: &'a Machine,
        dock: &'a Dock,
        cancel: &'a CancellationToken,
        hear: Hear<'a>,
        file: RunFile,
    ) -> Self {
        Self {
            machine,
            dock,
            cancel,
            hear,
            book: machine.book(),
            file,
        }
    }

    async fn drive(mut self) -> Result<EvolveRun, LifecycleError> {
        loop {
            let step = self.file.next;
            self.begin(step)?;
            let done = match step {
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
            self.fail(step, &failure)?;
            match step {
                // Nothing was changed yet.
                StepName::Prepare => return self.end(),
                // The new machine is good; what could not be removed is removed by a later run.
                StepName::Tidy => {
                    self.warn(format!("Not all could be tidied up: {failure}"));
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
                self.line(line);
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
    fn save(&mut self) -> Result<(), LifecycleError> {
        self.book.write(&self.file)?;
        (self.hear)(Told::Run(Box::new(self.file.run.clone())));
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
        self.line(&format!("== {}", ended(self.file.run.state)));
        self.book.end(&self.file.run)?;
        (self.hear)(Told::Run(Box::new(self.file.run.clone())));
        Ok(self.file.run)
    }

    fn line(&mut self, text: &str) {
        note(
            &self.book,
            &self.file.run.run_id,
            self.hear,
            text.to_owned(),
        );
    }

    fn warn(&mut self, text: String) {
        self.line(&format!("note: {text}"));
        self.file.run.report.warnings.push(text);
    }

    fn cancelled(&self) -> Result<(), LifecycleError> {
        if self.cancel.is_cancelled() {
            return Err(LifecycleError::Cancelled);
        }
        Ok(())
    }

    /// The machine's container, and what stands beside it while a run goes on.
    fn placed(&self, place: Placed) -> String {
        self.machine.names.placed(place)
    }
}

/// Writes a line into a run's log, and tells it.
fn note(book: &Book, run_id: &str, hear: Hear<'_>, text: String) {
    if let Err(error) = book.log(run_id, &text) {
        tracing::warn!(%error, "a run's log can't be written");
    }
    hear(Told::Line(text));
}

fn ended(state: RunState) -> &'static str {
    match state {
        RunState::Good => "good: the new machine is in place",
        RunState::Undone => "undone: the old machine is in place",
        RunState::Failed => "failed: nothing was changed",
        RunState::Cancelled => "cancelled: the old machine is in place",
        RunState::Refused => "refused",
        RunState::Asked | RunState::AwaitsYes | RunState::Running => "not over",
    }
}
