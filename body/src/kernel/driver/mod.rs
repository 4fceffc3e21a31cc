//! The task that owns a worker's connection: feeds it one cell at a time and
//! turns its frames into outputs. When the worker goes, so does its cell, and
//! the driver waits for the next worker. A worker that a supervisor before this
//! one started tells what ran and what runs.

mod take;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use wire::body::Change;

use super::{
    AskError, Execution, Kernel, OutOfBand, Question, QueuedExecution, Work,
    link::{FromWorker, LONGEST_FRAME, Link, ShellChange, ToWorker},
    running::{Alarm, Running, began},
};
use crate::{
    clock::Instant,
    shell::{Heard, Shell, Snapshot},
};

const RECONNECT: Duration = Duration::from_millis(10);
/// How long an interrupted cell has before it is said to be stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The worker is gone.
struct Gone;

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

struct Driver {
    kernel: Arc<Kernel>,
    shell: Arc<Shell>,
    asides: mpsc::Receiver<OutOfBand>,
    asked: HashMap<u64, oneshot::Sender<Result<Value, AskError>>>,
    last_ask: u64,
    /// The question that has its turn, last of all.
    job: Option<u64>,
    context: Known,
    /// The worker tells again what a supervisor before this one heard.
    replays: bool,
}

/// What worker and supervisor know of each other.
#[derive(Default)]
struct Known {
    /// The worker's process; none before the first.
    pid: Option<i32>,
    /// The version of our shell context that it was told.
    told: Option<u64>,
    /// The last of its own changes to it that we took over.
    seen: u64,
}

