//! What a tool would ask at its first start, answered.

use serde::Deserialize;

use super::HomePath;

/// A file of the agent's home, written before the tool is started for the first time. One that is there
/// already keeps its own values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstRunFile {
    /// Where.
    pub path: HomePath,
    /// How it is merged with one that is there.
    pub format: FileFormat,
    /// The text; valid in its format.
    pub content: String,
}

/// Formats of such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// An object of JSON.
    Json,
    /// A table of TOML.
    Toml,
    /// Text: one that is there is left alone.
    Text,
}
