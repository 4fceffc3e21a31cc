//! Runs that something inside the machine asks for: `POST /evolve` there only takes the wish down.
//! Here it is claimed, put to a person where the spec says so, carried out, and reported.

use std::{collections::HashSet, time::Duration};

use lifecycle::{RunRequest, RunWork, asked_run, now_ms};
use machine_client::RouteCall;
use wire::{
    advice::Advice,
    body::Change,
    commands::Nothing,
    evolve::{Asker, EvolveAnswer, EvolveClaim, EvolveReport, EvolveRequest, EvolveRun, RunState},
    failure::{Failure, FailureCode},
    job::{JobKind, JobOwner},
    routes::{ClaimEvolve, GetEvolveStatus, ReportEvolve},
    stream::Event,
};

use crate::MachineHandle;

/// Between two signs that an executor is here, and between two renewals of a claim.
const PRESENT: Duration = Duration::from_secs(8);
/// Before a machine that could not be heard is tried again, unless it is said to run before.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a claim holds: longer than one step is silent.
const LEASE_S: u32 = 30;
/// The most that the machine may say of its runs: what a host has reported of one comes back.
const STATUS_BYTES: usize = 16 << 20;
/// How often a run's end is told again to a machine that does not hear, and the pause before it.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

impl MachineHandle {
    /// The run that the machine asks for and that nobody has taken; `None` also where the machine
    /// does not answer.
    pub(super) async fn wish(&self) -> Option<EvolveRun> {
        let run = self.latest_of_machine().await?;
        let waits = matches!(run.state, RunState::Asked | RunState::AwaitsYes);
        let is_new = || self.machine().ok()?.is_new_run_id(&run.run_id).ok();
        (waits && is_new() == Some(true)).then_some(run)
    }

    /// The newest run of the machine's own history, as it says.
    async fn latest_of_machine(&self) -> Option<EvolveRun> {
        let call = RouteCall::<GetEvolveStatus>::new((), &()).ok()?;
        let status = self.call_up_to(STATUS_BYTES, &call).await;
        status.ok()?.latest_run.map(asked_run)
    }

    /// Picks up a run that was cut off, and from then on carries out what the machine asks for,
    /// until the app stops. For those that stay: one command's app is gone too soon.
    pub fn carry_out_wishes(&self) {
        let machine = self.clone();
        self.inner
            .tasks
            .spawn(async move { machine.wishes().await });
    }

    /// A person's yes or no to it.
    pub(crate) async fn evolve_answer(&self, answer: EvolveAnswer) -> Result<Nothing, Failure> {
        let wish = self.wish().await;
        let Some(mut run) = wish.filter(|run| run.run_id == answer.run_id) else {
            return Err(Failure::new(
                FailureCode::NotFound,
                "No run of this name is waiting for approval",
            )
            .next(Advice::CheckRun));
        };
        if answer.yes {
            // The machine goes on writing to its repo: without it, nobody knows what was approved.
            let Some(tree) = answer.tree else {
                return Err(Failure::new(
                    FailureCode::Invalid,
                    "The approval doesn't say which files it is for",
                )
                .because("the parameter tree is missing; evolve_preview returns it")
                .next(Advice::ReviewChanges));
            };
            // The yes is ours: what stands in the machine anybody inside could have written.
            let machine = self.clone();
            self.inner.tasks.spawn(async move {
                let executor = ulid::Ulid::generate().to_string();
                if let Err(failure) = machine.take(&executor, run, Some(tree)).await {
                    tracing::warn!(%failure, "a run that the machine asked for was not carried out");
                }
            });
            return Ok(Nothing {});
        }
        run.state = RunState::Refused;
        run.error = Some("Declined".into());
        run.ended_at = Some(now_ms());
        self.machine()?.keep_refused(&run)?;
        self.tell_end(&run).await;
        self.tell_run(run);
        Ok(Nothing {})
    }
}

fn concerns_evolve(change: &Change) -> bool {
    matches!(change, Change::Evolve { .. } | Change::Missed { .. })
}

impl MachineHandle {
    async fn wishes(&self) {
        let executor = ulid::Ulid::generate().to_string();
        let mut told = HashSet::new();
        if let Err(failure) = self.recover().await {
            // A view shows it where it asks for the status.
            tracing::warn!(%failure, "a run that was cut off could not be brought to an end");
        }
        loop {
            let run = tokio::select! {
                () = self.inner.stop.cancelled() => return,
                run = self.hear_wish(&executor, &mut told) => run,
            };
            // Not dropped half way: if the app stops, it is cancelled and undone.
            if let Err(failure) = self.take(&executor, run, None).await {
                tracing::warn!(%failure, "a run that the machine asked for was not carried out");
            }
        }
    }

    /// Goes with the machine's changes until it asks for a run that may be carried out.
    async fn hear_wish(&self, executor: &str, told: &mut HashSet<String>) -> EvolveRun {
        loop {
            if let Ok(mut changes) = self.hear_changes().await {
                // The first sign is given at once; what was asked before is found with it.
                let mut present = tokio::time::interval(PRESENT);
                loop {
                    tokio::select! {
                        _ = present.tick() => {}
                        heard = changes.next() => match heard {
                            None => break,
                            Some(heard) => {
                                heard.iter().for_each(|change| self.pass_on(change));
                                if !heard.iter().any(concerns_evolve) {
                                    continue;
                                }
                            }
                        }
                    }
                    if let Some(run) = self.next_wish(executor, told).await {
                        return run;
                    }
                }
            }
            // A machine that is made anew, stopped, or not there.
            let _ = tokio::time::timeout(AGAIN, self.machine_runs()).await;
        }
    }

