//! Code with variables that stay: contexts, each a kernel's worker as a process of the sandbox. The
//! worker listens on a socket inside; a second process joins that with its stdio, so that a context
//! outlives whoever speaks with it. What a worker says comes from inside the sandbox: it is bounded,
//! and nothing of it is believed but to be outputs.

mod context;
mod run;
mod worker;

use serde_json::Value;
use wire::kernel::{CellError, ExecStatus};

pub(crate) use self::context::{Kernels, Starter};
pub use self::run::CodeRun;

/// Something that code did.
#[derive(Clone, Debug, PartialEq)]
pub enum CodeEvent {
    /// An nbformat 4.5 output object: stream, `execute_result`, `display_data`, `error`.
    Output(Value),
    /// Outputs so far are to be cleared; at the next one if `wait`.
    Clear {
        /// Whether to wait for the next output.
        wait: bool,
    },
    /// It ended; nothing follows.
    Ended(CodeEnd),
}

/// How code ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeEnd {
    /// How.
    pub status: ExecStatus,
    /// Text of the last expression's value.
    pub result: Option<String>,
    /// What it raised.
    pub error: Option<CellError>,
    /// `In [n]`.
    pub execution_count: Option<u64>,
    /// Milliseconds inside the kernel.
    pub timing_ms: u64,
}

impl CodeEnd {
    /// Without a value, as the kernel did not say how it ended.
    fn failed(status: ExecStatus, kind: &str, message: &str) -> Self {
        Self {
            status,
            result: None,
            error: Some(CellError {
                kind: kind.into(),
                message: message.into(),
                traceback: message.into(),
            }),
            execution_count: None,
            timing_ms: 0,
        }
    }
}
