//! Processes in a sandbox.

use serde::{Deserialize, Serialize};

use crate::{Name, StreamId};

/// The most bytes of an exec's label: those of all execs fit into one hello.
pub const MOST_LABEL_BYTES: usize = 160;

/// A process to start, in a session of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// What runs.
    pub command: Command,
    /// Where; the first of the writable folders if none.
    #[serde(default)]
    pub cwd: Option<Name>,
    /// Variables over those of the container.
    #[serde(default)]
    pub env: Vec<(Name, Name)>,
    /// The size of its terminal; pipes if none.
    #[serde(default)]
    pub pty: Option<Size>,
    /// Whether it reads the stream's input; its standard input is empty if not.
    #[serde(default)]
    pub input: bool,
    /// After so many milliseconds its whole session is killed.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// What happens to output that nobody takes.
    #[serde(default)]
    pub overflow: Overflow,
    /// The host's name for it, for one that comes back: letters, digits and signs of ASCII, and
    /// spaces.
    #[serde(default)]
    pub label: Option<String>,
}

impl Exec {
    /// A process with pipes and without input.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            cwd: None,
            env: Vec::new(),
            pty: None,
            input: false,
            timeout_ms: None,
            overflow: Overflow::Wait,
            label: None,
        }
    }
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A line for a login shell: `bash -lc`, or `sh -lc` if there is no bash.
    Line(Name),
    /// A program and its arguments, as they are: it works without any shell.
    Argv(Vec<Name>),
}

/// What happens to output when neither credit nor memory is left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The process waits, as with any pipe.
    #[default]
    Wait,
    /// The oldest output is dropped, and the process goes on: for one in the background.
    Drop,
}

/// A terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// How an exec ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// What it returned; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
    /// Bytes of output that were dropped.
    pub dropped: u64,
}

/// An exec, for a host that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecState {
    /// Its stream.
    pub stream: StreamId,
    /// The host's name for it.
    pub label: Option<String>,
    /// Its process.
    pub pid: i32,
    /// How long it has run or ran, in milliseconds.
    pub age_ms: u64,
    /// The first byte of output that is kept.
    pub oldest: u64,
    /// The byte after the last one.
    pub end: u64,
    /// How it ended; none if it runs, or if some of its output is still in its pipes because nobody
    /// took it.
    pub exit: Option<Exit>,
}
