//! What time brings. Each sweep does a bounded part, so that nine thousand tasks that are due at the same
//! moment hold up nobody.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use wire::task::AttemptOutcome;

use super::{
    Context, claim, failed,
    finish::{self, Running},
    schema::{EXPIRED, QUEUED},
};
use crate::{TaskError, clock::millis, store::Swept, task::Ending};

/// Tasks that one sweep moves, of each sort.
const PART: usize = 500;
/// A clock that moved by more than this has jumped.
const JUMP_MS: i64 = 2000;
/// How long minutes are counted for, and workers are remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

pub(super) fn sweep(connection: &Connection, context: &Context) -> Result<Swept, TaskError> {
    let work = || {
        follow_clock(connection, context)?;
        let moved = [
            lose(connection, context)?,
            expire(connection, context)?,
            promote(connection, context)?,
            forget(connection, context)?,
        ];
        Ok(Swept {
            more: moved.contains(&PART),
            next: next(connection, context)?,
        })
    };
    work().map_err(failed("write to"))
}

/// What waits for its next attempt waits a length of time, whatever the wall's clock does meanwhile. What
/// waits for a time that a person named waits for that.
fn follow_clock(connection: &Connection, context: &Context) -> rusqlite::Result<()> {
    let boot = context.clock.boot();
    let ahead = context.clock.wall_ms() - context.clock.moment_ms();
    let known: Option<i64> = connection
        .prepare_cached("SELECT ahead_ms FROM clock WHERE boot = ?1")?
        .query_row([boot], |row| row.get(0))
        .optional()?;
    let jumped = known.map(|known| ahead - known);
    if jumped.is_some_and(|jumped| jumped.abs() <= JUMP_MS) {
        return Ok(());
    }
    if let Some(jumped) = jumped {
        tracing::warn!(jumped_ms = jumped, "the computer's clock jumped");
        connection
            .prepare_cached("UPDATE tasks SET due_ms = due_ms + ?1 WHERE state = 3")?
            .execute([jumped])?;
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO clock VALUES (1, ?1, ?2)")?
        .execute(params![ahead, boot])
        .map(drop)
}

/// Attempts whose workers were not heard of.
fn lose(connection: &Connection, context: &Context) -> rusqlite::Result<usize> {
    let now = context.clock.moment_ms();
    let lost: Vec<Running> = connection
        .prepare_cached(&format!(
            "SELECT {} FROM tasks WHERE state = 2 AND (lease_until < ?1 OR lease_boot <> ?2) LIMIT ?3",
            finish::RUNNING
        ))?
        .query_map(params![now, context.clock.boot(), PART], Running::of)?
        .collect::<rusqlite::Result<_>>()?;
    for running in &lost {
        let why = format!(
            "worker {} ended or stopped responding during attempt {} of {}",
            running.worker, running.attempt, running.allowed
        );
        let ending = Ending::other(AttemptOutcome::Lost, why);
        finish::settle(connection, context, running, &ending)?;
    }
    Ok(lost.len())
}

fn expire(connection: &Connection, context: &Context) -> rusqlite::Result<usize> {
    let now = context.clock.wall_ms();
    let over: Vec<i64> = connection
        .prepare_cached(
            "SELECT seq FROM tasks WHERE expires_ms <= ?1 AND expires_ms IS NOT NULL
                AND state IN (0, 1, 3) LIMIT ?2",
        )?
        .query_map(params![now, PART], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in &over {
        let why = "it was not started before it expired";
        claim::end_unrun(connection, *seq, EXPIRED, now, why)?;
    }
    Ok(over.len())
}

fn promote(connection: &Connection, context: &Context) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE tasks SET state = ?1 WHERE seq IN
                (SELECT seq FROM tasks WHERE state IN (0, 3) AND due_ms <= ?2 ORDER BY due_ms LIMIT ?3)",
        )?
        .execute(params![QUEUED, context.clock.wall_ms(), PART])
}

/// Records that are too old, or too many.
fn forget(connection: &Connection, context: &Context) -> rusqlite::Result<usize> {
    let now = context.clock.wall_ms();
    let policy = &context.policy;
    let old = connection
        .prepare_cached(
            "DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE ended_ms IS NOT NULL
                AND ended_ms <= ?1 ORDER BY ended_ms LIMIT ?2)",
        )?
        .execute(params![now - millis(policy.keep_ended), PART])?;
    let ended: u64 = connection
        .prepare_cached("SELECT coalesce(sum(count), 0) FROM counts WHERE state >= 4")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(super::row::unsigned)?;
    let surplus = ended.saturating_sub(policy.most_ended);
    let surplus = usize::try_from(surplus).unwrap_or(PART).min(PART);
    let dropped = if surplus == 0 {
        0
    } else {
        connection
            .prepare_cached(
                "DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE ended_ms IS NOT NULL
                    ORDER BY ended_ms LIMIT ?1)",
            )?
            .execute([surplus])?
    };
    let minute = (now - millis(REMEMBERED)) / 60_000;
    connection
        .prepare_cached("DELETE FROM minutes WHERE minute < ?1")?
        .execute([minute])?;
    connection
        .prepare_cached("DELETE FROM workers WHERE boot <> ?1 OR seen_ms < ?2")?
        .execute(params![
            context.clock.boot(),
            context.clock.moment_ms() - millis(REMEMBERED)
        ])?;
    Ok(old.max(dropped))
}

/// When the next of these is due.
fn next(connection: &Connection, context: &Context) -> rusqlite::Result<Option<Duration>> {
    let wall = context.clock.wall_ms();
    let moment = context.clock.moment_ms();
    let mut nearest: Option<i64> = None;
    for (sql, now) in [
        ("SELECT min(due_ms) FROM tasks WHERE state IN (0, 3)", wall),
        (
            "SELECT min(expires_ms) FROM tasks WHERE expires_ms IS NOT NULL AND state IN (0, 1, 3)",
            wall,
        ),
        ("SELECT min(lease_until) FROM tasks WHERE state = 2", moment),
    ] {
        let at: Option<i64> = connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        if let Some(at) = at {
            let left = at.saturating_sub(now).max(0);
            nearest = Some(nearest.map_or(left, |known: i64| known.min(left)));
        }
    }
    Ok(nearest.map(|left| Duration::from_millis(super::row::unsigned(left) + 1)))
}
