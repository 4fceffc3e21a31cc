//! What a worker says of its attempt: log, progress, end.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use wire::task::{AttemptOutcome, TaskState};

use super::{
    Context, failed, row,
    schema::{CANCELLED, FAILED, QUEUED, RETRYING},
};
use crate::{
    TaskError,
    clock::millis,
    task::{Ending, Lease, Report, ReportLine, json as written},
};

/// Characters of an error that are kept, and of a progress' text.
const ERROR_CHARS: usize = 4000;
/// Bytes of one piece of log.
const LINE_BYTES: usize = 16 << 10;
/// Place of [`TaskState::Done`].
const DONE: i64 = 4;

/// A task that runs, as far as its end needs to know it.
pub(super) struct Running {
    pub(super) seq: i64,
    pub(super) attempt: u32,
    pub(super) allowed: u32,
    pub(super) cancelling: bool,
    pub(super) queue: String,
    pub(super) started_ms: i64,
    pub(super) worker: String,
}

/// Its columns.
pub(super) const RUNNING: &str = "seq, attempt, allowed, cancelling, queue, started_ms, worker";

impl Running {
    pub(super) fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            attempt: row.get(1)?,
            allowed: row.get(2)?,
            cancelling: row.get(3)?,
            queue: row.get(4)?,
            started_ms: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
            worker: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        })
    }
}

/// The task of a lease, if that still counts.
fn leased(connection: &Connection, lease: &Lease) -> Result<Running, TaskError> {
    let found = connection
        .prepare_cached(
            "SELECT seq, attempt, allowed, cancelling, queue, started_ms, worker FROM tasks
                WHERE id = ?1 AND state = 2 AND attempt = ?2 AND token = ?3",
        )
        .and_then(|mut find| {
            let asked = params![lease.id.as_str(), lease.attempt, lease.token];
            find.query_row(asked, Running::of).optional()
        })
        .map_err(failed("read"))?;
    found.ok_or_else(|| TaskError::LeaseEnded {
        id: lease.id.clone(),
        attempt: lease.attempt,
    })
}

/// Stores log and progress of an attempt.
pub(super) fn report(
    connection: &Connection,
    context: &Context,
    lease: &Lease,
    report: &Report,
) -> Result<(), TaskError> {
    let running = leased(connection, lease)?;
    add_report(connection, context, &running, report).map_err(failed("write to"))
}

fn add_report(
    connection: &Connection,
    context: &Context,
    running: &Running,
    report: &Report,
) -> rusqlite::Result<()> {
    if let Some(progress) = &report.progress {
        let mut progress = progress.clone();
        progress.text = progress.text.map(|text| cut(&text));
        connection
            .prepare_cached("UPDATE tasks SET progress = ?2 WHERE seq = ?1")?
            .execute(params![running.seq, written(&progress)])?;
    }
    add_lines(
        connection,
        context,
        running.seq,
        running.attempt,
        &report.lines,
    )
}

/// Adds to a log, whose beginning is dropped if it becomes too long.
fn add_lines(
    connection: &Connection,
    context: &Context,
    seq: i64,
    attempt: u32,
    lines: &[ReportLine],
) -> rusqlite::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let (mut next, mut bytes): (i64, u64) = connection
        .prepare_cached("SELECT log_next, log_bytes FROM tasks WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row::unsigned(row.get(1)?))))?;
    let now = context.clock.wall_ms();
    let mut insert =
        connection.prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for line in lines {
        for text in pieces(&line.text) {
            let stream = row::place(&row::STREAMS, &line.stream);
            insert.execute(params![seq, next, now, attempt, stream, text])?;
            next += 1;
            bytes += text.len() as u64;
        }
    }
    let mut oldest = connection.prepare_cached(
        "DELETE FROM log WHERE task = ?1 AND number = (SELECT min(number) FROM log WHERE task = ?1)
            RETURNING length(CAST(text AS BLOB))",
    )?;
    while bytes > context.policy.log_bytes {
        let dropped: Option<i64> = oldest.query_row([seq], |row| row.get(0)).optional()?;
        let Some(dropped) = dropped else { break };
        bytes = bytes.saturating_sub(row::unsigned(dropped));
    }
    connection
        .prepare_cached("UPDATE tasks SET log_next = ?2, log_bytes = ?3 WHERE seq = ?1")?
        .execute(params![seq, next, i64::try_from(bytes).unwrap_or(i64::MAX)])
        .map(drop)
}

