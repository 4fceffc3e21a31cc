//! A task is accepted.

use rusqlite::{Connection, OptionalExtension, params};
use wire::task::TaskId;

use super::{
    Context, failed,
    schema::{QUEUED, SCHEDULED},
};
use crate::{
    TaskError,
    clock::millis,
    task::{Accepted, NewTask, json},
};

/// Most queues.
const MOST_QUEUES: usize = 1000;

/// Accepts a task, or finds the one that its owner has accepted with the same key.
pub(super) fn add(
    connection: &Connection,
    context: &Context,
    task: &NewTask,
) -> Result<Accepted, TaskError> {
    let failed = failed("write to");
    if let Some(key) = &task.idempotency_key
        && let Some(id) = known(connection, task.owner.as_deref(), key).map_err(failed)?
    {
        return Ok(Accepted { id, is_known: true });
    }
    has_queue(connection, &task.queue)?;
    let now = context.clock.wall_ms();
    let due = task.run_at_ms.unwrap_or(now);
    let state = if due > now { SCHEDULED } else { QUEUED };
    let id = new_id();
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, owner, kind, queue, priority, state, work, max_attempts, allowed,
                timeout_ms, grace_ms, idempotency_key, created_ms, due_ms, expires_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                id.as_str(),
                task.owner,
                task.kind.as_str(),
                task.queue,
                task.priority,
                state,
                json(&task.work),
                task.max_attempts,
                millis(task.timeout),
                millis(task.grace),
                task.idempotency_key,
                now,
                due,
                task.expires_at_ms,
            ])
        })
        .map_err(failed)?;
    let is_known = false;
    Ok(Accepted { id, is_known })
}

fn known(
    connection: &Connection,
    owner: Option<&str>,
    key: &str,
) -> rusqlite::Result<Option<TaskId>> {
    connection
        .prepare_cached(
            "SELECT id FROM tasks WHERE coalesce(owner, '') = coalesce(?1, '')
                AND (owner IS NULL) = (?1 IS NULL) AND idempotency_key = ?2",
        )?
        .query_row(params![owner, key], |row| super::row::parsed(row, 0))
        .optional()
}

fn has_queue(connection: &Connection, queue: &str) -> Result<(), TaskError> {
    let failed = failed("write to");
    let known = connection
        .prepare_cached("SELECT 1 FROM queues WHERE name = ?1")
        .and_then(|mut find| find.exists([queue]))
        .map_err(failed)?;
    if known {
        return Ok(());
    }
    let count: usize = connection
        .query_row("SELECT count(*) FROM queues", [], |row| row.get(0))
        .map_err(failed)?;
    if count >= MOST_QUEUES {
        return Err(TaskError::TooMany {
            what: "queues",
            limit: MOST_QUEUES,
        });
    }
    connection
        .execute("INSERT INTO queues (name) VALUES (?1)", [queue])
        .map(drop)
        .map_err(failed)
}

/// An id that sorts behind those before.
pub(super) fn new_id() -> TaskId {
    crate::new_id()
}
