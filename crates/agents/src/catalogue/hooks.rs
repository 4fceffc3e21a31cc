//! A tool's hooks.

use serde::{Deserialize, Serialize};

use super::HomePath;

/// What a tool calls when something happens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// How they are written down and called.
    pub schema: HookSchema,
    /// The file in the agent's home; `None` if an argument names the program.
    pub file: Option<HomePath>,
    /// Whether a hook hears of a permission before the tool asks for it, and can answer.
    pub permission_request: bool,
}

/// Kinds of hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookSchema {
    /// Claude Code's: `hooks` by event and matcher, with JSON on stdin.
    Claude,
    /// The same of Codex, which runs those alone whose hashes its settings have.
    Codex,
    /// Gemini CLI's, with names of its own.
    Gemini,
    /// A plugin of opencode.
    Opencode,
    /// A plugin of Amp.
    Amp,
    /// One command, called when the person is waited for.
    Notification,
}
