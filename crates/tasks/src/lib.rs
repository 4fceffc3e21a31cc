//! Tasks: a queue that loses nothing. What was accepted is on the disk, and is run to an end even if the
//! process that held it is killed. Start reading at `store`, which says what is promised.
//!
//! - `task`: a task from its request to the end of an attempt; `time`, `policy`, `error` are its words
//! - `store`: the promises; `sqlite`: a store in a file of this computer
//! - `worker`: takes tasks and runs them with an `Executor`
//! - `timekeeper`: does what time brings in a store; `cron`: when a schedule's next time is
//! - `clock`: where stores get their time from

mod clock;
mod cron;
mod error;
mod policy;
mod sqlite;
mod store;
mod task;
mod time;
mod timekeeper;
mod worker;

pub use clock::{Clock, SystemClock};
pub use cron::Cron;
pub use error::TaskError;
pub use policy::Policy;
pub use sqlite::SqliteStore;
pub use store::{
    Answer, Calls, Firing, LeaseState, Orders, ScheduleRecord, Store, Swept, Whose, WorkerBeat,
};
pub use task::{
    Accepted, Claim, Claimed, ClaimedTask, DEFAULT_QUEUE, Ending, Lease, NewTask, Report,
    ReportLine, Work,
};
pub use timekeeper::Timekeeper;
pub use worker::{Executor, Running, Stop, Tell, Worker, WorkerOptions};

use wire::task::TaskId;

/// An id for a new task or schedule.
#[must_use]
pub fn new_id() -> TaskId {
    TaskId::of(ulid::Ulid::generate().0)
}
