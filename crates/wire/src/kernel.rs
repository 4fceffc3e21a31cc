//! Requests and answers of the kernel API (container port 8080).

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;

/// `POST /exec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecRequest {
    /// The client's own id; may repeat.
    #[serde(default)]
    pub id: Option<String>,
    /// Python source.
    pub code: String,
    /// Seconds from the cell's start; none means no limit.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    /// Neither history nor execution count.
    #[serde(default)]
    pub silent: bool,
    /// Which kernel; `main` where left out.
    #[serde(default)]
    pub kernel: Option<String>,
    /// Whether somebody will answer its `input()`; where left out, whether a client reads its
    /// event stream at that moment.
    #[serde(default)]
    pub stdin: Option<bool>,
    /// A name that cells share which were handed in together: where one of them does not complete, or
    /// ends itself with `sys.exit()`, those behind it are taken out of the queue.
    #[serde(default)]
    pub batch: Option<String>,
    /// The client's own word for this run of a cell, which comes back wherever the run is shown: `id`
    /// names the cell, and repeats.
    #[serde(default)]
    pub tag: Option<String>,
}

/// How a cell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExecStatus {
    /// It ran to its end.
    Completed,
    /// It raised.
    Failed,
    /// It was interrupted.
    Interrupted,
    /// Its time limit passed.
    Timeout,
    /// The kernel process ended under it.
    Died,
}

/// What a failing cell raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CellError {
    /// Class name.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// Traceback, one text, ANSI colours as IPython writes them.
    pub traceback: String,
}

/// Answer of `POST /exec` once the cell has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecAnswer {
    /// The client's id, or one of ours.
    pub id: String,
    /// Ours, unique.
    pub execution_id: String,
    /// How it ended.
    pub status: ExecStatus,
    /// All of stdout, children's included.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// Text of the last expression's value.
    pub result: Option<String>,
    /// What it raised.
    pub error: Option<CellError>,
    /// Milliseconds inside the kernel.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub timing_ms: u64,
    /// `In [n]`.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub execution_count: Option<u64>,
    /// If `sys.exit()` ended the cell: the exit code that a program would have, 0 for a completed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub exit_code: Option<u8>,
    /// nbformat 4.5 output objects, in order.
    #[cfg_attr(feature = "ts", ts(type = "Array<Output>"))]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::nbformat::Output>"))]
    pub outputs: Vec<serde_json::Value>,
}

/// How a run of a cell ended, without what it put out: for clients that were told that already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CellEnd {
    /// How it ended.
    pub status: ExecStatus,
    /// What it raised.
    pub error: Option<CellFault>,
    /// Milliseconds inside the kernel.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub timing_ms: u64,
    /// `In [n]`.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub execution_count: Option<u64>,
}

/// What a failing cell raised, without its traceback, which is among its outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CellFault {
    /// Class name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The beginning of `str(exception)`.
    pub message: String,
}

impl CellFault {
    /// The longest name and message, in characters.
    const LONGEST: usize = 2000;

    /// The same, and no more of it than a view needs.
    #[must_use]
    pub fn cut(kind: &str, message: &str) -> Self {
        let head = |text: &str| text.chars().take(Self::LONGEST).collect();
        Self {
            kind: head(kind),
            message: head(message),
        }
    }
}

/// What `POST /shell` runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "command: a line for the shell or a list of arguments was expected"
)]
pub enum ShellCommand {
    /// One line, read by bash: it splits words, and knows quotes, variables and pipes.
    Line(String),
    /// A program and its arguments, each passed on as it is; at least one.
    Arguments(Vec<String>),
}

impl Default for ShellCommand {
    fn default() -> Self {
        Self::Line(String::new())
    }
}

impl From<String> for ShellCommand {
    fn from(line: String) -> Self {
        Self::Line(line)
    }
}

impl From<&str> for ShellCommand {
    fn from(line: &str) -> Self {
        Self::Line(line.to_owned())
    }
}

/// `POST /shell`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShellRequest {
    /// A line for bash, or a program and its arguments.
    pub command: ShellCommand,
    /// Seconds; none means no limit.
    #[serde(default)]
    pub timeout_s: Option<f64>,
}

/// Answer of `POST /shell`. A command that exits non-zero is `completed` too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShellAnswer {
    /// How it ended.
    pub status: ExecStatus,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
    /// Its exit status, or 128 + the signal.
    pub returncode: Option<i32>,
    /// Milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub timing_ms: u64,
}

/// The body of every HTTP error of the body's APIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorAnswer {
    /// Code and sentence.
    pub error: ErrorBody,
    /// Names the request in the log.
    pub request_id: String,
}

/// Inside of [`ErrorAnswer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// One sentence.
    pub message: String,
}

/// What a kernel's worker says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelStatus {
    /// Cells run so far.
    pub exec_count: u64,
    /// Names in the namespace that are the user's.
    pub globals_count: u64,
    /// Whether a cell runs.
    pub busy: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_can_be_read_for_its_end_alone() {
        let answer = r#"{"id": "a", "execution_id": "b", "status": "failed", "stdout": "x", "stderr": "", "result": null,
            "error": {"type": "E", "message": "why", "traceback": "long"}, "timing_ms": 1, "execution_count": 2, "outputs": []}"#;
        let end: CellEnd = serde_json::from_str(answer).unwrap();
        assert_eq!(end.error, Some(CellFault::cut("E", "why")));
        let long = CellFault::cut("E", &"é".repeat(1 << 20));
        assert_eq!(long.message.chars().count(), CellFault::LONGEST);
    }

    #[test]
    fn a_command_is_a_line_or_arguments() {
        let read = |text: &str| serde_json::from_str::<ShellRequest>(text);
        let line = read(r#"{"command": "rm a b"}"#).unwrap();
        assert_eq!(line.command, ShellCommand::Line("rm a b".into()));
        let arguments = read(r#"{"command": ["rm", "a b"]}"#).unwrap();
        let words = vec!["rm".to_owned(), "a b".to_owned()];
        assert_eq!(arguments.command, ShellCommand::Arguments(words));
        // Clients that send a line send what they sent before.
        let sent = serde_json::to_value(&line).unwrap();
        assert_eq!(sent["command"], "rm a b");
        let refused = read(r#"{"command": 1}"#).unwrap_err().to_string();
        assert!(refused.contains("a list of arguments"), "{refused}");
    }
}
