//! The one thread that writes. What arrives while it waits for the disk is written together: many
//! requests share one transaction, and each is answered when that is on the disk.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot, watch};

use super::failed;
use crate::TaskError;

/// Requests that may wait. Whoever has one more waits before it is sent.
const MOST_WAITING: usize = 4096;
/// Requests in one transaction.
const MOST_TOGETHER: usize = 256;
/// How often it is checked whether another process wrote.
const LOOK: Duration = Duration::from_millis(500);

/// Tells what became of a request, once that can't change.
type Tell = Box<dyn FnOnce(Result<(), TaskError>) + Send>;
/// Does a request's work, unless there is no transaction for it; answers whether it is to be kept, and who
/// is told.
type Work = Box<dyn FnOnce(Result<&Connection, TaskError>) -> (bool, Tell) + Send>;

/// Where requests are sent. Its thread ends with it.
#[derive(Debug)]
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Work>>,
    room: Arc<Semaphore>,
    changes: watch::Sender<u64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel();
        let changes = watch::Sender::new(0);
        let told = changes.clone();
        let thread = thread::Builder::new()
            .name("task-store".into())
            .spawn(move || write(&connection, &waiting, &told))?;
        Ok(Self {
            requests: Some(requests),
            room: Arc::new(Semaphore::new(MOST_WAITING)),
            changes,
            thread: Some(thread),
        })
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Does this in a transaction, which is on the disk when this returns. If it fails, nothing of it is
    /// kept.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, TaskError> + Send + 'static,
    ) -> Result<T, TaskError> {
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(|_| TaskError::Stopping)?;
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let done = connection.and_then(work);
            let is_kept = done.is_ok();
            let tell: Tell = Box::new(move |committed| {
                // Whoever asked may be gone.
                let _ = answer.send(committed.and(done));
                drop(room);
            });
            (is_kept, tell)
        });
        let requests = self.requests.as_ref().ok_or(TaskError::Stopping)?;
        requests.send(work).map_err(|_| TaskError::Stopping)?;
        answered.await.map_err(|_| TaskError::Stopping)?
    }
}

impl Drop for Writer {
    /// What was sent is still written.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the task store's thread failed");
        }
    }
}

fn write(connection: &Connection, waiting: &mpsc::Receiver<Work>, changes: &watch::Sender<u64>) {
    let mut version = data_version(connection);
    loop {
        match waiting.recv_timeout(LOOK) {
            Ok(first) => {
                let before = connection.total_changes();
                let more = waiting.try_iter().take(MOST_TOGETHER - 1);
                together(connection, std::iter::once(first).chain(more));
                if connection.total_changes() != before {
                    changes.send_modify(|count| *count += 1);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let now = data_version(connection);
                if now != version {
                    version = now;
                    changes.send_modify(|count| *count += 1);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A number that is another one after another connection wrote.
fn data_version(connection: &Connection) -> i64 {
    let version = connection.query_row("PRAGMA data_version", [], |row| row.get(0));
    version.unwrap_or_default()
}

/// Does these in one transaction.
fn together(connection: &Connection, requests: impl Iterator<Item = Work>) {
    let mut told = Vec::new();
    let mut begun = begin(connection);
    for request in requests {
        if begun.is_err() {
            // Perhaps it works now; if it doesn't, this one is told why.
            begun = begin(connection);
        }
        let done = begun
            .clone()
            .and_then(|()| batch(connection, "SAVEPOINT one"));
        if let Err(error) = done {
            let (_, tell) = request(Err(error));
            tell(Ok(()));
            continue;
        }
        let (is_kept, tell) = request(Ok(connection));
        let end = if is_kept {
            "RELEASE one"
        } else {
            "ROLLBACK TO one; RELEASE one"
        };
        let ended = if connection.is_autocommit() {
            // A full disk, for one, undoes everything at once.
            Err(TaskError::DiskFull)
        } else {
            batch(connection, end)
        };
        told.push(tell);
        if let Err(error) = ended {
            undo(connection, &error, &mut told);
            begun = Err(error);
        }
    }
    if begun.is_ok() {
        match batch(connection, "COMMIT") {
            Ok(()) => told.drain(..).for_each(|tell| tell(Ok(()))),
            Err(error) => undo(connection, &error, &mut told),
        }
    }
}

/// Nothing of these is kept.
fn undo(connection: &Connection, error: &TaskError, told: &mut Vec<Tell>) {
    if !connection.is_autocommit()
        && let Err(error) = batch(connection, "ROLLBACK")
    {
        tracing::error!(%error, "could not undo a transaction");
    }
    told.drain(..).for_each(|tell| tell(Err(error.clone())));
}

fn begin(connection: &Connection) -> Result<(), TaskError> {
    batch(connection, "BEGIN IMMEDIATE")
}

fn batch(connection: &Connection, sql: &str) -> Result<(), TaskError> {
    let mut done = Ok(());
    for one in sql.split("; ") {
        let run = connection
            .prepare_cached(one)
            .and_then(|mut statement| statement.execute([]));
        done = done.and(run.map(drop).map_err(failed("write")));
    }
    done
}
