//! What a machine that replaces itself hears of its runs: each step goes into its own history,
//! through its API, whichever container has its name just then.

use std::time::Duration;

use containers::Engine;
use futures_util::future::BoxFuture;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, interval},
};
use wire::{
    evolve::{EvolveClaim, EvolveMachineStatus, EvolveReport, EvolveRun, EvolveWish, RunState},
    failure::Failure,
    routes::{ClaimEvolve, GetEvolveStatus, ReportEvolve},
};

use super::{RunEvent, kept, run_store::now_ms};
use crate::{error::LifecycleError, machine::Machine};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two renewals of the claim to a run, and between two tries.
const RENEW: Duration = Duration::from_secs(8);
/// How long the claim holds.
const LEASE_S: u32 = 30;
/// How long the end of a run is tried to be told.
const LAST_WORD: Duration = Duration::from_secs(30);
/// The most bytes of a log, and of a run, in one report: it goes through a command line.
const MOST: usize = 40_000;
const AGAIN: Duration = Duration::from_millis(500);

/// Tells a machine of its run. Hear with [`Reporter::hear`], and [`Reporter::end`] at its end.
/// Where it is dropped instead, the task ends by itself: once nobody can tell it anything any more
/// (it and what it gave out are gone), it has half a minute for what is left.
#[derive(Debug)]
pub struct Reporter {
    told: mpsc::UnboundedSender<RunEvent>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Begins.
    #[must_use]
    pub fn start(machine: &Machine, engine: &Engine) -> Self {
        let (told, hear) = mpsc::unbounded_channel();
        let teller = Teller {
            machine: machine.clone(),
            engine: engine.clone(),
            run: None,
            is_news: false,
            is_claimed: false,
            log: Vec::new(),
        };
        Self {
            told,
            task: tokio::spawn(teller.tell(hear)),
        }
    }

    /// What to hear a run with.
    pub fn hear(&self) -> impl FnMut(RunEvent) + Send + Sync + use<> {
        let told = self.told.clone();
        move |one| {
            // Nobody hears any more where the task has ended.
            let _ = told.send(one);
        }
    }

    /// Waits until the last word is told, or half a minute is over. What [`Reporter::hear`] gave
    /// out must be gone: as long as it can tell more, the task waits for it.
    pub async fn end(self) {
        drop(self.told);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the machine was not told all of its run");
        }
    }
}

struct Teller {
    machine: Machine,
    engine: Engine,
    /// The run as it stands.
    run: Option<EvolveRun>,
    /// Whether that is not told yet.
    is_news: bool,
    /// Whether the machine has heard whose the run is.
    is_claimed: bool,
    /// Lines that are not told yet.
    log: Vec<String>,
}

impl Teller {
    async fn tell(mut self, mut hear: mpsc::UnboundedReceiver<RunEvent>) {
        let mut renew = interval(RENEW);
        loop {
            tokio::select! {
                biased;
                told = hear.recv() => match told {
                    Some(told) => self.note(told),
                    None => break,
                },
                _ = renew.tick() => {
                    if let Some(run) = &self.run {
                        log_unheard(self.machine.claim_run(&self.engine, &run.run_id).await);
                        self.is_news |= !self.log.is_empty();
                    }
                }
            }
            // What has come meanwhile goes with it.
            while let Ok(told) = hear.try_recv() {
                self.note(told);
            }
            log_unheard(self.report().await);
        }
        let deadline = Instant::now() + LAST_WORD;
        self.is_news |= !self.log.is_empty();
        while self.is_news && Instant::now() < deadline {
            if self.report().await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn note(&mut self, told: RunEvent) {
        match told {
            RunEvent::Line(line) => self.log.push(line),
            RunEvent::Run(run) => {
                self.run = Some(*run);
                self.is_news = true;
            }
        }
    }

    /// Between two machines nobody hears; the next report has it all.
    async fn report(&mut self) -> Result<(), LifecycleError> {
        let Some(run) = self.run.as_ref().filter(|_| self.is_news) else {
            return Ok(());
        };
        // A line that never fits is left out of the machine's own log.
        let count = fitting(self.log.iter()).max(usize::from(!self.log.is_empty()));
        let mut lines = self.log[..count].to_vec();
        lines.retain(|line| size(line) < MOST);
        let report = EvolveReport {
            run: short(run),
            log: lines,
        };
        self.machine.report_run(&self.engine, &report).await?;
        if !std::mem::replace(&mut self.is_claimed, true) {
            let run_id = &report.run.run_id;
            log_unheard(self.machine.claim_run(&self.engine, run_id).await);
        }
        self.log.drain(..count);
        self.is_news = !self.log.is_empty();
        Ok(())
    }
}

/// Bytes of a line in a report: written as JSON, a control character takes six.
fn size(line: &str) -> usize {
    serde_json::to_string(line).map_or(MOST, |text| text.len() + 1)
}

/// How many of these lines one report takes.
fn fitting<'a>(lines: impl Iterator<Item = &'a String>) -> usize {
    let mut bytes = 0;
    let fits = lines.take_while(|line| {
        bytes += size(line);
        bytes < MOST
    });
    fits.count()
}

/// A run that fits on a command line: its own log and the executor's record name all.
fn short(run: &EvolveRun) -> EvolveRun {
    let mut run = run.clone();
    let size = serde_json::to_vec(&run).map_or(0, |bytes| bytes.len());
    if size > MOST {
        run.report.lost_files.clear();
        for kernel in &mut run.report.kernels {
            kernel.saved.clear();
        }
    }
    run
}

fn log_unheard(told: Result<(), LifecycleError>) {
    if let Err(error) = told {
        tracing::debug!(%error, "the machine does not hear of its run now");
    }
}

impl Machine {
    async fn claim_run(&self, engine: &Engine, run_id: &str) -> Result<(), LifecycleError> {
        let claim = EvolveClaim {
            executor: "socket".into(),
            run_id: Some(run_id.to_owned()),
            lease_s: LEASE_S,
        };
        let inside = self.inside(engine, &self.names.container);
        inside.tell::<ClaimEvolve>((), &claim, ANSWER).await
    }

