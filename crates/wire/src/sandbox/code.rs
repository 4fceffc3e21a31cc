//! Code in a sandbox, with variables that stay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kernel::{CellError, ExecStatus};

/// `POST /sessions/{id}/code`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeRequest {
    /// Source.
    pub code: String,
    /// `python`, also if `None`.
    #[serde(default)]
    pub language: Option<String>,
    /// Id of a context; the sandbox's first one if `None`.
    #[serde(default)]
    pub context: Option<String>,
    /// Seconds; the sandbox's own limit if `None`, none at all if 0.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    /// Environment for this run alone.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Answer of `POST /sessions/{id}/code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeAnswer {
    /// Context that it ran in.
    pub context: String,
    /// How it ended.
    pub status: ExecStatus,
    /// Text of the last expression's value.
    pub result: Option<String>,
    /// What it raised.
    pub error: Option<CellError>,
    /// `In [n]`.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub execution_count: Option<u64>,
    /// Milliseconds inside the kernel.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub timing_ms: u64,
    /// nbformat 4.5 output objects, in order.
    #[cfg_attr(feature = "ts", ts(type = "Array<Record<string, unknown>>"))]
    pub outputs: Vec<Value>,
    /// Whether it put out more than is kept.
    pub truncated: bool,
}

/// A kernel of a sandbox, whose variables stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeContext {
    /// Its id.
    pub id: String,
    /// `python`.
    pub language: String,
    /// Folder that it began in.
    pub cwd: String,
}

/// Asks for a context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CodeContextRequest {
    /// `python`, also if `None`.
    pub language: Option<String>,
    /// Folder to begin in; the home if `None`.
    pub cwd: Option<String>,
}