/// A text in pieces that each can be stored.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(LINE_BYTES.min(rest.len())));
        rest = behind;
        Some(piece)
    })
}

/// Ends an attempt; the task ends with it, or waits for the next one.
pub(super) fn end(
    connection: &Connection,
    context: &Context,
    lease: &Lease,
    report: &Report,
    ending: &Ending,
) -> Result<TaskState, TaskError> {
    let running = leased(connection, lease)?;
    let work = || {
        add_report(connection, context, &running, report)?;
        settle(connection, context, &running, ending)
    };
    work().map_err(failed("write to"))
}

/// Puts a task where an attempt's end leads it.
pub(super) fn settle(
    connection: &Connection,
    context: &Context,
    running: &Running,
    ending: &Ending,
) -> rusqlite::Result<TaskState> {
    use AttemptOutcome as O;
    let now = context.clock.wall_ms();
    let error = ending.error.as_deref().map(cut);
    let has_more = running.attempt < running.allowed && !ending.is_final;
    let (state, due, error) = match ending.outcome {
        O::Done => (DONE, None, None),
        _ if running.cancelling => (CANCELLED, None, error),
        // Nobody asked for it: the worker ends, and the attempt doesn't count.
        O::Returned | O::Cancelled => (QUEUED, None, error),
        O::Failed | O::TimedOut | O::Lost if has_more => {
            let wait = context.policy.wait_after(running.attempt, rand::random());
            (RETRYING, Some(now + millis(wait)), error)
        }
        O::Failed | O::TimedOut | O::Lost => (FAILED, None, error),
    };
    let is_waiting = state == QUEUED || state == RETRYING;
    let more = u32::from(state == QUEUED);
    connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, due_ms = coalesce(?3, due_ms), ended_ms = ?4, error = ?5,
                result = ?6, allowed = allowed + ?7, token = NULL, lease_until = NULL, lease_boot = NULL,
                cancelling = 0 WHERE seq = ?1",
        )?
        .execute(params![
            running.seq,
            state,
            due,
            (!is_waiting).then_some(now),
            error,
            ending.result.as_ref().map(|result| bounded(result, context.policy.result_bytes)),
            more,
        ])?;
    connection
        .prepare_cached(
            "UPDATE attempts SET ended_ms = ?3, outcome = ?4, error = ?5 WHERE task = ?1 AND number = ?2",
        )?
        .execute(params![
            running.seq,
            running.attempt,
            now,
            row::place(&O::ALL, &ending.outcome),
            error,
        ])?;
    count(connection, running, ending.outcome, now)?;
    Ok(row::state_at(state))
}

fn count(
    connection: &Connection,
    running: &Running,
    outcome: AttemptOutcome,
    now: i64,
) -> rusqlite::Result<()> {
    let has_failed = matches!(
        outcome,
        AttemptOutcome::Failed | AttemptOutcome::TimedOut | AttemptOutcome::Lost
    );
    let took = now.saturating_sub(running.started_ms).max(0);
    connection
        .prepare_cached(
            "INSERT INTO minutes VALUES (?1, ?2, 1, ?3, ?4, ?4) ON CONFLICT DO UPDATE SET
                ended = ended + 1, failed = failed + excluded.failed, run_ms = run_ms + excluded.run_ms,
                longest_ms = max(longest_ms, excluded.longest_ms)",
        )?
        .execute(params![running.queue, now / 60_000, has_failed, took])
        .map(drop)
}

fn cut(text: &str) -> String {
    text.chars().take(ERROR_CHARS).collect()
}

/// A result as it is stored. One that is too large is left out, and that is said.
fn bounded(result: &Value, most: usize) -> String {
    let text = written(result);
    if text.len() <= most {
        return text;
    }
    let words = format!("the result was {} bytes long; {most} are kept", text.len());
    written(&json!({"truncated": true, "reason": words}))
}
