//! What a tool prints for programs.

use serde::{Deserialize, Serialize};

use super::Words;

/// Arguments and what comes of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// How it is read.
    pub format: OutputFormat,
    /// Arguments that ask for it.
    pub arguments: Words,
}

/// Formats of lines of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Claude Code's `stream-json`, which several tools have taken over.
    ClaudeStream,
    /// Codex' `exec --json`.
    CodexEvents,
    /// Gemini CLI's `stream-json`.
    GeminiStream,
    /// opencode's `run --format json`.
    OpencodeEvents,
    /// Droid's `exec --output-format stream-json`.
    DroidJson,
    /// One object at the end, as Auggie prints it.
    AuggieJson,
}
