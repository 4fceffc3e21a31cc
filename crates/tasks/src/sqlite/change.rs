//! What a person does to tasks and queues.

use rusqlite::{Connection, OptionalExtension, params};
use wire::task::{TaskFilter, TaskId, TaskState};

use super::{
    Context, claim, failed, listing, row,
    schema::{CANCELLED, QUEUED},
};
use crate::TaskError;

/// Tasks that are changed in one transaction.
const PART: usize = 500;

/// Finds a task that is somebody's.
pub(super) fn find(
    connection: &Connection,
    whose: Option<&str>,
    id: &TaskId,
) -> Result<(i64, TaskState), TaskError> {
    let found = connection
        .prepare_cached("SELECT seq, state FROM tasks WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)")
        .and_then(|mut find| {
            find.query_row(params![id.as_str(), whose], |row| {
                Ok((row.get(0)?, row::state(row, 1)?))
            })
            .optional()
        })
        .map_err(failed("read"))?;
    found.ok_or_else(|| TaskError::NotFound(id.clone()))
}

/// Cancels a task, or asks its worker to.
pub(super) fn cancel(
    connection: &Connection,
    context: &Context,
    whose: Option<&str>,
    id: &TaskId,
) -> Result<TaskState, TaskError> {
    let (seq, state) = find(connection, whose, id)?;
    if state.is_end() {
        let id = id.clone();
        return match state {
            TaskState::Cancelled => Ok(state),
            state => Err(TaskError::Ended { id, state }),
        };
    }
    cancel_one(connection, context, seq, state, "cancelled").map_err(failed("write to"))
}

fn cancel_one(
    connection: &Connection,
    context: &Context,
    seq: i64,
    state: TaskState,
    why: &str,
) -> rusqlite::Result<TaskState> {
    if state == TaskState::Running {
        connection
            .prepare_cached("UPDATE tasks SET cancelling = 1 WHERE seq = ?1")?
            .execute([seq])?;
        return Ok(state);
    }
    let now = context.clock.wall_ms();
    claim::end_unrun(connection, seq, CANCELLED, now, why)?;
    Ok(TaskState::Cancelled)
}

/// Gives a task that didn't end well as many attempts again as it had.
pub(super) fn retry(
    connection: &Connection,
    context: &Context,
    whose: Option<&str>,
    id: &TaskId,
) -> Result<TaskState, TaskError> {
    let (seq, state) = find(connection, whose, id)?;
    if !can_retry(state) {
        let id = id.clone();
        return Err(TaskError::NotFailed { id, state });
    }
    retry_one(connection, context, seq).map_err(failed("write to"))?;
    Ok(TaskState::Queued)
}

fn can_retry(state: TaskState) -> bool {
    state.is_end() && state != TaskState::Done
}

fn retry_one(connection: &Connection, context: &Context, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, allowed = attempt + max_attempts, due_ms = ?3, expires_ms = NULL,
                ended_ms = NULL, error = NULL, result = NULL, progress = NULL WHERE seq = ?1",
        )?
        .execute(params![seq, QUEUED, context.clock.wall_ms()])
        .map(drop)
}

/// Cancels a part of the tasks that match and are older than `before`, which is then where the next part
/// begins: 0 behind the last one.
pub(super) fn cancel_some(
    connection: &Connection,
    context: &Context,
    whose: Option<&str>,
    filter: &TaskFilter,
    before: &mut i64,
) -> Result<u64, TaskError> {
    let is_meant = |state: TaskState| !state.is_end();
    let change = |seq, state| cancel_one(connection, context, seq, state, "cancelled").map(drop);
    some(connection, whose, filter, before, is_meant, change)
}

/// As [`cancel_some`], for retries.
pub(super) fn retry_some(
    connection: &Connection,
    context: &Context,
    whose: Option<&str>,
    filter: &TaskFilter,
    before: &mut i64,
) -> Result<u64, TaskError> {
    let change = |seq, _| retry_one(connection, context, seq);
    some(connection, whose, filter, before, can_retry, change)
}

/// As [`cancel_some`], for all of a queue that no worker has.
pub(super) fn purge_some(
    connection: &Connection,
    context: &Context,
    queue: &str,
    before: &mut i64,
) -> Result<u64, TaskError> {
    has_queue(connection, queue)?;
    let filter = TaskFilter {
        queue: Some(queue.to_owned()),
        ..TaskFilter::default()
    };
    let change = |seq, state| {
        let why = "its queue was purged";
        cancel_one(connection, context, seq, state, why).map(drop)
    };
    some(
        connection,
        None,
        &filter,
        before,
        |state| state.is_waiting(),
        change,
    )
}

fn some(
    connection: &Connection,
    whose: Option<&str>,
    filter: &TaskFilter,
    before: &mut i64,
    is_meant: impl Fn(TaskState) -> bool,
    change: impl Fn(i64, TaskState) -> rusqlite::Result<()>,
) -> Result<u64, TaskError> {
    let part = listing::part(connection, whose, filter, *before, PART).map_err(failed("read"))?;
    let mut count = 0;
    for (seq, task) in &part.tasks {
        if is_meant(task.state) {
            change(*seq, task.state).map_err(failed("write to"))?;
            count += 1;
        }
    }
    *before = part.next.unwrap_or_default();
    Ok(count)
}

fn has_queue(connection: &Connection, queue: &str) -> Result<(), TaskError> {
    let known = connection
        .prepare_cached("SELECT 1 FROM queues WHERE name = ?1")
        .and_then(|mut find| find.exists([queue]))
        .map_err(failed("read"))?;
    known
        .then_some(())
        .ok_or_else(|| TaskError::QueueNotFound(queue.to_owned()))
}

/// Pauses a queue, or lets workers take from it again.
pub(super) fn set_paused(
    connection: &Connection,
    queue: &str,
    paused: bool,
) -> Result<(), TaskError> {
    has_queue(connection, queue)?;
    connection
        .prepare_cached("UPDATE queues SET paused = ?2 WHERE name = ?1")
        .and_then(|mut update| update.execute(params![queue, paused]))
        .map(drop)
        .map_err(failed("write to"))
}
