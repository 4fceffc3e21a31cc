//! A Python kernel as the supervisor sees it: a queue of cells in front of one
//! worker. A cell keeps its place, or keeps running, when its client goes away.

mod batches;
mod driver;
mod ending;
mod execution;
mod follower;
mod followers;
mod link;
mod outputs;
mod queued_execution;
mod running;
mod set;
mod silence;
mod spool;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use wire::{
    body::{CellState, Change, KernelShown, KernelState},
    job::JobOwner,
    kernel::{ExecRequest, KernelStatus},
};

use self::{ending::Ending, spool::Spool};
pub use self::{
    execution::Execution,
    follower::Follower,
    outputs::{Event, What, size},
    queued_execution::{Message, QueuedExecution},
    set::{KernelError, Kernels, MAIN, service},
};
use crate::{changes::Changes, clock::Clock, shell::Shell};

/// How many ended executions are kept to be fetched again, and how much of their code and output.
const KEPT: usize = 200;
const KEPT_BYTES: usize = 64 << 20;
/// How many cells may wait, and how much code.
const MOST_WAITING: usize = 10_000;
const MOST_WAITING_BYTES: usize = 192 << 20;

/// Why a question to a kernel has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the kernel exited before it responded; a new one is starting")]
    Gone,
    #[error("{0}")]
    Failed(String),
}

/// Why a cell is not queued.
#[derive(Debug, thiserror::Error)]
pub enum NotQueued {
    #[error(
        "the queue is full, queued cells: {waiting}; interrupt the running cell, cancel some (DELETE /executions/{{id}}), or wait"
    )]
    Full { waiting: usize },
    #[error("{0}")]
    Silent(String),
}

/// Something that the worker is asked.
struct Question {
    what: &'static str,
    arguments: Value,
    answer: oneshot::Sender<Result<Value, AskError>>,
}

/// What waits for the worker.
enum Work {
    Execution(Arc<Execution>),
    /// Takes its turn between cells.
    Job(Question),
}

/// What goes past the queue.
enum OutOfBand {
    Interrupt,
    Ask(Question),
    Input { number: u64, value: String },
}

/// One kernel. Cells run one at a time, in order of arrival.
pub struct Kernel {
    name: String,
    clock: Clock,
    queue: Mutex<VecDeque<Work>>,
    queued: Notify,
    executions: Mutex<VecDeque<Arc<Execution>>>,
    /// How many of them are not over, what their clients sent, and how much the others keep.
    open: AtomicUsize,
    waiting_bytes: AtomicUsize,
    kept_bytes: AtomicUsize,
    aside: mpsc::Sender<OutOfBand>,
    broken: batches::Broken,
    /// It goes for good: nothing waits for it.
    closed: AtomicBool,
    /// How many want a new process now.
    restarts: AtomicUsize,
    /// Its process is stopped, or hangs.
    is_silent: AtomicBool,
    /// It works on a job that is no cell.
    has_job: AtomicBool,
    /// The worker's process, while it takes cells.
    worker: watch::Receiver<Option<i32>>,
    spool: Spool,
    changes: Changes,
    counts: Mutex<std::collections::BTreeMap<&'static str, u64>>,
}

impl Kernel {
    /// Makes a kernel and the future that drives it until `stop`. What waits in the spool is queued
    /// again; what ran is its worker's, if that is still there.
    pub fn new(
        name: &str,
        socket: PathBuf,
        spool: PathBuf,
        shell: Arc<Shell>,
        changes: Changes,
        clock: Clock,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let (aside, asides) = mpsc::channel(64);
        let (set_worker, worker) = watch::channel(None);
        let spool = Spool::new(spool);
        let kernel = Arc::new(Self {
            name: name.to_owned(),
            clock,
            queue: Mutex::default(),
            queued: Notify::new(),
            executions: Mutex::default(),
            open: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            kept_bytes: AtomicUsize::new(0),
            aside,
            broken: batches::Broken::default(),
            closed: AtomicBool::new(false),
            restarts: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
            has_job: AtomicBool::new(false),
            worker,
            spool,
            changes,
            counts: Mutex::default(),
        });
        for found in kernel.spool.load() {
            let execution = Arc::new(Execution::new(name, found.order));
            kernel.keep(Arc::clone(&execution));
            if found.has_begun {
                // The worker says since when, where it still runs.
                execution.runs(kernel.clock.now());
            } else {
                kernel.queue.lock().push_back(Work::Execution(execution));
            }
        }
        let drive = driver::drive(Arc::clone(&kernel), socket, shell, asides, set_worker, stop);
        (kernel, drive)
    }

    /// Whether it takes cells now.
    pub fn is_ready(&self) -> bool {
        self.worker.borrow().is_some()
    }

