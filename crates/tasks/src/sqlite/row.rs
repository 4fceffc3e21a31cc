//! From columns to types.

use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;
use wire::task::{AttemptOutcome, LogStream, TaskId, TaskKind, TaskState, TaskView};

/// The columns that a view without its large parts is made of, in this order.
pub(super) const VIEW: &str = "id, kind, queue, priority, state, owner, cancelling, attempt, allowed, \
    timeout_ms, grace_ms, created_ms, due_ms, expires_ms, started_ms, ended_ms, worker, progress, error, seq";

/// A view without payload, result and attempts, and the task's place.
pub(super) fn view(row: &Row<'_>) -> rusqlite::Result<(i64, TaskView)> {
    let view = TaskView {
        task_id: parsed::<TaskId>(row, 0)?,
        kind: parsed::<TaskKind>(row, 1)?,
        queue: row.get(2)?,
        priority: row.get(3)?,
        state: state(row, 4)?,
        owner: row.get(5)?,
        cancelling: row.get(6)?,
        attempt: row.get(7)?,
        max_attempts: row.get(8)?,
        timeout_s: seconds(row.get(9)?),
        grace_s: seconds(row.get(10)?),
        created_at_ms: unsigned(row.get(11)?),
        due_at_ms: unsigned(row.get(12)?),
        expires_at_ms: row.get::<_, Option<i64>>(13)?.map(unsigned),
        started_at_ms: row.get::<_, Option<i64>>(14)?.map(unsigned),
        ended_at_ms: row.get::<_, Option<i64>>(15)?.map(unsigned),
        worker: row.get(16)?,
        progress: optional_json(row, 17)?,
        error: row.get(18)?,
        payload: None,
        result: None,
        attempts: None,
    };
    Ok((row.get(19)?, view))
}

/// A text of a type of its own.
pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| unknown(column, Type::Text))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<TaskState> {
    of(&TaskState::ALL, row, column)
}

pub(super) fn outcome(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<AttemptOutcome>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => of(&AttemptOutcome::ALL, row, column).map(Some),
    }
}

pub(super) const STREAMS: [LogStream; 3] =
    [LogStream::Stdout, LogStream::Stderr, LogStream::System];

/// One of a list, by its place.
pub(super) fn of<T: Copy>(all: &[T], row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let place: i64 = row.get(column)?;
    let found = usize::try_from(place).ok().and_then(|place| all.get(place));
    found.copied().ok_or_else(|| unknown(column, Type::Integer))
}

/// The place of one in a list.
pub(super) fn place<T: PartialEq>(all: &[T], one: &T) -> i64 {
    let place = all.iter().position(|other| other == one);
    place
        .and_then(|place| i64::try_from(place).ok())
        .unwrap_or_default()
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

pub(super) fn optional_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

fn unknown(column: usize, kind: Type) -> rusqlite::Error {
    let error = std::io::Error::other("a value that this version doesn't know");
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
}

/// Milliseconds as they are shown.
pub(super) fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or_default()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "no time here has 2^53 milliseconds"
)]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The state that is stored so.
pub(super) fn state_at(place: i64) -> TaskState {
    let found = usize::try_from(place).ok();
    let found = found.and_then(|place| TaskState::ALL.get(place));
    found.copied().unwrap_or(TaskState::Lost)
}
