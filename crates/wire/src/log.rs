//! Lines of a log, and which of them are asked for.

use serde::{Deserialize, Serialize};

/// Asks for `machine_logs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LogsRequest {
    /// How many lines from the end.
    pub tail: u32,
    /// Only lines since then, in seconds of Unix time.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional, type = "number"))]
    pub since_s: Option<i64>,
}

/// Lines of a log, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LogLines {
    /// Without newlines.
    pub lines: Vec<String>,
}