    /// Waits until it takes cells, and returns the worker's process; with `unless` another than that one.
    pub async fn ready(&self, unless: Option<i32>) -> i32 {
        let mut worker = self.worker.clone();
        let found = worker.wait_for(|pid| pid.is_some() && *pid != unless).await;
        match found.map(|pid| *pid) {
            Ok(Some(pid)) => pid,
            // Its driver has ended: no worker comes any more.
            _ => std::future::pending().await,
        }
    }

    /// The worker's process.
    pub fn pid(&self) -> Option<i32> {
        *self.worker.borrow()
    }

    /// Cells that wait or run.
    pub fn waiting(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How `GET /kernels` shows it.
    pub fn shown(&self) -> KernelShown {
        let waiting = self.waiting();
        KernelShown {
            name: self.name.clone(),
            state: match (self.is_ready(), waiting) {
                (false, _) => KernelState::Starting,
                (true, _) if self.silence().is_some() => KernelState::Unresponsive,
                (true, 0) => KernelState::Idle,
                (true, _) => KernelState::Busy,
            },
            waiting: waiting as u64,
        }
    }

    /// How many cells ended, by how.
    pub fn counts(&self) -> std::collections::BTreeMap<&'static str, u64> {
        self.counts.lock().clone()
    }

    /// Queues a cell.
    pub fn execute(
        &self,
        request: ExecRequest,
        owner: JobOwner,
    ) -> Result<Arc<Execution>, NotQueued> {
        self.queue_up(request, owner, None)
    }

    /// Queues a message for a comm; of the request all but the code holds.
    pub fn send(
        &self,
        request: ExecRequest,
        owner: JobOwner,
        message: Message,
    ) -> Result<Arc<Execution>, NotQueued> {
        self.queue_up(request, owner, Some(message))
    }

    fn queue_up(
        &self,
        request: ExecRequest,
        owner: JobOwner,
        comm: Option<Message>,
    ) -> Result<Arc<Execution>, NotQueued> {
        if let Some(problem) = self.silence() {
            return Err(NotQueued::Silent(problem));
        }
        let order = QueuedExecution {
            execution_id: self.clock.ulid().to_string(),
            request,
            owner,
            comm,
        };
        let waiting_bytes = self.waiting_bytes.load(Ordering::Relaxed) + order.bytes();
        if self.waiting() >= MOST_WAITING || waiting_bytes > MOST_WAITING_BYTES {
            return Err(NotQueued::Full {
                waiting: self.waiting(),
            });
        }
        let execution = Arc::new(Execution::new(&self.name, order));
        // Before its client hears of it: it must outlive us, and its worker.
        self.spool.put(&execution.order);
        self.keep(Arc::clone(&execution));
        self.push(Work::Execution(Arc::clone(&execution)));
        self.heed_batch(&execution);
        self.changes.tell(|| Change::Kernel {
            kernel: self.shown(),
        });
        Ok(execution)
    }

    /// Runs a job in its turn, and waits for what it comes to.
    pub async fn job(&self, what: &'static str, arguments: Value) -> Result<Value, AskError> {
        let (answer, answered) = oneshot::channel();
        self.push(Work::Job(Question {
            what,
            arguments,
            answer,
        }));
        answered.await.unwrap_or(Err(AskError::Gone))
    }

    /// Asks the worker past the queue.
    pub async fn ask(&self, what: &'static str, arguments: Value) -> Result<Value, AskError> {
        if !self.is_ready() {
            return Err(AskError::Gone);
        }
        let (answer, answered) = oneshot::channel();
        let question = Question {
            what,
            arguments,
            answer,
        };
        // The driver is gone only while the kernel ends.
        let _ = self.aside.send(OutOfBand::Ask(question)).await;
        answered.await.unwrap_or(Err(AskError::Gone))
    }

    /// What the worker says of itself; `None` where there is none.
    pub async fn status(&self) -> Option<KernelStatus> {
        let value = self.ask("status", Value::Null).await.ok()?;
        serde_json::from_value(value).ok()
    }

    /// KeyboardInterrupt in the running cell; nothing where none runs.
    pub async fn interrupt(&self) {
        // It would wait for the next worker, and interrupt a cell that it was not meant for.
        if self.is_ready() {
            // The driver is gone only while the kernel ends.
            let _ = self.aside.send(OutOfBand::Interrupt).await;
        }
    }

    /// Answers the `input()` of a cell; false where none waits.
    pub async fn input(&self, execution: &Execution, value: String) -> bool {
        match execution.take_input() {
            Some(number) => {
                let answer = OutOfBand::Input { number, value };
                self.aside.send(answer).await.is_ok()
            }
            None => false,
        }
    }

