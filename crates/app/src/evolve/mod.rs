//! Evolve at the host: runs that views ask for, those that the machine asks for, the picking up
//! of what was cut off, and the generations.
//!
//! `wishes` is what the machine asks for, `generations` what there was before.

mod generations;
mod wishes;

use futures_util::future::BoxFuture;
use lifecycle::{CancellationToken, RunEvent, RunRequest, RunWork};
use wire::{
    advice::Advice,
    commands::{Nothing, RunStarted},
    evolve::{
        Asker, EvolveLog, EvolveLogRequest, EvolveRequest, EvolveRun, EvolveRunId, EvolveRunList,
        EvolveStatus, ExecutorKind, RepoDiff, RollbackRequest, RunState, StepName,
    },
    failure::{Failure, FailureCode},
    job::{JobKind, JobOwner},
    stream::Event,
};

use crate::MachineHandle;

impl MachineHandle {
    /// Begins an evolve; goes on as events.
    pub(crate) async fn evolve_start(&self, request: EvolveRequest) -> Result<RunStarted, Failure> {
        self.begin_evolve(RunWork::Evolve(request))
    }

    /// Begins to go back to a generation; goes on as events.
    pub(crate) async fn generation_rollback(
        &self,
        request: RollbackRequest,
    ) -> Result<RunStarted, Failure> {
        self.begin_evolve(RunWork::Rollback(request))
    }

    fn begin_evolve(&self, work: RunWork) -> Result<RunStarted, Failure> {
        // A spec that can't be read is told at once.
        self.machine()?;
        let kind = match work {
            RunWork::Evolve(_) => JobKind::Evolve,
            RunWork::Rollback(_) => JobKind::Rollback,
        };
        let run_id = ulid::Ulid::generate().to_string();
        let cancel = self.begin_run(&run_id, kind, JobOwner::Person);
        let order = RunRequest {
            run_id: run_id.clone(),
            asked_by: Asker::Person,
            work,
        };
        let machine = self.clone();
        self.inner.tasks.spawn(async move {
            let id = order.run_id.clone();
            let ended = machine.carry_out(order, &cancel).await;
            let failure = match ended {
                Ok(run) => run.failure,
                Err(failure) => Some(failure),
            };
            if let Some(failure) = &failure {
                tracing::warn!(run_id = id, %failure, "an evolve failed");
            }
            machine.end_run(id, kind, failure);
        });
        Ok(RunStarted { run_id })
    }

    /// Carries a run out to its end, and tells the stream.
    async fn carry_out(
        &self,
        order: RunRequest,
        cancel: &CancellationToken,
    ) -> Result<EvolveRun, Failure> {
        let run_id = order.run_id.clone();
        let machine = self.machine()?;
        let engine = self.connect().await?;
        let mut hear = |told| self.hear(&run_id, told);
        let ended = machine.carry_out(&engine, order, cancel, &mut hear).await;
        self.evolve_ended().await;
        Ok(ended?)
    }

    fn hear(&self, run_id: &str, told: RunEvent) {
        match told {
            RunEvent::Run(run) => self.tell_run(*run),
            RunEvent::Line(line) => self.inner.journal.publish(Event::EvolveLog {
                run_id: run_id.to_owned(),
                lines: vec![line],
            }),
        }
    }

    /// Tells views how a run stands now.
    fn tell_run(&self, run: EvolveRun) {
        self.inner.journal.publish(Event::Evolve { run });
        self.inner.jobs.changed();
    }

    /// Generations and the machine may be others now.
    async fn evolve_ended(&self) {
        self.inner.journal.publish(Event::Generations);
        match self.status_now().await {
            Ok(status) => self.inner.journal.publish(Event::Machine { status }),
            Err(failure) => tracing::debug!(%failure, "could not look at the machine"),
        }
    }