    /// A run that may be carried out now; one that waits for a person is told of once.
    async fn next_wish(&self, executor: &str, told: &mut HashSet<String>) -> Option<EvolveRun> {
        let machine = self.machine().ok()?;
        if machine.spec().executor != lifecycle::Executor::Host {
            return None;
        }
        // The machine hears that we are here, whether it asks for something or not.
        self.claim(executor, None).await.ok()?;
        let Some(mut run) = self.wish().await else {
            self.tell_what_was_missed(told).await;
            return None;
        };
        if !machine.spec().evolve.needs_yes {
            return Some(run);
        }
        run.state = RunState::AwaitsYes;
        if told.insert(run.run_id.clone()) {
            let report = EvolveReport {
                run: run.clone(),
                log: Vec::new(),
            };
            if let Err(failure) = self.report(&report).await {
                tracing::debug!(%failure, "the machine did not hear that its run waits");
            }
            self.tell_run(run);
        }
        None
    }

    /// The view hears how a run ended that waited for an approval, and was cancelled inside or answered
    /// in another window; the machine hears how one ended that it still waits for.
    async fn tell_what_was_missed(&self, told: &mut HashSet<String>) {
        let Some(run) = self.latest_of_machine().await else {
            return;
        };
        let known = self.machine().ok().and_then(|machine| machine.runs().ok());
        let ours = known
            .into_iter()
            .flatten()
            .find(|one| one.run_id == run.run_id && one.ended_at.is_some());
        let is_cancelled = run.state == RunState::Cancelled;
        if (is_cancelled || ours.is_some()) && told.remove(&run.run_id) {
            let run = ours.clone().unwrap_or_else(|| run.clone());
            self.tell_run(run);
        }
        if let Some(ours) = ours.filter(|_| run.ended_at.is_none()) {
            self.tell_end(&ours).await;
        }
    }

    /// Tells the machine how a run ended. One that does not hear it now hears it when it is here again.
    async fn tell_end(&self, run: &EvolveRun) {
        let report = EvolveReport {
            run: run.clone(),
            log: Vec::new(),
        };
        if let Err(failure) = self.report(&report).await {
            tracing::debug!(%failure, "the machine did not hear how its run ended");
        }
    }

    async fn claim(&self, executor: &str, run_id: Option<&str>) -> Result<(), Failure> {
        let claim = EvolveClaim {
            executor: executor.to_owned(),
            run_id: run_id.map(str::to_owned),
            lease_s: LEASE_S,
        };
        self.call::<ClaimEvolve>((), &claim).await?;
        Ok(())
    }

    /// Claims a run and carries it out; the machine hears of each step, also the new one. With a
    /// tree that a person approved, for those files alone.
    async fn take(
        &self,
        executor: &str,
        wish: EvolveRun,
        tree: Option<String>,
    ) -> Result<(), Failure> {
        self.claim(executor, Some(&wish.run_id)).await?;
        let request = EvolveRequest {
            note: wish.note.clone(),
            running_cell: wish.running_cell,
            cell_limit_s: 0,
            tree,
        };
        let order = RunRequest {
            run_id: wish.run_id.clone(),
            asked_by: Asker::Machine,
            work: RunWork::Evolve(request),
        };
        let cancel = self.begin_run(&wish.run_id, JobKind::Evolve, JobOwner::Machine);
        let after = self.inner.journal.last_seq();
        let stop = self.inner.stop.child_token();
        let reporting = self.report_on(executor, &wish.run_id, after, &stop);
        let carrying = async {
            let ended = self.carry_out(order, &cancel).await;
            stop.cancel();
            ended
        };
        let (ended, ()) = tokio::join!(carrying, reporting);
        let failure = ended.as_ref().map_or_else(Some, |run| run.failure.as_ref());
        self.inner.runs.end(&wish.run_id, failure);
        self.inner.jobs.changed();
        if let Err(failure) = ended {
            let mut run = wish;
            run.state = RunState::Failed;
            run.ended_at = Some(now_ms());
            run.error = Some(failure.to_string());
            run.failure = Some(failure);
            self.report(&EvolveReport {
                run,
                log: Vec::new(),
            })
            .await?;
        }
        Ok(())
    }

    /// Passes events of a run on to the machine until it ends, and keeps the lease.
    async fn report_on(
        &self,
        executor: &str,
        run_id: &str,
        after: u64,
        stop: &lifecycle::CancellationToken,
    ) {
        let mut events = self.inner.journal.subscribe(after);
        let mut log = Vec::new();
        let mut renew = tokio::time::interval(PRESENT);
        loop {
            let event = tokio::select! {
                biased;
                _ = renew.tick() => {
                    // Between two machines nobody hears it.
                    let _ = self.claim(executor, Some(run_id)).await;
                    continue;
                }
                event = events.next() => event,
                () = stop.cancelled() => None,
            };
            match event.map(|event| event.event) {
                Some(Event::EvolveLog { run_id: of, lines }) if of == run_id => log.extend(lines),
                Some(Event::Evolve { run }) if run.run_id == run_id => {
                    let over = run.ended_at.is_some();
                    let report = EvolveReport {
                        run,
                        log: log.clone(),
                    };
                    // Between the old machine and the new one nobody hears; the next report has it all.
                    let mut told = self.report(&report).await;
                    if over {
                        // There is no next one.
                        for _ in 0..TRIES {
                            if told.is_ok() {
                                return;
                            }
                            tokio::select! {
                                () = self.inner.stop.cancelled() => return,
                                () = tokio::time::sleep(PAUSE) => {}
                            }
                            told = self.report(&report).await;
                        }
                        return;
                    }
                    if told.is_ok() {
                        log.clear();
                    }
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    async fn report(&self, report: &EvolveReport) -> Result<(), Failure> {
        self.call::<ReportEvolve>(&report.run.run_id, report)
            .await?;
        Ok(())
    }
}
