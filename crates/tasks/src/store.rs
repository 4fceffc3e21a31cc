//! What a store of tasks promises. There is a test for each promise in `tests/`, which every store runs.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use wire::task::{
    QueueView, ScheduleRequest, TaskFilter, TaskId, TaskKind, TaskLog, TaskPage, TaskState,
    TaskView, WorkerChange, WorkerView,
};

use crate::{
    TaskError,
    task::{Accepted, Claim, Claimed, Ending, Lease, NewTask, Report},
};

/// What an operation of a store answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, TaskError>>;

/// Whose tasks are meant: those of one owner, or everybody's.
pub type Whose = Option<String>;

/// What a worker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerBeat {
    /// Its name.
    pub worker: String,
    /// Name of its computer.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// Whether it takes no more tasks.
    pub draining: bool,
    /// Queues that it takes from; all if empty.
    pub queues: Vec<String>,
    /// Kinds that it can run.
    pub kinds: Vec<TaskKind>,
    /// What it has, which is its for another lease's time from now.
    pub leases: Vec<Lease>,
}

/// What a worker is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// How many tasks it is to run at once, if somebody changed that.
    pub concurrency: Option<u32>,
    /// Whether it is to take no more tasks, if somebody changed that.
    pub draining: Option<bool>,
    /// Where its leases stand, in their order.
    pub leases: Vec<LeaseState>,
}

/// What a worker is called for, between two beats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many tasks it is to run at once, if somebody changed that.
    pub concurrency: Option<u32>,
    /// Whether it is to take no more tasks, if somebody changed that.
    pub draining: Option<bool>,
    /// Tasks that it has and that are to be cancelled.
    pub cancelling: Vec<TaskId>,
}

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It holds on.
    Held,
    /// It holds on, and the task is to be cancelled.
    Cancelling,
    /// It is over: the attempt counts as lost.
    Ended,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Whether there is more to do at once, as each sweep does a bounded part.
    pub more: bool,
    /// When something is due next.
    pub next: Option<Duration>,
}

/// A schedule as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRecord {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub owner: Whose,
    /// What was asked for.
    pub request: ScheduleRequest,
    /// Unix milliseconds of its next time.
    pub next_ms: Option<i64>,
    /// Unix milliseconds of the last time at which it made a task.
    pub last_ms: Option<i64>,
    /// The last task that it made.
    pub last_task: Option<TaskId>,
    /// Why it could make none the last time.
    pub error: Option<String>,
}

/// A time of a schedule that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// The schedule.
    pub id: TaskId,
    /// The time that came. If the schedule has another one by now, somebody else was first.
    pub came_ms: Option<i64>,
    /// The next time.
    pub next_ms: Option<i64>,
    /// Tasks to make.
    pub tasks: Vec<NewTask>,
    /// Why it makes none.
    pub error: Option<String>,
}

/// A store of tasks. What it answered holds on when its process is killed or the computer loses its
/// power: it is on the disk before the answer.
///
/// - A task that was accepted ends once, in one state, unless somebody retries it.
/// - An attempt counts when it is claimed. Whoever claimed it has its lease, and nobody else's word about
///   the attempt counts.
/// - No operation works on more than a bounded number of tasks in one piece.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Accepts a task. One with a key that the same owner has used is the earlier task.
    fn add(&self, task: NewTask) -> Answer<'_, Accepted>;

    /// A task with its payload, result and attempts.
    fn get(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskView>;

    /// A page of tasks, newest first. A page that looked at many tasks and found few ends early.
    fn list(
        &self,
        whose: Whose,
        filter: TaskFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, TaskPage>;

    /// Lines of a task's log after this number.
    fn log(&self, whose: Whose, id: TaskId, after: u64, limit: usize) -> Answer<'_, TaskLog>;

    /// Cancels a task: at once if no worker has it, else its worker is told. Answers where it stands.
    fn cancel(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskState>;

    /// Cancels all that can be and match. Answers how many.
    fn cancel_all(&self, whose: Whose, filter: TaskFilter) -> Answer<'_, u64>;

    /// Gives a task that failed, was cancelled, expired or was lost as many attempts again as it had.
    fn retry(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskState>;

    /// Retries all that can be and match. Answers how many.
    fn retry_all(&self, whose: Whose, filter: TaskFilter) -> Answer<'_, u64>;

    /// Takes tasks that wait: what has the highest priority first, then the oldest.
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed>;

    /// A worker is alive: its leases hold on, and it hears what somebody wants of it.
    fn beat(&self, beat: WorkerBeat) -> Answer<'_, Orders>;

    /// What somebody wants of a worker. Nothing is written.
    fn calls(&self, worker: String) -> Answer<'_, Calls>;

    /// A worker is gone for good.
    fn leave(&self, worker: String) -> Answer<'_, ()>;

    /// Stores log and progress of an attempt.
    fn report(&self, lease: Lease, report: Report) -> Answer<'_, ()>;

    /// Ends an attempt, with its last log. Answers where the task stands.
    fn end(&self, lease: Lease, report: Report, ending: Ending) -> Answer<'_, TaskState>;

    /// Does a part of what time brings: tasks whose time came are queued, leases that ran out are lost,
    /// what expired is ended, what is too old is deleted.
    fn sweep(&self) -> Answer<'_, Swept>;

    /// All queues.
    fn queues(&self) -> Answer<'_, Vec<QueueView>>;

    /// Lets workers take nothing from a queue, or take from it again.
    fn set_paused(&self, queue: String, paused: bool) -> Answer<'_, ()>;

    /// Cancels all tasks of a queue that no worker has. Answers how many.
    fn purge(&self, queue: String) -> Answer<'_, u64>;

    /// Workers, newest first.
    fn workers(&self) -> Answer<'_, Vec<WorkerView>>;

    /// Leaves a word for a worker.
    fn change_worker(&self, worker: String, change: WorkerChange) -> Answer<'_, ()>;

    /// Schedules, oldest first.
    fn schedules(&self, whose: Whose) -> Answer<'_, Vec<ScheduleRecord>>;

    /// Stores a schedule, a new one or in place of the one with its id.
    fn put_schedule(&self, record: ScheduleRecord) -> Answer<'_, ()>;

    /// Removes a schedule.
    fn remove_schedule(&self, whose: Whose, id: TaskId) -> Answer<'_, ()>;

    /// Makes a schedule's tasks and notes its next time, both or neither. Answers the tasks; `None` if
    /// somebody else was first.
    fn fire(&self, firing: Firing) -> Answer<'_, Option<Vec<TaskId>>>;

    /// Unix milliseconds, as the store's clock shows them.
    fn now_ms(&self) -> i64;

    /// Changes whenever something in the store did, in this process at once, in another within a second.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Whether something can be written.
    fn check(&self) -> Answer<'_, ()>;
}
