//! The Python kernel as the supervisor sees it: a queue of cells in front of one
//! worker. A cell keeps its place, or keeps running, when its client goes away.

mod driver;
mod execution;
mod link;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use wire::kernel::{ExecRequest, KernelStatus};

pub use self::execution::{Execution, State};

/// How many ended executions are kept to be fetched again.
const KEPT: usize = 200;

/// Locks, also after a panic elsewhere: what is inside is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits for the worker.
enum Work {
    Cell(Arc<Execution>),
    Reset(oneshot::Sender<bool>),
}

/// What goes past the queue.
enum Aside {
    Interrupt,
    Status(oneshot::Sender<KernelStatus>),
}

/// One kernel. Cells run one at a time, in order of arrival.
pub struct Kernel {
    queue: Mutex<VecDeque<Work>>,
    queued: Notify,
    executions: Mutex<VecDeque<Arc<Execution>>>,
    aside: mpsc::Sender<Aside>,
    ready: watch::Receiver<bool>,
}

impl Kernel {
    /// Makes a kernel and the future that drives it until `stop`.
    pub fn new(
        socket: std::path::PathBuf,
        shell: Arc<crate::shell::Shell>,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let (aside, asides) = mpsc::channel(64);
        let (set_ready, ready) = watch::channel(false);
        let kernel = Arc::new(Self {
            queue: Mutex::default(),
            queued: Notify::new(),
            executions: Mutex::default(),
            aside,
            ready,
        });
        let drive = driver::drive(Arc::clone(&kernel), socket, shell, asides, set_ready, stop);
        (kernel, drive)
    }

    /// Whether it takes cells now.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Whether a cell runs or waits.
    pub fn is_busy(&self) -> bool {
        lock(&self.executions)
            .iter()
            .any(|execution| !execution.is_over())
    }

    /// Queues a cell.
    pub fn execute(&self, request: ExecRequest) -> Arc<Execution> {
        let execution = Arc::new(Execution::new(request));
        let mut executions = lock(&self.executions);
        while executions.len() >= KEPT {
            let Some(oldest) = executions.iter().position(|execution| execution.is_over()) else {
                break;
            };
            executions.remove(oldest);
        }
        executions.push_back(Arc::clone(&execution));
        lock(&self.queue).push_back(Work::Cell(Arc::clone(&execution)));
        drop(executions);
        self.queued.notify_one();
        execution
    }

    /// Clears the namespace, in its turn. False where the kernel ended before.
    pub async fn reset(&self) -> bool {
        let (done, answer) = oneshot::channel();
        lock(&self.queue).push_back(Work::Reset(done));
        self.queued.notify_one();
        answer.await.unwrap_or(false)
    }

    /// KeyboardInterrupt in the running cell; nothing where none runs.
    pub async fn interrupt(&self) {
        // The driver is gone only while the supervisor ends.
        let _ = self.aside.send(Aside::Interrupt).await;
    }

    /// What the worker says of itself; `None` where there is none.
    pub async fn status(&self) -> Option<KernelStatus> {
        if !self.is_ready() {
            return None;
        }
        let (done, answer) = oneshot::channel();
        self.aside.send(Aside::Status(done)).await.ok()?;
        answer.await.ok()
    }

    /// Queued, running and recent cells, oldest first.
    pub fn executions(&self) -> Vec<Arc<Execution>> {
        lock(&self.executions).iter().cloned().collect()
    }

    /// One of them.
    pub fn execution(&self, execution_id: &str) -> Option<Arc<Execution>> {
        lock(&self.executions)
            .iter()
            .find(|execution| execution.execution_id == execution_id)
            .cloned()
    }

    /// Takes a queued cell out, or interrupts a running one.
    pub async fn cancel(&self, execution: &Arc<Execution>) {
        let taken = {
            let mut queue = lock(&self.queue);
            let place = queue
                .iter()
                .position(|work| matches!(work, Work::Cell(cell) if Arc::ptr_eq(cell, execution)));
            place.and_then(|index| queue.remove(index)).is_some()
        };
        if taken {
            execution.end(execution::Ending::interrupted_in_queue());
        } else if execution.state() == State::Running {
            self.interrupt().await;
        }
    }

    fn next(&self) -> Option<Work> {
        lock(&self.queue).pop_front()
    }
}
