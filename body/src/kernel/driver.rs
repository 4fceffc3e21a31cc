//! The task that owns a worker's connection: feeds it one cell at a time and
//! turns its frames into outputs. When the worker goes, so does its cell, and
//! the driver waits for the next worker.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use wire::kernel::{ExecStatus, KernelStatus};

use super::{
    Aside, Execution, Kernel, State, Work,
    execution::Ending,
    link::{FromWorker, Link, ShellChange, ToWorker},
};
use crate::shell::{Shell, Snapshot};

const RECONNECT: Duration = Duration::from_millis(10);
/// How long an interrupted cell has before its client is told that it is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The worker is gone.
struct Gone;

struct Driver {
    kernel: Arc<Kernel>,
    shell: Arc<Shell>,
    asides: mpsc::Receiver<Aside>,
    asking: Vec<oneshot::Sender<KernelStatus>>,
    context: Known,
}

/// What worker and supervisor know of each other's shell context.
#[derive(Default)]
struct Known {
    /// The worker's process; none before the first.
    pid: Option<i32>,
    /// The version of our context that it was told.
    told: Option<u64>,
    /// The last of its own changes that we took over.
    seen: u64,
}

/// Drives until `stop`.
pub async fn drive(
    kernel: Arc<Kernel>,
    socket: PathBuf,
    shell: Arc<Shell>,
    asides: mpsc::Receiver<Aside>,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut driver = Driver {
        kernel,
        shell,
        asides,
        asking: Vec::new(),
        context: Known::default(),
    };
    let forever = async {
        loop {
            if let Ok(mut link) = Link::connect(&socket)
                && let Some(FromWorker::Ready { seq, pid, shell }) = link.next().await
                && link.send(&ToWorker::Hello { after: seq }).await.is_ok()
            {
                driver.meet(pid, shell);
                ready.send_replace(true);
                let Gone = driver.serve(&mut link).await;
                ready.send_replace(false);
                driver.asking.clear();
                tracing::warn!("the kernel's worker is gone; waiting for the next one");
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
    async fn serve(&mut self, link: &mut Link) -> Gone {
        loop {
            let work = match self.kernel.next() {
                Some(work) => work,
                None => {
                    let queued = Arc::clone(&self.kernel);
                    let turn = tokio::select! {
                        () = queued.queued.notified() => Ok(()),
                        aside = self.asides.recv() => self.aside(link, aside, false).await,
                        message = link.next() => message.map(|message| self.other(message)).ok_or(Gone),
                    };
                    match turn {
                        Ok(()) => continue,
                        Err(gone) => return gone,
                    }
                }
            };
            let done = match work {
                Work::Cell(execution) => self.run(link, &execution).await,
                Work::Reset(answer) => {
                    let done = self.reset(link).await;
                    let _ = answer.send(done.is_ok());
                    done
                }
            };
            if let Err(gone) = done {
                return gone;
            }
        }
    }

    async fn run(&mut self, link: &mut Link, execution: &Arc<Execution>) -> Result<(), Gone> {
        let begin = Instant::now();
        execution.set_state(State::Running);
        let ended = self.run_to_end(link, execution, begin).await;
        if ended.is_err() {
            execution.end(Ending::died(begin.elapsed()));
        }
        ended
    }

    async fn run_to_end(
        &mut self,
        link: &mut Link,
        execution: &Arc<Execution>,
        begin: Instant,
    ) -> Result<(), Gone> {
        let mut changes = self.shell.context.watch();
        self.tell_context(link).await?;
        let request = &execution.request;
        let execute = ToWorker::Execute {
            execution_id: &execution.execution_id,
            code: &request.code,
            silent: request.silent,
        };
        link.send(&execute).await.map_err(|_| Gone)?;

        let mut alarm = request
            .timeout_s
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let mut timed_out = false;
        loop {
            let until = alarm.map(|after| tokio::time::Instant::from_std(begin + after));
            let message = tokio::select! {
                message = link.next() => message.ok_or(Gone)?,
                aside = self.asides.recv() => {
                    self.aside(link, aside, true).await?;
                    continue;
                }
                // The sender lives in the shell, which self holds.
                Ok(()) = changes.changed() => {
                    self.tell_context(link).await?;
                    continue;
                }
                () = sleep_until(until) => {
                    if timed_out {
                        execution.stuck(begin.elapsed());
                        alarm = None;
                    } else {
                        timed_out = true;
                        alarm = alarm.map(|after| after + STUCK_AFTER);
                        link.send(&ToWorker::Interrupt).await.map_err(|_| Gone)?;
                    }
                    continue;
                }
            };
            match message {
                FromWorker::Event {
                    execution_id,
                    output,
                } if execution_id == execution.execution_id => {
                    execution.output(output);
                }
                FromWorker::Done {
                    execution_id,
                    status,
                    result,
                    error,
                    timing_ms,
                    execution_count,
                } if execution_id == execution.execution_id => {
                    let status = if timed_out && status == ExecStatus::Interrupted {
                        ExecStatus::Timeout
                    } else {
                        status
                    };
                    execution.end(Ending {
                        status,
                        result,
                        error,
                        timing_ms,
                        execution_count,
                    });
                    return Ok(());
                }
                FromWorker::Truncated { from, to } => execution.lost(to.saturating_sub(from) + 1),
                other => self.other(other),
            }
        }
    }

    /// Takes over the context of a worker that knows more than this supervisor: one that
    /// outlived the supervisor before, or whose connection broke.
    fn meet(&mut self, pid: i32, shell: ShellChange) {
        let newer = match self.context.pid {
            None => true,
            Some(known) => known == pid && shell.changes > self.context.seen,
        };
        self.context = Known {
            pid: Some(pid),
            told: None,
            seen: shell.changes,
        };
        if newer {
            self.shell.context.adopt(shell.cwd, shell.env);
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
        link.send(&message).await.map_err(|_| Gone)
    }

    async fn reset(&mut self, link: &mut Link) -> Result<(), Gone> {
        link.send(&ToWorker::Reset).await.map_err(|_| Gone)?;
        loop {
            match link.next().await.ok_or(Gone)? {
                FromWorker::ResetDone => return Ok(()),
                other => self.other(other),
            }
        }
    }

    async fn aside(
        &mut self,
        link: &mut Link,
        aside: Option<Aside>,
        running: bool,
    ) -> Result<(), Gone> {
        match aside {
            Some(Aside::Interrupt) if running => {
                link.send(&ToWorker::Interrupt).await.map_err(|_| Gone)
            }
            Some(Aside::Interrupt) => Ok(()),
            Some(Aside::Status(answer)) => {
                self.asking.push(answer);
                link.send(&ToWorker::Status).await.map_err(|_| Gone)
            }
            // The kernel's handle lives in self: this can't be.
            None => Err(Gone),
        }
    }

    /// A message that has nothing to do with the cell that runs.
    fn other(&mut self, message: FromWorker) {
        match message {
            FromWorker::Status(status) => self.tell(&status),
            FromWorker::ShellContext(change) => {
                self.context.seen = change.changes;
                // The worker waits for a context in which its change is.
                self.context.told = None;
                self.shell.context.adopt(change.cwd, change.env);
            }
            FromWorker::Event { execution_id, .. } => {
                tracing::debug!(execution_id, "output of a cell that is over");
            }
            FromWorker::Truncated { from, to } => {
                tracing::warn!(from, to, "output of cells that are over was lost");
            }
            _ => {}
        }
    }

    fn tell(&mut self, status: &KernelStatus) {
        for answer in self.asking.drain(..) {
            let _ = answer.send(status.clone());
        }
    }
}

async fn sleep_until(until: Option<tokio::time::Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
