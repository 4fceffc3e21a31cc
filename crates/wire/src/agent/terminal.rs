//! An agent's terminal, for a page.

use serde::{Deserialize, Serialize};

use super::AgentId;

wire! {
    /// Answer of `agent_screen`.
    #[derive(Eq)]
    pub struct AgentScreen {
        /// What its terminal shows, line by line, without colours. It comes from inside: text, and nothing
        /// else.
        pub text: String,
    }
    /// Asks for `agent_terminal_open`.
    pub struct AgentTerminalOpen {
        /// Whose.
        pub id: AgentId,
        /// Columns.
        pub cols: u16,
        /// Rows.
        pub rows: u16,
        /// Nothing is typed, and the terminal's size doesn't count.
        #[serde(default)]
        pub read_only: bool,
    }
    /// Names a terminal that was opened. It closes when nobody asks for its output for a minute.
    #[derive(Eq)]
    pub struct AgentTerminalName {
        /// From `agent_terminal_open`.
        pub terminal_id: String,
    }
    /// Answer of `agent_terminal_output`.
    #[derive(Eq)]
    pub struct AgentTerminalOutput {
        /// What is to be written to the terminal, in base64; empty if there was nothing for a while.
        pub base64: String,
        /// Whether it ended.
        pub ended: bool,
    }
    /// Asks for `agent_terminal_input`.
    pub struct AgentTerminalInput {
        /// From `agent_terminal_open`.
        pub terminal_id: String,
        /// What was typed, in base64.
        pub base64: String,
    }
    /// Asks for `agent_terminal_resize`.
    pub struct AgentTerminalResize {
        /// From `agent_terminal_open`.
        pub terminal_id: String,
        /// Columns.
        pub cols: u16,
        /// Rows.
        pub rows: u16,
    }
}
