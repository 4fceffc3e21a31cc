//! One task, its log, and the queues.

use rusqlite::{Connection, OptionalExtension, params};
use wire::task::{AttemptView, QueueView, TaskId, TaskLog, TaskLogLine, TaskState, TaskView};

use super::{Context, change, failed, row};
use crate::TaskError;

/// Most lines of log in one answer.
const MOST_LINES: usize = 1000;

/// A task with all that is known of it.
pub(super) fn task(
    connection: &Connection,
    whose: Option<&str>,
    id: &TaskId,
) -> Result<TaskView, TaskError> {
    let work = || -> rusqlite::Result<Option<TaskView>> {
        let found = connection
            .prepare_cached(&format!(
                "SELECT {}, work, result FROM tasks WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)",
                row::VIEW
            ))?
            .query_row(params![id.as_str(), whose], |row| {
                let (seq, view) = row::view(row)?;
                // What can't be read is shown as nothing; the task is lost then, and says so.
                let work: crate::Work = row::json(row, 20).unwrap_or_default();
                Ok((seq, view, work, row::optional_json(row, 21)?))
            })
            .optional()?;
        let Some((seq, mut view, work, result)) = found else {
            return Ok(None);
        };
        view.payload = Some(work.payload);
        view.result = result;
        view.attempts = Some(attempts(connection, seq)?);
        Ok(Some(view))
    };
    let found = work().map_err(failed("read"))?;
    found.ok_or_else(|| TaskError::NotFound(id.clone()))
}

/// The last attempts, oldest first.
fn attempts(connection: &Connection, seq: i64) -> rusqlite::Result<Vec<AttemptView>> {
    let mut attempts: Vec<AttemptView> = connection
        .prepare_cached(
            "SELECT number, worker, started_ms, ended_ms, outcome, error FROM attempts
                WHERE task = ?1 ORDER BY number DESC LIMIT 100",
        )?
        .query_map([seq], |row| {
            Ok(AttemptView {
                number: row.get(0)?,
                worker: row.get(1)?,
                started_at_ms: row::unsigned(row.get(2)?),
                ended_at_ms: row.get::<_, Option<i64>>(3)?.map(row::unsigned),
                outcome: row::outcome(row, 4)?,
                error: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    attempts.reverse();
    Ok(attempts)
}

/// Lines of a task's log after a number.
pub(super) fn log(
    connection: &Connection,
    whose: Option<&str>,
    id: &TaskId,
    after: u64,
    limit: usize,
) -> Result<TaskLog, TaskError> {
    // The state first: lines that come while this reads are behind it, and the task is asked for again.
    let (seq, state) = change::find(connection, whose, id)?;
    let limit = limit.clamp(1, MOST_LINES);
    let work = || -> rusqlite::Result<Vec<TaskLogLine>> {
        connection
            .prepare_cached(
                "SELECT number, at_ms, attempt, stream, text FROM log
                    WHERE task = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
            )?
            .query_map(
                params![seq, i64::try_from(after).unwrap_or(i64::MAX), limit + 1],
                |row| {
                    Ok(TaskLogLine {
                        number: row::unsigned(row.get(0)?),
                        at_ms: row::unsigned(row.get(1)?),
                        attempt: row.get(2)?,
                        stream: row::of(&row::STREAMS, row, 3)?,
                        text: row.get(4)?,
                    })
                },
            )?
            .collect()
    };
    let mut lines = work().map_err(failed("read"))?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    Ok(TaskLog { lines, state, more })
}

/// All queues, by name.
pub(super) fn queues(
    connection: &Connection,
    context: &Context,
) -> Result<Vec<QueueView>, TaskError> {
    let work = || -> rusqlite::Result<Vec<QueueView>> {
        let mut names =
            connection.prepare_cached("SELECT name, paused FROM queues ORDER BY name")?;
        let names: Vec<(String, bool)> = names
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        names
            .into_iter()
            .map(|(name, paused)| queue(connection, context, name, paused))
            .collect()
    };
    work().map_err(failed("read"))
}

fn queue(
    connection: &Connection,
    context: &Context,
    queue: String,
    paused: bool,
) -> rusqlite::Result<QueueView> {
    let now = context.clock.wall_ms();
    let mut counts = [0; TaskState::ALL.len()];
    let mut rows = connection.prepare_cached("SELECT state, count FROM counts WHERE queue = ?1")?;
    let mut rows = rows.query([&queue])?;
    while let Some(row) = rows.next()? {
        let place: usize = row.get(0)?;
        if let Some(count) = counts.get_mut(place) {
            *count = row::unsigned(row.get(1)?);
        }
    }
    let count = |state: TaskState| counts[state as usize];
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT due_ms FROM tasks WHERE state = 1 AND queue = ?1 ORDER BY seq LIMIT 1",
        )?
        .query_row([&queue], |row| row.get(0))
        .optional()?;
    let minute = now / 60_000;
    let (ended, failed, run_ms, longest_ms): (i64, i64, i64, i64) = connection
        .prepare_cached(
            "SELECT coalesce(sum(ended), 0), coalesce(sum(failed), 0), coalesce(sum(run_ms), 0),
                coalesce(max(longest_ms), 0) FROM minutes WHERE queue = ?1 AND minute > ?2",
        )?
        .query_row(params![queue, minute - 60], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let last_minute: Option<i64> = connection
        .prepare_cached("SELECT ended FROM minutes WHERE queue = ?1 AND minute = ?2")?
        .query_row(params![queue, minute - 1], |row| row.get(0))
        .optional()?;
    Ok(QueueView {
        paused,
        queued: count(TaskState::Queued),
        scheduled: count(TaskState::Scheduled),
        retrying: count(TaskState::Retrying),
        running: count(TaskState::Running),
        done: count(TaskState::Done),
        failed: count(TaskState::Failed),
        oldest_s: oldest.map(|due| row::seconds(now.saturating_sub(due).max(0))),
        ended_per_minute: row::unsigned(last_minute.unwrap_or_default()),
        ended_last_hour: row::unsigned(ended),
        failed_last_hour: row::unsigned(failed),
        mean_run_s: (ended > 0).then(|| row::seconds(run_ms / ended.max(1))),
        longest_run_s: (ended > 0).then(|| row::seconds(longest_ms)),
        queue,
    })
}
