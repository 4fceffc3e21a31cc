//! What the supervisor asks PID 1 and hears from it: JSON lines over a Unix socket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A request of the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum TableRequest {
    /// Starts a service in a process group of its own.
    Start {
        /// Its name; one that runs is not started twice.
        name: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// Added to PID 1's own environment.
        env: BTreeMap<String, String>,
        /// Working folder.
        cwd: String,
        /// File that its output is appended to.
        log: String,
        /// Whether what it started in its group is signalled and ends with it.
        with_group: bool,
    },
    /// Signals a service, as a rule its whole process group.
    Signal {
        /// Its name.
        name: String,
        /// Number of the signal.
        signal: i32,
    },
    /// Kills all that a service started in this life or one before, also what left its process group.
    End {
        /// Its name; it need not run any more.
        name: String,
    },
    /// Takes a service that has ended out of the table.
    Forget {
        /// Its name.
        name: String,
    },
    /// Everything that was ever started and is not forgotten, with how it ended.
    List,
    /// From now on this connection hears of every end, as [`TableAnswer::Exited`].
    Watch,
}

/// An answer of PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum TableAnswer {
    /// It runs.
    Started {
        /// Its process id, also its group's.
        pid: i32,
    },
    /// Done.
    Done,
    /// The table.
    Services {
        /// By name.
        services: Vec<TableEntry>,
    },
    /// A service ended (only to who watches).
    Exited {
        /// Its entry, with the exit.
        service: TableEntry,
    },
    /// It could not be done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// A service in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Name.
    pub name: String,
    /// Process id of the latest life.
    pub pid: i32,
    /// Unix milliseconds of its start.
    pub started_at_ms: u64,
    /// How it ended, unless it still runs: the code, or 128 + the signal.
    pub exit: Option<i32>,
    /// Lives before this one; a PID 1 whose program was replaced since does not tell them.
    #[serde(default)]
    pub restarts: u64,
    /// How the life before this one ended.
    pub last_exit: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_is_newer_than_its_pid_1_understands_it() {
        let told = r#"{"name": "a", "pid": 7, "started_at_ms": 5, "exit": null}"#;
        let entry: TableEntry = serde_json::from_str(told).unwrap();
        assert_eq!((entry.restarts, entry.last_exit), (0, None));
    }
}
