//! Schedules.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::task::TaskId;

use super::{Context, accept, failed, row};
use crate::{
    TaskError,
    store::{Firing, ScheduleRecord},
    task::json,
};

/// Most schedules.
const MOST: usize = 1000;

pub(super) fn list(
    connection: &Connection,
    whose: Option<&str>,
) -> Result<Vec<ScheduleRecord>, TaskError> {
    let work = || -> rusqlite::Result<Vec<ScheduleRecord>> {
        connection
            .prepare_cached(
                "SELECT id, owner, request, next_ms, last_ms, last_task, error FROM schedules
                    WHERE ?1 IS NULL OR owner = ?1 ORDER BY id",
            )?
            .query_map([whose], of)?
            .collect()
    };
    work().map_err(failed("read"))
}

fn of(row: &Row<'_>) -> rusqlite::Result<ScheduleRecord> {
    let last_task: Option<String> = row.get(5)?;
    Ok(ScheduleRecord {
        id: row::parsed(row, 0)?,
        owner: row.get(1)?,
        request: row::json(row, 2)?,
        next_ms: row.get(3)?,
        last_ms: row.get(4)?,
        last_task: last_task.and_then(|id| id.parse().ok()),
        error: row.get(6)?,
    })
}

pub(super) fn put(connection: &Connection, record: &ScheduleRecord) -> Result<(), TaskError> {
    let failed = failed("write to");
    let count: usize = connection
        .query_row(
            "SELECT count(*) FROM schedules WHERE id <> ?1",
            [record.id.as_str()],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if count >= MOST {
        return Err(TaskError::TooMany {
            what: "schedules",
            limit: MOST,
        });
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO schedules VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .and_then(|mut insert| {
            insert.execute(params![
                record.id.as_str(),
                record.owner,
                json(&record.request),
                record.next_ms,
                record.last_ms,
                record.last_task.as_ref().map(TaskId::as_str),
                record.error,
            ])
        })
        .map(drop)
        .map_err(failed)
}

pub(super) fn remove(
    connection: &Connection,
    whose: Option<&str>,
    id: &TaskId,
) -> Result<(), TaskError> {
    let removed = connection
        .prepare_cached("DELETE FROM schedules WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)")
        .and_then(|mut delete| delete.execute(params![id.as_str(), whose]))
        .map_err(failed("write to"))?;
    if removed == 0 {
        return Err(TaskError::ScheduleNotFound(id.clone()));
    }
    Ok(())
}

/// Makes a schedule's tasks and notes its next time, unless somebody else was first.
pub(super) fn fire(
    connection: &Connection,
    context: &Context,
    firing: &Firing,
) -> Result<Option<Vec<TaskId>>, TaskError> {
    let failed = failed("write to");
    let known: Option<Option<i64>> = connection
        .prepare_cached("SELECT next_ms FROM schedules WHERE id = ?1")
        .and_then(|mut find| {
            find.query_row([firing.id.as_str()], |row| row.get(0))
                .optional()
        })
        .map_err(failed)?;
    match known {
        None => return Err(TaskError::ScheduleNotFound(firing.id.clone())),
        Some(next) if next != firing.came_ms => return Ok(None),
        Some(_) => {}
    }
    let mut ids = Vec::new();
    for task in &firing.tasks {
        ids.push(accept::add(connection, context, task)?.id);
    }
    let last = ids.last().map(TaskId::as_str);
    let at = last.map(|_| context.clock.wall_ms());
    connection
        .prepare_cached(
            "UPDATE schedules SET next_ms = ?2, last_ms = coalesce(?3, last_ms),
                last_task = coalesce(?4, last_task), error = ?5 WHERE id = ?1",
        )
        .and_then(|mut update| {
            update.execute(params![
                firing.id.as_str(),
                firing.next_ms,
                at,
                last,
                firing.error
            ])
        })
        .map_err(failed)?;
    Ok(Some(ids))
}
