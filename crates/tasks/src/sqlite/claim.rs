//! A worker takes tasks.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::task::{RateLimit, TaskKind};

use super::{
    Context, failed, row,
    schema::{EXPIRED, LOST, RUNNING},
};
use crate::{
    TaskError,
    clock::millis,
    task::{Claim, Claimed, ClaimedTask, Lease},
};

/// Most tasks of one claim.
const MOST: usize = 256;

/// Takes tasks that wait. Each kind of each queue has an index of its own, so that neither a paused queue
/// nor a kind that has to wait is looked through.
pub(super) fn claim(
    connection: &Connection,
    context: &Context,
    claim: &Claim,
) -> Result<Claimed, TaskError> {
    let failed = failed("claim from");
    let mut wanted = claim.count.min(MOST);
    let mut claimed = Claimed::default();
    let mut rates = BTreeMap::new();
    for kind in &claim.kinds {
        if let Some(limit) = context.policy.rate_limits.get(kind) {
            let bucket = Bucket::read(connection, context, *kind, *limit).map_err(failed)?;
            rates.insert(*kind, bucket);
        }
    }
    while wanted > 0 {
        let found = waiting(connection, claim, &rates, wanted).map_err(failed)?;
        if found.is_empty() {
            break;
        }
        for (seq, kind) in found {
            let room = rates.get_mut(&kind);
            if let Some(bucket) = &room
                && !bucket.has_room()
            {
                continue;
            }
            let taken = take(connection, context, claim, seq).map_err(failed)?;
            if let Some(task) = taken {
                wanted -= 1;
                claimed.tasks.push(task);
                if let Some(bucket) = room {
                    bucket.starts -= 1.0;
                }
            }
        }
    }
    for (kind, bucket) in &rates {
        let waits = !bucket.has_room() && has_waiting(connection, claim, *kind).map_err(failed)?;
        if waits {
            let wait = bucket.wait();
            claimed.again_in = Some(claimed.again_in.map_or(wait, |known| known.min(wait)));
        }
        if claimed.tasks.iter().any(|task| task.kind == *kind) {
            bucket.write(connection, context, *kind).map_err(failed)?;
        }
    }
    Ok(claimed)
}

/// The next tasks of all queues and kinds that are meant: what has the highest priority first, then the
/// oldest.
fn waiting(
    connection: &Connection,
    claim: &Claim,
    rates: &BTreeMap<TaskKind, Bucket>,
    count: usize,
) -> rusqlite::Result<Vec<(i64, TaskKind)>> {
    let mut found: Vec<(i64, i64, TaskKind)> = Vec::new();
    let mut next = connection.prepare_cached(
        "SELECT priority, seq FROM tasks WHERE state = 1 AND queue = ?1 AND kind = ?2
            ORDER BY priority DESC, seq LIMIT ?3",
    )?;
    for queue in open_queues(connection, &claim.queues)? {
        for kind in &claim.kinds {
            let room = rates.get(kind).map_or(usize::MAX, Bucket::room);
            let rows = next.query_map(params![queue, kind.as_str(), count.min(room)], |row| {
                Ok((-row.get::<_, i64>(0)?, row.get(1)?, *kind))
            })?;
            for one in rows {
                found.push(one?);
            }
        }
    }
    found.sort_unstable();
    found.truncate(count);
    Ok(found
        .into_iter()
        .map(|(_, seq, kind)| (seq, kind))
        .collect())
}

fn open_queues(connection: &Connection, wanted: &[String]) -> rusqlite::Result<Vec<String>> {
    let mut open = connection.prepare_cached("SELECT name FROM queues WHERE paused = 0")?;
    let names: Vec<String> = open
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_meant = |name: &String| wanted.is_empty() || wanted.contains(name);
    Ok(names.into_iter().filter(is_meant).collect())
}