    /// Finishes or undoes a run that was cut off, where there is one that nobody carries out.
    ///
    /// # Errors
    /// Where it could not be brought to an end.
    pub fn recover<'a>(&'a self) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let machine = self.machine()?;
            if !machine.is_interrupted() {
                return Ok(());
            }
            let engine = self.connect().await?;
            let run_id = machine
                .runs()?
                .into_iter()
                .next()
                .map(|run| run.run_id)
                .unwrap_or_default();
            let mut hear = |told| self.hear(&run_id, told);
            let recovered = machine.recover(&engine, &mut hear).await;
            match recovered {
                // Another process was quicker.
                Err(error) if is_busy(&error) => return Ok(()),
                other => other?,
            };
            self.evolve_ended().await;
            Ok(())
        })
    }

    pub(crate) async fn evolve_preview(&self, _: Nothing) -> Result<RepoDiff, Failure> {
        Ok(self.machine()?.preview().await?)
    }

    pub(crate) async fn evolve_status(&self, _: Nothing) -> Result<EvolveStatus, Failure> {
        let machine = self.machine()?;
        let spec = machine.spec();
        let mut status = EvolveStatus {
            latest_run: machine.runs()?.into_iter().next(),
            interrupted: machine.is_interrupted(),
            executor: match spec.executor {
                lifecycle::Executor::Host => ExecutorKind::Host,
                lifecycle::Executor::Socket => ExecutorKind::Socket,
            },
            needs_yes: spec.evolve.needs_yes,
            repo: machine.repo_dir().display().to_string(),
        };
        if let Some(wish) = self.wish().await
            && status
                .latest_run
                .as_ref()
                .is_none_or(|run| run.started_at < wish.started_at)
        {
            status.latest_run = Some(wish);
        }
        Ok(status)
    }

    pub(crate) async fn evolve_runs(&self, _: Nothing) -> Result<EvolveRunList, Failure> {
        let mut runs = self.machine()?.runs()?;
        if let Some(wish) = self.wish().await
            && runs.iter().all(|run| run.run_id != wish.run_id)
        {
            runs.push(wish);
            runs.sort_by_key(|run| std::cmp::Reverse(run.started_at));
        }
        Ok(EvolveRunList { runs })
    }

    pub(crate) async fn evolve_log(&self, request: EvolveLogRequest) -> Result<EvolveLog, Failure> {
        Ok(self.machine()?.run_log(&request.run_id, request.after)?)
    }

    pub(crate) async fn evolve_cancel(&self, request: EvolveRunId) -> Result<Nothing, Failure> {
        self.cancel_evolve(&request.run_id)?;
        Ok(Nothing {})
    }

    pub(crate) fn cancel_evolve(&self, run_id: &str) -> Result<(), Failure> {
        let runs = self.machine()?.runs()?;
        let going = runs
            .iter()
            .find(|run| run.run_id == run_id && run.state == RunState::Running);
        if let Some(failure) = going.and_then(too_late) {
            return Err(failure);
        }
        if self.cancel(run_id).is_ok() {
            return Ok(());
        }
        Err(if going.is_some() {
            Failure::new(FailureCode::Busy, "The run belongs to another process")
                .next(Advice::CancelThere)
        } else {
            Failure::new(
                FailureCode::NotFound,
                "The run was not found or has already finished",
            )
            .next(Advice::CheckRun)
        })
    }
}

/// Why a run can't be given up any more, where it is so.
fn too_late(run: &EvolveRun) -> Option<Failure> {
    let step = run.steps.last()?.name;
    let failure = |message: &str| Failure::new(FailureCode::Busy, message);
    match step {
        StepName::Swap | StepName::Settle | StepName::Tidy => Some(
            failure("It is too late to cancel the run")
                .because("the new machine is already replacing the old one")
                .next(Advice::WaitThenRollBack),
        ),
        StepName::Undo => {
            Some(failure("The run is already being undone").next(Advice::WaitForOldMachine))
        }
        _ => None,
    }
}

fn is_busy(error: &lifecycle::LifecycleError) -> bool {
    matches!(error, lifecycle::LifecycleError::Busy { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::evolve::{EvolveStep, StepState};

    #[test]
    fn a_run_is_given_up_before_the_swap_alone() {
        let mut run: EvolveRun = serde_json::from_value(serde_json::json!({
            "run_id": "r", "kind": "evolve", "state": "running", "asked_by": "person",
            "started_at": 0, "steps": [], "report": {},
        }))
        .expect("a run");
        assert_eq!(too_late(&run), None);
        let late = |step: StepName| {
            run.steps.push(EvolveStep {
                name: step,
                state: StepState::Running,
                started_at: 0,
                ended_at: None,
                note: None,
            });
            too_late(&run).is_some()
        };
        use StepName::{Build, Carry, Prepare, Prove, Settle, Swap, Tidy, Undo};
        let all = [Prepare, Build, Prove, Carry, Swap, Settle, Tidy, Undo];
        let expected = [false, false, false, false, true, true, true, true];
        assert_eq!(all.map(late), expected);
    }
}