    /// Queued, running and recent cells, oldest first.
    pub fn executions(&self) -> Vec<Arc<Execution>> {
        self.executions.lock().iter().cloned().collect()
    }

    /// One of them.
    pub fn execution(&self, execution_id: &str) -> Option<Arc<Execution>> {
        let executions = self.executions.lock();
        let found = executions
            .iter()
            .find(|execution| execution.order.execution_id == execution_id);
        found.cloned()
    }

    /// Takes a queued cell out, or interrupts a running one.
    pub async fn cancel(&self, execution: &Arc<Execution>) {
        if self.take_out(&execution.order.execution_id) {
            self.end(execution, Ending::interrupted_in_queue());
        } else if matches!(execution.state(), CellState::Running | CellState::Stuck) {
            self.interrupt().await;
        }
    }

    /// Ends what waits and what runs: the kernel goes for good, and its driver, which may not have
    /// heard of the worker's end yet, with it.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.end_all();
        self.spool.remove_all();
    }

    fn end_all(&self) {
        let left: Vec<Work> = self.queue.lock().drain(..).collect();
        for work in left {
            if let Work::Execution(execution) = work {
                self.end(&execution, Ending::interrupted_in_queue());
            }
        }
        for execution in self.executions() {
            self.end(
                &execution,
                self.gone(execution.began_ago().unwrap_or_default()),
            );
        }
    }

    /// How a cell ended whose worker is gone.
    fn gone(&self, ran: Duration) -> Ending {
        if self.restarts.load(Ordering::Relaxed) > 0 {
            return Ending::restarted(ran);
        }
        Ending::died(ran)
    }

    fn push(&self, work: Work) {
        self.queue.lock().push_back(work);
        // The queue's lock orders the two: who pushes after all was taken out sees it here.
        if self.closed.load(Ordering::Relaxed) {
            self.end_all();
        }
        self.queued.notify_one();
    }

    fn keep(&self, execution: Arc<Execution>) {
        self.clock.seen(&execution.order.execution_id);
        let mut executions = self.executions.lock();
        self.waiting_bytes
            .fetch_add(execution.order.bytes(), Ordering::Relaxed);
        executions.push_back(execution);
        self.open.fetch_add(1, Ordering::Relaxed);
        while executions.len() > KEPT || self.kept_bytes.load(Ordering::Relaxed) > KEPT_BYTES {
            let Some(oldest) = executions.iter().position(|one| one.is_over()) else {
                break;
            };
            let bytes = executions.remove(oldest).map_or(0, |one| one.bytes());
            let kept = self.kept_bytes.load(Ordering::Relaxed);
            // A display that was updated since it was counted may have grown.
            self.kept_bytes
                .store(kept.saturating_sub(bytes), Ordering::Relaxed);
        }
    }

    /// Ends a cell; nothing where it is over.
    fn end(&self, execution: &Execution, ending: Ending) {
        let (word, ends_batch) = (ending.word(), ending.ends_batch());
        self.spool.remove(&execution.order.execution_id);
        if !execution.end(ending) {
            return;
        }
        if ends_batch {
            self.end_batch(execution);
        }
        *self.counts.lock().entry(word).or_default() += 1;
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes
            .fetch_sub(execution.order.bytes(), Ordering::Relaxed);
        self.kept_bytes
            .fetch_add(execution.bytes(), Ordering::Relaxed);
        self.changes.tell(|| Change::Kernel {
            kernel: self.shown(),
        });
    }

    /// Ends what a worker that is gone had begun: the one there is now runs this cell, or none.
    fn end_lost(&self, running: Option<&Execution>) {
        for execution in self.executions() {
            let is_running = running.is_some_and(|running| std::ptr::eq(running, &*execution));
            if execution.has_begun() && !execution.is_over() && !is_running {
                self.end(
                    &execution,
                    self.gone(execution.began_ago().unwrap_or_default()),
                );
            }
        }
    }

    /// Carries an update out in the cells before that show this display.
    fn update_others(&self, execution: &Execution, display_id: &str, output: &Arc<Value>) {
        for other in self.executions() {
            if !std::ptr::eq(&*other, execution) && other.shows(display_id) {
                other.output(Arc::clone(output));
            }
        }
    }

    /// Takes a cell out of the queue; false where it does not wait.
    fn take_out(&self, execution_id: &str) -> bool {
        let mut queue = self.queue.lock();
        let place = queue.iter().position(
            |work| matches!(work, Work::Execution(execution) if execution.order.execution_id == execution_id),
        );
        place.and_then(|index| queue.remove(index)).is_some()
    }

    fn next(&self) -> Option<Work> {
        self.queue.lock().pop_front()
    }
}
