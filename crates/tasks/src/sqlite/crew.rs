//! Workers: who is alive, on what, and what somebody wants of them.

use rusqlite::{Connection, OptionalExtension, params};
use wire::task::{WorkerChange, WorkerView};

use super::{Context, failed, row};
use crate::{
    TaskError,
    clock::millis,
    store::{Calls, LeaseState, Orders, WorkerBeat},
    task::{Lease, json},
};

/// A worker that wasn't heard of for this many leases' time isn't alive.
const ALIVE_LEASES: i64 = 2;
/// Most workers that are shown.
const MOST: usize = 1000;

/// A worker is alive; its leases hold on.
pub(super) fn beat(
    connection: &Connection,
    context: &Context,
    beat: &WorkerBeat,
) -> Result<Orders, TaskError> {
    let work = || {
        let (concurrency, draining) = note(connection, context, beat)?;
        let mut leases = Vec::with_capacity(beat.leases.len());
        for lease in &beat.leases {
            leases.push(renew(connection, context, lease)?);
        }
        Ok(Orders {
            concurrency,
            draining,
            leases,
        })
    };
    work().map_err(failed("write to"))
}

/// Notes what a worker says of itself; answers what is wanted of it.
fn note(
    connection: &Connection,
    context: &Context,
    beat: &WorkerBeat,
) -> rusqlite::Result<(Option<u32>, Option<bool>)> {
    let now = context.clock.wall_ms();
    connection
        .prepare_cached(
            "INSERT INTO workers (name, host, pid, kinds, queues, concurrency, draining, started_ms,
                seen_wall_ms, seen_ms, boot) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10)
            ON CONFLICT DO UPDATE SET kinds = excluded.kinds, queues = excluded.queues,
                concurrency = excluded.concurrency, draining = excluded.draining,
                seen_wall_ms = excluded.seen_wall_ms, seen_ms = excluded.seen_ms, boot = excluded.boot
            RETURNING wanted_concurrency, wanted_draining",
        )?
        .query_row(
            params![
                beat.worker,
                beat.host,
                beat.pid,
                json(&beat.kinds),
                json(&beat.queues),
                beat.concurrency,
                beat.draining,
                now,
                context.clock.moment_ms(),
                context.clock.boot(),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
}

fn renew(
    connection: &Connection,
    context: &Context,
    lease: &Lease,
) -> rusqlite::Result<LeaseState> {
    let until = context.clock.moment_ms() + millis(context.policy.lease);
    let cancelling: Option<bool> = connection
        .prepare_cached(
            "UPDATE tasks SET lease_until = ?4, lease_boot = ?5
                WHERE id = ?1 AND state = 2 AND attempt = ?2 AND token = ?3 RETURNING cancelling",
        )?
        .query_row(
            params![
                lease.id.as_str(),
                lease.attempt,
                lease.token,
                until,
                context.clock.boot()
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(match cancelling {
        None => LeaseState::Ended,
        Some(true) => LeaseState::Cancelling,
        Some(false) => LeaseState::Held,
    })
}

/// What somebody wants of a worker.
pub(super) fn calls(connection: &Connection, worker: &str) -> Result<Calls, TaskError> {
    let work = || -> rusqlite::Result<Calls> {
        let wanted = connection
            .prepare_cached(
                "SELECT wanted_concurrency, wanted_draining FROM workers WHERE name = ?1",
            )?
            .query_row([worker], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (concurrency, draining) = wanted.unwrap_or_default();
        let cancelling = connection
            .prepare_cached(
                "SELECT id FROM tasks WHERE state = 2 AND cancelling = 1 AND worker = ?1",
            )?
            .query_map([worker], |row| row::parsed(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Calls {
            concurrency,
            draining,
            cancelling,
        })
    };
    work().map_err(failed("read"))
}

/// A worker is gone for good.
pub(super) fn leave(connection: &Connection, worker: &str) -> Result<(), TaskError> {
    connection
        .prepare_cached("DELETE FROM workers WHERE name = ?1")
        .and_then(|mut delete| delete.execute([worker]))
        .map(drop)
        .map_err(failed("write to"))
}

/// Leaves a word for a worker.
pub(super) fn change(
    connection: &Connection,
    worker: &str,
    change: WorkerChange,
) -> Result<(), TaskError> {
    if change.concurrency.is_some_and(|count| count > 1000) {
        return Err(TaskError::invalid(
            "concurrency",
            "a number from 0 to 1000 is expected",
        ));
    }
    let changed = connection
        .prepare_cached(
            "UPDATE workers SET wanted_concurrency = coalesce(?2, wanted_concurrency),
                wanted_draining = coalesce(?3, wanted_draining) WHERE name = ?1",
        )
        .and_then(|mut update| update.execute(params![worker, change.concurrency, change.draining]))
        .map_err(failed("write to"))?;
    if changed == 0 {
        return Err(TaskError::WorkerNotFound(worker.to_owned()));
    }
    Ok(())
}

/// Workers, newest first.
pub(super) fn list(
    connection: &Connection,
    context: &Context,
) -> Result<Vec<WorkerView>, TaskError> {
    let oldest = context.clock.moment_ms() - ALIVE_LEASES * millis(context.policy.lease);
    let work = || -> rusqlite::Result<Vec<WorkerView>> {
        let mut tasks = connection
            .prepare_cached("SELECT id FROM tasks WHERE state = 2 AND worker = ?1 ORDER BY seq")?;
        let mut find = connection.prepare_cached(
            "SELECT name, host, pid, kinds, queues, concurrency, draining, started_ms, seen_wall_ms,
                seen_ms >= ?1 AND boot = ?2 FROM workers ORDER BY started_ms DESC, name LIMIT ?3",
        )?;
        let found = find.query_map(params![oldest, context.clock.boot(), MOST], |row| {
            let worker: String = row.get(0)?;
            Ok(WorkerView {
                host: row.get(1)?,
                pid: row.get(2)?,
                kinds: row::json(row, 3)?,
                queues: row::json(row, 4)?,
                concurrency: row.get(5)?,
                draining: row.get(6)?,
                started_at_ms: row::unsigned(row.get(7)?),
                seen_at_ms: row::unsigned(row.get(8)?),
                alive: row.get(9)?,
                tasks: tasks
                    .query_map([&worker], |row| row::parsed(row, 0))?
                    .collect::<rusqlite::Result<_>>()?,
                worker,
            })
        })?;
        found.collect()
    };
    work().map_err(failed("read"))
}

/// Writes something, and takes it back.
pub(super) fn check(connection: &Connection) -> Result<(), TaskError> {
    let work = || {
        connection.execute(
            "INSERT OR REPLACE INTO buckets VALUES ('check', 0, 0, '')",
            [],
        )?;
        connection.execute("DELETE FROM buckets WHERE kind = 'check'", [])
    };
    work().map(drop).map_err(failed("write to"))
}