/// Drives until `stop`.
pub async fn drive(
    kernel: Arc<Kernel>,
    socket: PathBuf,
    shell: Arc<Shell>,
    asides: mpsc::Receiver<OutOfBand>,
    worker: watch::Sender<Option<i32>>,
    stop: CancellationToken,
) {
    let mut driver = Driver {
        kernel,
        shell,
        asides,
        asked: HashMap::new(),
        last_ask: 0,
        job: None,
        context: Known::default(),
        replays: false,
    };
    let forever = async {
        loop {
            if let Ok(mut link) = Link::connect(&socket)
                && let Some(FromWorker::Ready { seq, pid, shell }) = link.next().await
            {
                driver.forget_asides();
                if let Ok(running) = driver.meet(&mut link, seq, pid, shell).await {
                    worker.send_replace(Some(pid));
                    driver.tell_state();
                    let Gone = driver.serve(&mut link, running).await;
                    worker.send_replace(None);
                    driver.asked.clear();
                    driver.forget_asides();
                    driver.tell_state();
                }
                if link.is_lost() {
                    end(pid);
                }
                // Why is in the log of its service.
                tracing::info!("the kernel's worker ended; the next one is waited for");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = forever => {}
    }
}

impl Driver {
    /// What was meant for a worker that is gone: who asked it hears so.
    fn forget_asides(&mut self) {
        while self.asides.try_recv().is_ok() {}
    }

    /// Greets a worker. One that has told events to a supervisor before this one tells them
    /// again; the cell that it runs is returned.
    async fn meet(
        &mut self,
        link: &mut Link,
        seq: u64,
        pid: i32,
        shell: ShellChange,
    ) -> Result<Option<Running>, Gone> {
        let known = self.context.pid;
        self.context = Known {
            pid: Some(pid),
            told: None,
            seen: shell.changes,
        };
        let changes = shell.changes;
        let heard = Heard { pid, changes };
        let context = &self.shell.context;
        context.meet(&self.kernel.name, heard, shell.cwd, shell.env);
        let after = if known == Some(pid) { seq } else { 0 };
        link.send(&ToWorker::Hello { after }).await?;
        let (mut heard, mut running) = (after, None);
        self.replays = true;
        while heard < seq {
            let message = link.next().await.ok_or(Gone)?;
            heard = message.seq().unwrap_or(heard);
            match message {
                FromWorker::Started { at_s, request, .. } => {
                    running = Some(self.adopt(request, at_s));
                }
                message => {
                    if self.take(link, message, running.as_mut()).await? {
                        running = None;
                    }
                }
            }
        }
        self.replays = false;
        self.kernel
            .end_lost(running.as_ref().map(|running| &*running.execution));
        Ok(running)
    }

    /// A cell that a supervisor before this one started.
    fn adopt(&self, order: QueuedExecution, at_s: f64) -> Running {
        self.kernel.take_out(&order.execution_id);
        self.kernel.spool.begin(&order.execution_id);
        let known = self.kernel.execution(&order.execution_id);
        let execution = known.unwrap_or_else(|| {
            let execution = Arc::new(Execution::new(&self.kernel.name, order));
            self.kernel.keep(Arc::clone(&execution));
            execution
        });
        let began = began(at_s);
        execution.runs(began);
        Running::new(execution, began)
    }

    async fn serve(&mut self, link: &mut Link, running: Option<Running>) -> Gone {
        if let Some(running) = running
            && let Err(gone) = self.follow(link, running).await
        {
            return gone;
        }
        loop {
            let work = match self.kernel.next() {
                Some(work) => work,
                None => match self.idle(link).await {
                    Ok(()) => continue,
                    Err(gone) => return gone,
                },
            };
            let done = match work {
                Work::Execution(execution) => self.run(link, execution).await,
                Work::Job(question) => self.job(link, question).await,
            };
            if let Err(gone) = done {
                return gone;
            }
        }
    }

    /// Until something happens. The worker hears of each change to the shell's context, also while it
    /// is at rest: what it changes itself while there is no supervisor builds on that.
    async fn idle(&mut self, link: &mut Link) -> Result<(), Gone> {
        let kernel = Arc::clone(&self.kernel);
        let mut changes = self.shell.context.watch();
        self.tell_context(link).await?;
        tokio::select! {
            () = kernel.queued.notified() => Ok(()),
            // It is told when this begins again. The sender lives in the shell, which self holds.
            Ok(()) = changes.changed() => Ok(()),
            aside = self.asides.recv() => self.aside(link, aside, None).await,
            message = link.next() => {
                self.take(link, message.ok_or(Gone)?, None).await.map(|_| ())
            }
        }
    }

    async fn run(&mut self, link: &mut Link, execution: Arc<Execution>) -> Result<(), Gone> {
        let running = Running::new(execution, self.kernel.clock.now());
        let execution = Arc::clone(&running.execution);
        execution.runs(running.begin);
        self.kernel.spool.begin(&execution.order.execution_id);
        let sent = match self.tell_context(link).await {
            Ok(()) => link.send(&ToWorker::Execute(&execution.order)).await,
            Err(Gone) => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if sent.is_err() {
            self.kernel
                .end(&execution, self.kernel.gone(running.begin.elapsed()));
            return Err(Gone);
        }
        self.follow(link, running).await
    }

    /// Goes with the running cell to its end, or the worker's.
    async fn follow(&mut self, link: &mut Link, mut running: Running) -> Result<(), Gone> {
        let ended = self.follow_to_end(link, &mut running).await;
        if ended.is_err() {
            let ending = self.kernel.gone(running.begin.elapsed());
            self.kernel.end(&running.execution, ending);
        }
        ended
    }

    async fn follow_to_end(&mut self, link: &mut Link, running: &mut Running) -> Result<(), Gone> {
        let mut changes = self.shell.context.watch();
        loop {
            let execution = Arc::clone(&running.execution);
            let waits = execution.followers.are_behind();
            tokio::select! {
                () = execution.followers.catch_up(), if waits => {}
                message = link.next(), if !waits => {
                    if self.take(link, message.ok_or(Gone)?, Some(running)).await? {
                        return Ok(());
                    }
                }
                aside = self.asides.recv() => self.aside(link, aside, Some(running)).await?,
                // The sender lives in the shell, which self holds.
                Ok(()) = changes.changed() => self.tell_context(link).await?,
                () = sleep_until(running.next()) => self.alarm(link, running).await?,
            }
        }
    }

    async fn alarm(&mut self, link: &mut Link, running: &mut Running) -> Result<(), Gone> {
        if running.take_limit() {
            running.alarm = Alarm::Interrupted {
                until: self.kernel.clock.after(STUCK_AFTER),
                by_limit: true,
            };
            link.send(&ToWorker::Interrupt).await?;
        } else if let Alarm::Interrupted { by_limit, .. } = running.alarm {
            running.alarm = Alarm::Stuck { by_limit };
            if by_limit {
                running.execution.stuck(running.begin.elapsed());
            } else {
                running.execution.hangs();
            }
        }
        Ok(())
    }

    async fn job(&mut self, link: &mut Link, question: Question) -> Result<(), Gone> {
        self.kernel.has_job.store(true, Ordering::Relaxed);
        let done = self.job_to_end(link, question).await;
        self.kernel.has_job.store(false, Ordering::Relaxed);
        done
    }

    async fn job_to_end(&mut self, link: &mut Link, question: Question) -> Result<(), Gone> {
        self.tell_context(link).await?;
        let ask = self.put(link, question).await?;
        self.job = Some(ask);
        while self.asked.contains_key(&ask) {
            tokio::select! {
                message = link.next() => {
                    self.take(link, message.ok_or(Gone)?, None).await?;
                }
                aside = self.asides.recv() => match aside {
                    Some(OutOfBand::Interrupt) => link.send(&ToWorker::Interrupt).await?,
                    aside => self.aside(link, aside, None).await?,
                }
            }
        }
        Ok(())
    }

    async fn put(&mut self, link: &mut Link, question: Question) -> Result<u64, Gone> {
        self.last_ask += 1;
        let (ask, what) = (self.last_ask, question.what);
        // Those who asked and went away are forgotten; a job goes on without them, and has its turn.
        let job = self.job;
        self.asked
            .retain(|ask, answer| Some(*ask) == job || !answer.is_closed());
        self.asked.insert(ask, question.answer);
        let arguments = &question.arguments;
        link.send(&ToWorker::Ask {
            ask,
            what,
            arguments,
        })
        .await?;
        Ok(ask)
    }

    async fn aside(
        &mut self,
        link: &mut Link,
        aside: Option<OutOfBand>,
        running: Option<&mut Running>,
    ) -> Result<(), Gone> {
        match aside {
            Some(OutOfBand::Interrupt) => {
                let Some(running) = running else {
                    return Ok(());
                };
                if matches!(running.alarm, Alarm::None) {
                    running.alarm = Alarm::Interrupted {
                        until: self.kernel.clock.after(STUCK_AFTER),
                        by_limit: false,
                    };
                }
                Ok(link.send(&ToWorker::Interrupt).await?)
            }
            Some(OutOfBand::Ask(question)) => self.put(link, question).await.map(|_| ()),
            Some(OutOfBand::Input { number, value }) => {
                let value = Some(value.as_str());
                Ok(link.send(&ToWorker::Input { number, value }).await?)
            }
            // The kernel's handle lives in self: this can't be.
            None => Err(Gone),
        }
    }

    /// Tells the worker the shell's context, where it does not know it.
    async fn tell_context(&mut self, link: &mut Link) -> Result<(), Gone> {
        if self.context.told == Some(self.shell.context.version()) {
            return Ok(());
        }
        let Snapshot { cwd, env, version } = self.shell.context.snapshot();
        self.context.told = Some(version);
        let message = ToWorker::ShellContext {
            cwd: &cwd.to_string_lossy(),
            env: &env,
            seen: self.context.seen,
        };
        Ok(link.send(&message).await?)
    }

    fn tell_state(&self) {
        self.kernel.changes.tell(|| Change::Kernel {
            kernel: self.kernel.shown(),
        });
    }
}

/// Ends a worker that can't be followed, as its cells are said to have died.
fn end(pid: i32) {
    tracing::error!(
        pid,
        "the kernel's worker sent a message larger than {} MiB and is stopped",
        LONGEST_FRAME >> 20
    );
    // One that has ended is no error.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
