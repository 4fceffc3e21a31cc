//! Tasks in an SQLite file of this computer, which several processes may share. Start reading at
//! `schema`, its tables; each other module is what some operations of the store do with them.
//!
//! - `writer`: the thread that writes, many requests in one transaction
//! - `accept`, `claim`, `finish`: a task's way from its acceptance to its end
//! - `change`: cancel, retry, purge; `sweep`: what time brings
//! - `read`, `listing`, `row`: what is shown; `crew`: workers; `calendar`: schedules

mod accept;
mod calendar;
mod change;
mod claim;
mod crew;
mod finish;
mod listing;
mod read;
mod row;
mod schema;
mod sweep;
mod writer;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::watch;
use wire::task::{
    QueueView, TaskFilter, TaskId, TaskLog, TaskPage, TaskState, TaskView, WorkerChange, WorkerView,
};

use crate::{
    Policy, TaskError,
    clock::Clock,
    store::{Answer, Calls, Firing, Orders, ScheduleRecord, Store, Swept, Whose, WorkerBeat},
    task::{Accepted, Claim, Claimed, Ending, Lease, NewTask, Report},
};
use writer::Writer;

/// How long a process waits for another one that writes.
const BUSY: Duration = Duration::from_secs(30);
/// Connections that are kept for reading.
const READERS: usize = 4;
/// Statements that each connection keeps prepared.
const STATEMENTS: usize = 128;

/// Tasks in an SQLite file. Cheap to clone; the file is closed with the last one.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    context: Arc<Context>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
}

/// What every operation goes by.
#[derive(Debug)]
struct Context {
    clock: Arc<dyn Clock>,
    policy: Policy,
}

impl SqliteStore {
    /// Opens a file, which is made if there is none. Only its owner can read it.
    ///
    /// # Errors
    /// If it can't be used, or a later version of this program wrote it.
    pub fn open(path: &Path, policy: Policy, clock: Arc<dyn Clock>) -> Result<Self, TaskError> {
        Self::limited(path, policy, clock, None)
    }

    /// Opens a file that takes no more than this number of pages, as on a small disk.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn limited(
        path: &Path,
        policy: Policy,
        clock: Arc<dyn Clock>,
        most_pages: Option<u32>,
    ) -> Result<Self, TaskError> {
        make(path).map_err(|error| TaskError::Store {
            doing: "create",
            source: Arc::new(error),
        })?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = failed("open");
        // An answer is given when its transaction is on the disk, also if the power goes then.
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection
                .pragma_update_and_check(None, name, value, |_| Ok(()))
                .or_else(|error| match error {
                    rusqlite::Error::QueryReturnedNoRows => Ok(()),
                    error => Err(error),
                })
                .map_err(&failed)?;
        }
        connection
            .pragma_update(None, "foreign_keys", true)
            .map_err(&failed)?;
        schema::prepare(&mut connection, path)?;
        if let Some(most_pages) = most_pages {
            connection
                .pragma_update_and_check(None, "max_page_count", most_pages, |_| Ok(()))
                .map_err(&failed)?;
        }
        let writer = Writer::start(connection).map_err(|error| TaskError::Store {
            doing: "open",
            source: Arc::new(error),
        })?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            context: Arc::new(Context { clock, policy }),
            writer,
            readers: Mutex::default(),
        })))
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Context) -> Result<T, TaskError> + Send + 'static,
    ) -> Answer<'_, T> {
        let context = self.0.context.clone();
        self.0
            .writer
            .write(move |connection| work(connection, &context))
            .boxed()
    }

    /// Reads beside the thread that writes, off the async threads.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Context) -> Result<T, TaskError> + Send + 'static,
    ) -> Answer<'_, T> {
        let store = self.0.clone();
        let reading = async move {
            let reading = tokio::task::spawn_blocking(move || {
                let kept = store.readers.lock().pop();
                let connection = match kept {
                    Some(connection) => connection,
                    None => connect(&store.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?,
                };
                let read = work(&connection, &store.context);
                let mut readers = store.readers.lock();
                if readers.len() < READERS {
                    readers.push(connection);
                }
                read
            });
            reading.await.unwrap_or(Err(TaskError::Stopping))
        };
        reading.boxed()
    }

    /// Does a part of something again and again until nothing is left, each in a transaction of its own,
    /// so that others get their turn.
    fn in_parts(
        &self,
        part: impl Fn(&Connection, &Context, &mut i64) -> Result<u64, TaskError> + Send + Sync + 'static,
    ) -> Answer<'_, u64> {
        let part = Arc::new(part);
        let all = async move {
            let (mut total, mut before) = (0, i64::MAX);
            loop {
                let part = part.clone();
                let done = self.write(move |connection, context| {
                    let mut next = before;
                    let count = part(connection, context, &mut next)?;
                    Ok((count, next))
                });
                let (count, next) = done.await?;
                total += count;
                if next <= 0 {
                    return Ok(total);
                }
                before = next;
            }
        };
        all.boxed()
    }
}

