//! How a machine is rebuilt and replaced without ever being lost: one state machine whose place
//! is written to the disk before each step, so that any crash can be picked up.
//!
//! A run that fails before the swap leaves the old machine as it is; one that fails later puts it
//! back. What could not be finished is finished or undone by [`Machine::recover`].
//!
//! Start reading here, at [`Machine::carry_out`], then at `run` and `steps`.
//!
//! - `run`: a run that is carried out; `steps` are its steps, `run_store` what is on the disk
//! - `repo`, `generations`: what is built, and what there was before
//! - `candidate`, `cells`, `returned`: the new machine beside the old one, and what its kernels hold
//! - `container_template`: how the containers of a run are made
//! - `inside`, `report`, `kept`: how a machine is asked and told, and what is kept of its words
//! - `restarter`: the part that a machine can't carry out on itself
//! - `failpoint`: where tests kill the process

mod candidate;
mod cells;
mod container_template;
mod failpoint;
mod generations;
mod inside;
mod kept;
mod repo;
mod report;
mod restarter;
mod returned;
mod run;
mod run_store;
mod steps;

use containers::{CancellationToken, Engine};
use futures_util::future::BoxFuture;
use wire::{
    evolve::{
        Asker, EvolveLog, EvolveRequest, EvolveRun, RollbackRequest, RunKind, RunState, StepName,
        StepState,
    },
    failure::{Failure, FailureCode},
};

pub(crate) use self::{
    generations::Current,
    run_store::{read as read_json, write as write_json},
};
use self::{
    inside::Inside,
    run::{Run, verb},
    run_store::{Asked, RunFile, RunStore},
};
pub use failpoint::{FAILPOINTS, RESTARTER_FAILPOINTS};
pub use kept::asked as asked_run;
pub use report::Reporter;
pub use run_store::now_ms;

use crate::{
    error::LifecycleError,
    machine::Machine,
    plan,
    self_container::{EXECUTOR_DIR, EXECUTOR_IN_DATA},
    spec::Profile,
};

/// How long to wait for cells where nobody says.
const CELL_LIMIT_S: u32 = 60;

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run as it stands now.
    Run(Box<EvolveRun>),
    /// A line of its log.
    Line(String),
}

/// Hears a run.
pub type OnRunEvent<'a> = &'a mut (dyn FnMut(RunEvent) + Send + Sync);

/// A run to be carried out.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Names it: letters and digits.
    pub run_id: String,
    /// Who asked for it.
    pub asked_by: Asker,
    /// For what.
    pub work: RunWork,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub enum RunWork {
    /// Builds and puts in place a new generation.
    Evolve(EvolveRequest),
    /// Puts an earlier one in place.
    Rollback(RollbackRequest),
}

impl Machine {
    pub(crate) fn evolve_dir(&self) -> std::path::PathBuf {
        match &self.self_container {
            Some(_) => EXECUTOR_DIR.into(),
            None => match plan::data_source(&self.spec, &self.paths) {
                Some(data) => data.join(EXECUTOR_IN_DATA),
                None => self.paths.machine_dir(&self.names.machine).join("evolve"),
            },
        }
    }

    fn run_store(&self) -> RunStore {
        RunStore::at(self.evolve_dir())
    }