    /// Tells the machine how a run ended that it asked for, with the last lines of its log.
    pub(super) async fn report_end(
        &self,
        engine: &Engine,
        run: &EvolveRun,
        lines: &[String],
    ) -> Result<(), LifecycleError> {
        let last = lines.len() - fitting(lines.iter().rev());
        let report = EvolveReport {
            run: short(run),
            log: lines[last..].to_vec(),
        };
        self.report_run(engine, &report).await
    }

    /// Tells the machine where a run stands.
    async fn report_run(
        &self,
        engine: &Engine,
        report: &EvolveReport,
    ) -> Result<(), LifecycleError> {
        let inside = self.inside(engine, &self.names.container);
        inside
            .tell::<ReportEvolve>(&report.run.run_id, report, ANSWER)
            .await
    }

    async fn own_status(&self, engine: &Engine) -> Result<EvolveMachineStatus, LifecycleError> {
        let inside = self.inside(engine, &self.names.container);
        inside.call::<GetEvolveStatus>((), &(), ANSWER).await
    }

    /// The run that the machine asks for; `None` where it asks for none.
    ///
    /// # Errors
    /// [`LifecycleError::Inside`], [`LifecycleError::Engine`].
    pub fn wish<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<Option<(String, EvolveWish)>, LifecycleError>> {
        Box::pin(async move {
            let Some(run) = self.own_status(engine).await?.latest_run else {
                return Ok(None);
            };
            if run.state != RunState::Asked || !self.is_new_run_id(&run.run_id)? {
                return Ok(None);
            }
            let wish = EvolveWish {
                note: run.note.as_deref().map(kept::note),
                running_cell: Some(run.running_cell),
            };
            Ok(Some((run.run_id, wish)))
        })
    }

    /// Tells the machine how its newest run ended, where it has not heard: it was replaced then.
    ///
    /// # Errors
    /// [`LifecycleError::Inside`], [`LifecycleError::Engine`], [`LifecycleError::File`].
    pub fn tell_end<'a>(&'a self, engine: &'a Engine) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let Some(run) = self.runs()?.into_iter().find(|run| run.ended_at.is_some()) else {
                return Ok(());
            };
            let known = self.own_status(engine).await?.latest_run;
            let unheard =
                known.is_some_and(|known| known.run_id == run.run_id && known.ended_at.is_none());
            if !unheard {
                return Ok(());
            }
            let log = Vec::new();
            self.report_run(engine, &EvolveReport { run, log }).await
        })
    }

    /// Tells the machine that a run which it asked for can't be carried out.
    ///
    /// # Errors
    /// [`LifecycleError::Inside`], [`LifecycleError::Engine`].
    pub fn refuse_wish<'a>(
        &'a self,
        engine: &'a Engine,
        run_id: &'a str,
        failure: Failure,
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let known = self.own_status(engine).await?.latest_run;
            let Some(mut run) = known.filter(|run| run.run_id == run_id && run.ended_at.is_none())
            else {
                return Ok(());
            };
            run.state = RunState::Failed;
            run.ended_at = Some(now_ms());
            run.error = Some(failure.to_string());
            run.failure = Some(failure);
            let log = Vec::new();
            self.report_run(engine, &EvolveReport { run, log }).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_on_a_command_line_whatever_its_lines_say() {
        let lines = vec!["\u{1b}[2K".repeat(100); 1000];
        let count = fitting(lines.iter());
        let text = serde_json::to_string(&lines[..count]).unwrap();
        assert!(count > 0 && text.len() <= MOST, "{count}: {}", text.len());
        assert_eq!(fitting([String::from("x").repeat(MOST)].iter()), 0);
    }
}
