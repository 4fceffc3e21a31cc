//! Pages of tasks. A page is found by the place of its first task, so that the last one of a million costs
//! as much as the first; and it ends early rather than look at all of them for one that matches.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ToSql};
use wire::task::{TaskFilter, TaskPage, TaskView};

use super::{failed, row};
use crate::TaskError;

/// Tasks that one query looks at.
const LOOKED_AT: i64 = 5000;
/// How long a page may be searched for.
const LONGEST: Duration = Duration::from_millis(15);
/// Most tasks of a page.
const MOST: usize = 1000;

/// Some tasks, newest first, and where to go on.
pub(super) struct Part {
    pub(super) tasks: Vec<(i64, TaskView)>,
    pub(super) next: Option<i64>,
}

/// A page of tasks.
pub(super) fn page(
    connection: &Connection,
    whose: Option<&str>,
    filter: &TaskFilter,
    after: Option<&str>,
    limit: usize,
) -> Result<TaskPage, TaskError> {
    let before = match after {
        None => i64::MAX,
        Some(text) => text
            .parse()
            .ok()
            .filter(|place| *place > 0)
            .ok_or_else(|| {
                TaskError::invalid("after", "the next of an earlier page is expected")
            })?,
    };
    let limit = limit.clamp(1, MOST);
    let part = part(connection, whose, filter, before, limit).map_err(failed("read"))?;
    Ok(TaskPage {
        tasks: part.tasks.into_iter().map(|(_, task)| task).collect(),
        next: part.next.map(|next| next.to_string()),
    })
}

/// Tasks before a place that match.
pub(super) fn part(
    connection: &Connection,
    whose: Option<&str>,
    filter: &TaskFilter,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Part> {
    let begun = Instant::now();
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(seq) FROM tasks")?
        .query_row([], |row| row.get(0))?;
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(seq) FROM tasks")?
        .query_row([], |row| row.get(0))?;
    let (Some(newest), Some(oldest)) = (newest, oldest) else {
        let tasks = Vec::new();
        return Ok(Part { tasks, next: None });
    };
    // A state alone has an index, by which every task that is looked at matches.
    let is_direct =
        whose.is_none() && filter.kind.is_none() && filter.queue.is_none() && filter.text.is_none();
    let mut before = before.min(newest + 1);
    let mut tasks = Vec::new();
    loop {
        let floor = if is_direct {
            oldest
        } else {
            before.saturating_sub(LOOKED_AT).max(oldest)
        };
        let wanted = limit - tasks.len();
        tasks.extend(window(connection, whose, filter, floor..before, wanted)?);
        if tasks.len() >= limit {
            let last = tasks.last().map_or(0, |(seq, _)| *seq);
            let next = (last > oldest).then_some(last);
            return Ok(Part { tasks, next });
        }
        if floor <= oldest {
            return Ok(Part { tasks, next: None });
        }
        before = floor;
        if begun.elapsed() > LONGEST {
            let next = Some(floor);
            return Ok(Part { tasks, next });
        }
    }
}

fn window(
    connection: &Connection,
    whose: Option<&str>,
    filter: &TaskFilter,
    places: std::ops::Range<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, TaskView)>> {
    let mut sql = format!("SELECT {} FROM tasks WHERE seq >= ? AND seq < ?", row::VIEW);
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(places.start), Box::new(places.end)];
    let mut also = |condition: &str, value: Box<dyn ToSql>| {
        sql += condition;
        values.push(value);
    };
    if let Some(owner) = whose {
        also(" AND owner = ?", Box::new(owner.to_owned()));
    }
    if let Some(state) = filter.state {
        let place = row::place(&wire::task::TaskState::ALL, &state);
        also(" AND state = ?", Box::new(place));
    }
    if let Some(kind) = filter.kind {
        also(" AND kind = ?", Box::new(kind.as_str()));
    }
    if let Some(queue) = &filter.queue {
        also(" AND queue = ?", Box::new(queue.clone()));
    }
    if let Some(text) = filter.text.as_ref().filter(|text| !text.is_empty()) {
        let number = values_place(&sql);
        sql += &format!(
            " AND (instr(id, ?{number}) OR instr(work, ?{number}) OR instr(coalesce(error, ''), ?{number}))"
        );
        values.push(Box::new(text.clone()));
    }
    sql += " ORDER BY seq DESC LIMIT ?";
    values.push(Box::new(limit));
    let mut find = connection.prepare_cached(&sql)?;
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    find.query_map(values.as_slice(), row::view)?.collect()
}

/// The number of the next value of a query.
fn values_place(sql: &str) -> usize {
    sql.matches('?').count() + 1
}
