//! The tables, and which version of them a file has.

use std::path::Path;

use rusqlite::Connection;

use super::failed;
use crate::TaskError;

/// The version that this program writes.
const VERSION: i64 = 1;

/// States as they are stored: places in `TaskState::ALL`.
pub(super) const SCHEDULED: i64 = 0;
pub(super) const QUEUED: i64 = 1;
pub(super) const RUNNING: i64 = 2;
pub(super) const RETRYING: i64 = 3;
pub(super) const FAILED: i64 = 5;
pub(super) const CANCELLED: i64 = 6;
pub(super) const EXPIRED: i64 = 7;
pub(super) const LOST: i64 = 8;

/// The partial indexes hold only what their queries look for, so that a million records of ended tasks
/// don't slow down the next claim.
const TABLES: &str = "
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL,
    work TEXT NOT NULL,
    max_attempts INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    allowed INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    grace_ms INTEGER NOT NULL,
    idempotency_key TEXT,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    started_ms INTEGER,
    ended_ms INTEGER,
    worker TEXT,
    token INTEGER,
    lease_until INTEGER,
    lease_boot TEXT,
    cancelling INTEGER NOT NULL DEFAULT 0,
    progress TEXT,
    result TEXT,
    error TEXT,
    log_next INTEGER NOT NULL DEFAULT 1,
    log_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX tasks_by_key ON tasks(coalesce(owner, ''), owner IS NULL, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX tasks_ready ON tasks(queue, kind, priority DESC, seq) WHERE state = 1;
CREATE INDEX tasks_waiting ON tasks(queue, seq) WHERE state = 1;
CREATE INDEX tasks_by_state ON tasks(state, seq);
CREATE INDEX tasks_due ON tasks(due_ms) WHERE state IN (0, 3);
CREATE INDEX tasks_leased ON tasks(lease_until) WHERE state = 2;
CREATE INDEX tasks_expiring ON tasks(expires_ms) WHERE expires_ms IS NOT NULL AND state IN (0, 1, 3);
CREATE INDEX tasks_ended ON tasks(ended_ms) WHERE ended_ms IS NOT NULL;

CREATE TABLE attempts (
    task INTEGER NOT NULL REFERENCES tasks(seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    worker TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome INTEGER,
    error TEXT,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    task INTEGER NOT NULL REFERENCES tasks(seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    paused INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER task_added AFTER INSERT ON tasks BEGIN
    INSERT INTO counts VALUES (new.queue, new.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER task_moved AFTER UPDATE OF state ON tasks WHEN old.state <> new.state BEGIN
    UPDATE counts SET count = count - 1 WHERE queue = old.queue AND state = old.state;
    INSERT INTO counts VALUES (new.queue, new.state, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER task_removed AFTER DELETE ON tasks BEGIN
    UPDATE counts SET count = count - 1 WHERE queue = old.queue AND state = old.state;
END;

CREATE TABLE minutes (
    queue TEXT NOT NULL,
    minute INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    run_ms INTEGER NOT NULL,
    longest_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, minute)
) STRICT, WITHOUT ROWID;

CREATE TABLE buckets (
    kind TEXT PRIMARY KEY,
    starts REAL NOT NULL,
    at_ms INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    name TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    kinds TEXT NOT NULL,
    queues TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    wanted_concurrency INTEGER,
    wanted_draining INTEGER,
    started_ms INTEGER NOT NULL,
    seen_wall_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    owner TEXT,
    request TEXT NOT NULL,
    next_ms INTEGER,
    last_ms INTEGER,
    last_task TEXT,
    error TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    ahead_ms INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT;
";

/// Makes the tables of an empty file.
///
/// # Errors
/// [`TaskError::Newer`] if a later version of this program wrote it.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), TaskError> {
    let failed = failed("open");
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(&failed)?;
    let found: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(&failed)?;
    match found {
        VERSION => return Ok(()),
        0 => {}
        found => {
            return Err(TaskError::Newer {
                path: path.display().to_string(),
                found,
                known: VERSION,
            });
        }
    }
    transaction.execute_batch(TABLES).map_err(&failed)?;
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)
}