/// Makes the file, so that nobody else can read it.
fn make(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = fs::File::options();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, TaskError> {
    let failed = failed("open");
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A failure of SQLite while doing this, for `map_err`.
fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> TaskError + Copy {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => TaskError::DiskFull,
        _ => TaskError::Store {
            doing,
            source: Arc::new(error),
        },
    }
}

impl Store for SqliteStore {
    fn add(&self, task: NewTask) -> Answer<'_, Accepted> {
        self.write(move |connection, context| accept::add(connection, context, &task))
    }

    fn get(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskView> {
        self.read(move |connection, _| read::task(connection, whose.as_deref(), &id))
    }

    fn list(
        &self,
        whose: Whose,
        filter: TaskFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, TaskPage> {
        self.read(move |connection, _| {
            listing::page(
                connection,
                whose.as_deref(),
                &filter,
                after.as_deref(),
                limit,
            )
        })
    }

    fn log(&self, whose: Whose, id: TaskId, after: u64, limit: usize) -> Answer<'_, TaskLog> {
        self.read(move |connection, _| read::log(connection, whose.as_deref(), &id, after, limit))
    }

    fn cancel(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskState> {
        self.write(move |connection, context| {
            change::cancel(connection, context, whose.as_deref(), &id)
        })
    }

    fn cancel_all(&self, whose: Whose, filter: TaskFilter) -> Answer<'_, u64> {
        self.in_parts(move |connection, context, before| {
            let whose = whose.as_deref();
            change::cancel_some(connection, context, whose, &filter, before)
        })
    }

    fn retry(&self, whose: Whose, id: TaskId) -> Answer<'_, TaskState> {
        self.write(move |connection, context| {
            change::retry(connection, context, whose.as_deref(), &id)
        })
    }

    fn retry_all(&self, whose: Whose, filter: TaskFilter) -> Answer<'_, u64> {
        self.in_parts(move |connection, context, before| {
            let whose = whose.as_deref();
            change::retry_some(connection, context, whose, &filter, before)
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.write(move |connection, context| claim::claim(connection, context, &claim))
    }

    fn beat(&self, beat: WorkerBeat) -> Answer<'_, Orders> {
        self.write(move |connection, context| crew::beat(connection, context, &beat))
    }

    fn calls(&self, worker: String) -> Answer<'_, Calls> {
        self.read(move |connection, _| crew::calls(connection, &worker))
    }

    fn leave(&self, worker: String) -> Answer<'_, ()> {
        self.write(move |connection, _| crew::leave(connection, &worker))
    }

    fn report(&self, lease: Lease, report: Report) -> Answer<'_, ()> {
        self.write(move |connection, context| finish::report(connection, context, &lease, &report))
    }

    fn end(&self, lease: Lease, report: Report, ending: Ending) -> Answer<'_, TaskState> {
        self.write(move |connection, context| {
            finish::end(connection, context, &lease, &report, &ending)
        })
    }

    fn sweep(&self) -> Answer<'_, Swept> {
        self.write(sweep::sweep)
    }

    fn queues(&self) -> Answer<'_, Vec<QueueView>> {
        self.read(read::queues)
    }

    fn set_paused(&self, queue: String, paused: bool) -> Answer<'_, ()> {
        self.write(move |connection, _| change::set_paused(connection, &queue, paused))
    }

    fn purge(&self, queue: String) -> Answer<'_, u64> {
        self.in_parts(move |connection, context, before| {
            change::purge_some(connection, context, &queue, before)
        })
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerView>> {
        self.read(crew::list)
    }

    fn change_worker(&self, worker: String, change: WorkerChange) -> Answer<'_, ()> {
        self.write(move |connection, _| crew::change(connection, &worker, change))
    }

    fn schedules(&self, whose: Whose) -> Answer<'_, Vec<ScheduleRecord>> {
        self.read(move |connection, _| calendar::list(connection, whose.as_deref()))
    }

    fn put_schedule(&self, record: ScheduleRecord) -> Answer<'_, ()> {
        self.write(move |connection, _| calendar::put(connection, &record))
    }

    fn remove_schedule(&self, whose: Whose, id: TaskId) -> Answer<'_, ()> {
        self.write(move |connection, _| calendar::remove(connection, whose.as_deref(), &id))
    }

    fn fire(&self, firing: Firing) -> Answer<'_, Option<Vec<TaskId>>> {
        self.write(move |connection, context| calendar::fire(connection, context, &firing))
    }

    fn now_ms(&self) -> i64 {
        self.0.context.clock.wall_ms()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.writer.changes()
    }

    fn check(&self) -> Answer<'_, ()> {
        self.write(|connection, _| crew::check(connection))
    }
}
