//! How much a tool asks before it does something.

use serde::{Deserialize, Serialize};

use super::Words;

/// A permission mode, as the tool has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// The tool's own name for it.
    pub id: String,
    /// For people.
    pub title: String,
    /// What it means.
    pub policy: Policy,
    /// Arguments that choose it.
    #[serde(default)]
    pub arguments: Words,
    /// Its id over ACP, if it is another or has one there at all.
    pub acp: Option<String>,
    /// Whether it can't be chosen in a terminal.
    #[serde(default)]
    pub unattended_only: bool,
}

/// What a mode means, in an order from careful to careless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing is changed.
    Plan,
    /// The person is asked before anything is changed or run.
    Ask,
    /// Files are changed without asking; the rest is asked.
    Edits,
    /// The tool decides when it asks.
    Auto,
    /// Nothing is asked.
    All,
}