fn has_waiting(connection: &Connection, claim: &Claim, kind: TaskKind) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached(
        "SELECT 1 FROM tasks WHERE state = 1 AND queue = ?1 AND kind = ?2 LIMIT 1",
    )?;
    for queue in open_queues(connection, &claim.queues)? {
        if find.exists(params![queue, kind.as_str()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes one; `None` if its time is over, or if nobody can read what is to be done.
fn take(
    connection: &Connection,
    context: &Context,
    claim: &Claim,
    seq: i64,
) -> rusqlite::Result<Option<ClaimedTask>> {
    let now = context.clock.wall_ms();
    let expires: Option<i64> = connection
        .prepare_cached("SELECT expires_ms FROM tasks WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))?;
    if expires.is_some_and(|expires| expires <= now) {
        end_unrun(
            connection,
            seq,
            EXPIRED,
            now,
            "it was not started before it expired",
        )?;
        return Ok(None);
    }
    let token: i64 = rand::random();
    let until = context.clock.moment_ms() + millis(context.policy.lease);
    let taken = connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, attempt = attempt + 1, worker = ?3, token = ?4,
                lease_until = ?5, lease_boot = ?6, started_ms = ?7, cancelling = 0, progress = NULL
            WHERE seq = ?1
            RETURNING id, attempt, owner, kind, queue, allowed, timeout_ms, grace_ms, work",
        )?
        .query_row(
            params![
                seq,
                RUNNING,
                claim.worker,
                token,
                until,
                context.clock.boot(),
                now
            ],
            |row| of(row, token),
        );
    let task = match taken {
        Err(rusqlite::Error::FromSqlConversionFailure(..)) => {
            end_unrun(connection, seq, LOST, now, "its record can't be read")?;
            return Ok(None);
        }
        taken => taken?,
    };
    connection
        .prepare_cached(
            "INSERT INTO attempts (task, number, worker, started_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![seq, task.lease.attempt, claim.worker, now])?;
    Ok(Some(task))
}

fn of(row: &Row<'_>, token: i64) -> rusqlite::Result<ClaimedTask> {
    let time =
        |column| Ok::<_, rusqlite::Error>(Duration::from_millis(row::unsigned(row.get(column)?)));
    Ok(ClaimedTask {
        lease: Lease {
            id: row::parsed(row, 0)?,
            attempt: row.get(1)?,
            token,
        },
        owner: row.get(2)?,
        kind: row::parsed(row, 3)?,
        queue: row.get(4)?,
        max_attempts: row.get(5)?,
        timeout: time(6)?,
        grace: time(7)?,
        work: row::json(row, 8)?,
    })
}

/// Ends a task that nobody runs.
pub(super) fn end_unrun(
    connection: &Connection,
    seq: i64,
    state: i64,
    now: i64,
    why: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, ended_ms = ?3, error = ?4, token = NULL, lease_until = NULL,
                lease_boot = NULL, cancelling = 0 WHERE seq = ?1",
        )?
        .execute(params![seq, state, now, why])
        .map(drop)
}

/// Starts that a rate limit still allows, as they come back over time.
struct Bucket {
    limit: RateLimit,
    starts: f64,
}

impl Bucket {
    fn read(
        connection: &Connection,
        context: &Context,
        kind: TaskKind,
        limit: RateLimit,
    ) -> rusqlite::Result<Self> {
        let kept: Option<(f64, i64)> = connection
            .prepare_cached("SELECT starts, at_ms FROM buckets WHERE kind = ?1 AND boot = ?2")?
            .query_row(params![kind.as_str(), context.clock.boot()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let most = f64::from(limit.count);
        let starts = kept.map_or(most, |(starts, at)| {
            let passed = row::seconds(context.clock.moment_ms().saturating_sub(at).max(0));
            (starts + passed * most / limit.per_s).min(most)
        });
        Ok(Self { limit, starts })
    }

    fn write(
        &self,
        connection: &Connection,
        context: &Context,
        kind: TaskKind,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached("INSERT OR REPLACE INTO buckets VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                kind.as_str(),
                self.starts,
                context.clock.moment_ms(),
                context.clock.boot()
            ])
            .map(drop)
    }

    fn has_room(&self) -> bool {
        self.starts >= 1.0
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and a u32"
    )]
    fn room(&self) -> usize {
        self.starts.max(0.0) as usize
    }

    /// How long until there is room for one.
    fn wait(&self) -> Duration {
        let missing = (1.0 - self.starts).max(0.0);
        let wait = missing * self.limit.per_s / f64::from(self.limit.count.max(1));
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::from_secs(60))
    }
}