    /// Carries out a run to its end; how it ended stands in what it answers.
    ///
    /// # Errors
    /// [`LifecycleError::RunName`] where its name isn't a new one;
    /// [`LifecycleError::Busy`] and [`LifecycleError::File`] where it could not begin, or could
    /// not be brought to an end: then [`recover`](Self::recover) does that.
    pub fn carry_out<'a>(
        &'a self,
        engine: &'a Engine,
        order: RunRequest,
        cancel: &'a CancellationToken,
        hear: OnRunEvent<'a>,
    ) -> BoxFuture<'a, Result<EvolveRun, LifecycleError>> {
        Box::pin(async move {
            self.check_run_id(&order.run_id)?;
            let _lock = self.lock()?;
            self.recover_locked(engine, &mut |_| {}).await?;
            let (kind, note, asked) = match order.work {
                RunWork::Evolve(request) => (
                    RunKind::Evolve,
                    request.note,
                    Asked {
                        running_cell: request.running_cell,
                        cell_limit_s: request.cell_limit_s,
                        tree: request.tree,
                        ..Default::default()
                    },
                ),
                RunWork::Rollback(request) => {
                    let all = self.read_generations()?;
                    let number = match request.number.or_else(|| all.before_current()) {
                        Some(number) if all.get(number).is_some() => number,
                        Some(number) => return Err(LifecycleError::NoGeneration { number }),
                        None => return Err(LifecycleError::NoEarlier),
                    };
                    (
                        RunKind::Rollback,
                        Some(format!("Rollback to generation {number}")),
                        Asked {
                            running_cell: request.running_cell,
                            cell_limit_s: request.cell_limit_s,
                            keep_repo: request.keep_repo,
                            state: request.state,
                            to: Some(number),
                            tree: None,
                        },
                    )
                }
            };
            let file = RunFile {
                run: EvolveRun {
                    state: RunState::Running,
                    note: note.as_deref().map(kept::note),
                    running_cell: asked.running_cell,
                    generation: asked.to,
                    ..EvolveRun::new(order.run_id, kind, order.asked_by, now_ms())
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
                handed_over: false,
            };
            Run::new(self, engine, cancel, hear, file).drive().await
        })
    }

    /// Whether a run that is asked for may be called so: the machine chooses the name where the machine
    /// asks, and files and a branch are named after it. It is plain, and no earlier run's; one of which
    /// only the generation is remembered counts too.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn is_new_run_id(&self, run_id: &str) -> Result<bool, LifecycleError> {
        let is_plain =
            (1..=40).contains(&run_id.len()) && run_id.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_plain {
            return Ok(false);
        }
        let all = self.read_generations()?;
        let made = all
            .records
            .iter()
            .filter_map(|record| record.run_id.as_deref());
        let saved = all.saved.iter().map(|saved| saved.run_id.as_str());
        Ok(made.chain(saved).all(|known| known != run_id)
            && self.runs()?.iter().all(|run| run.run_id != run_id))
    }

    /// Puts a run into the history that a person refused: nothing was carried out, and it can't be
    /// asked for again.
    ///
    /// # Errors
    /// [`LifecycleError::RunName`] where its name isn't a new one; [`LifecycleError::File`].
    pub fn keep_refused(&self, run: &EvolveRun) -> Result<(), LifecycleError> {
        self.check_run_id(&run.run_id)?;
        let mut run = run.clone();
        kept::run(&mut run);
        self.run_store().keep(&run)
    }

    fn check_run_id(&self, run_id: &str) -> Result<(), LifecycleError> {
        if self.is_new_run_id(run_id)? {
            return Ok(());
        }
        Err(LifecycleError::RunName {
            run_id: kept::note(run_id),
        })
    }

    /// Whether a run was cut off and nobody works on it.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        // One that its restarters have goes on without us.
        let is_ours = |file: &RunFile| self.self_container.is_some() || !file.handed_over;
        matches!(self.run_store().unfinished(), Ok(Some(file)) if is_ours(&file))
            && self.lock().is_ok()
    }

    /// Finishes or undoes a run that was cut off; `None` where there is none.
    ///
    /// # Errors
    /// [`LifecycleError::Busy`] where another process carries it out, else as
    /// [`carry_out`](Self::carry_out).
    pub fn recover<'a>(
        &'a self,
        engine: &'a Engine,
        hear: OnRunEvent<'a>,
    ) -> BoxFuture<'a, Result<Option<EvolveRun>, LifecycleError>> {
        Box::pin(async move {
            if self.run_store().unfinished()?.is_none() {
                return Ok(None);
            }
            let _lock = self.lock()?;
            self.recover_locked(engine, hear).await
        })
    }

    /// As [`recover`](Self::recover), for those who hold the lock.
    pub(crate) async fn recover_locked(
        &self,
        engine: &Engine,
        hear: OnRunEvent<'_>,
    ) -> Result<Option<EvolveRun>, LifecycleError> {
        let Some(mut file) = self.run_store().unfinished()? else {
            return Ok(None);
        };
        if self.self_container.is_none() && file.handed_over && self.has_restarters(engine).await? {
            // The engine starts them until they are done.
            return Err(LifecycleError::Busy {
                name: self.names.container.clone(),
                holder: None,
            });
        }
        if !self.may_begin_swap(&file) {
            tracing::warn!(run_id = file.run.run_id, step = ?file.next, "a run of evolve was cut off");
        }
        let now = now_ms();
        for step in &mut file.run.steps {
            if step.state == StepState::Running {
                step.state = StepState::Failed;
                step.ended_at = Some(now);
                step.note = Some("Interrupted here".into());
            }
        }
        // The new machine is in place: it is given its chance. Before that it goes, unless the swap
        // is a restarter's that has not begun yet.
        if file.next < StepName::Settle && !self.may_begin_swap(&file) {
            let failure =
                Failure::new(FailureCode::Internal, "The run was interrupted").because(format!(
                    "the process that carried it out exited before it could {}",
                    verb(file.next)
                ));
            file.run.error = Some(failure.to_string());
            file.run.failure = Some(failure);
            file.next = StepName::Undo;
        }
        let never = CancellationToken::new();
        let mut lines = Vec::new();
        let mut also = |told: RunEvent| {
            if let RunEvent::Line(line) = &told {
                lines.push(line.clone());
            }
            hear(told);
        };
        let run = Run::new(self, engine, &never, &mut also, file)
            .drive()
            .await?;
        if run.asked_by == Asker::Machine && self.self_container.is_none() {
            // What asked for it waits in there for its end.
            if let Err(error) = self.report_end(engine, &run, &lines).await {
                tracing::debug!(%error, "the machine did not hear how its run ended");
            }
        }
        Ok(Some(run))
    }

    /// All runs that are remembered, newest first.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn runs(&self) -> Result<Vec<EvolveRun>, LifecycleError> {
        self.run_store().runs()
    }

    /// A run's log from a place on.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn run_log(&self, run_id: &str, after: u64) -> Result<EvolveLog, LifecycleError> {
        self.run_store().read_log(run_id, after)
    }

    pub(crate) fn inside<'a>(&self, engine: &'a Engine, container: &'a str) -> Inside<'a> {
        let user = match self.spec.profile {
            Profile::Default => Some("os"),
            Profile::Locked => None,
        };
        Inside {
            engine,
            container,
            user,
        }
    }
}
