//! An agent's terminal, as a page shows it. What it shows and what is typed are the binary messages of a
//! WebSocket; its text messages are the types here.

use serde::{Deserialize, Serialize};

use super::AgentId;
use crate::failure::Failure;

wire! {
    /// Asks for `agent_terminal_open`.
    pub struct AgentTerminalRequest {
        /// Whose.
        pub id: AgentId,
        /// Columns that the page has.
        pub cols: u16,
        /// Rows.
        pub rows: u16,
        /// Whether nothing can be typed, and the size doesn't count.
        #[serde(default)]
        pub read_only: bool,
    }
    /// How a page reaches an agent's terminal.
    pub struct AgentTerminalTicket {
        /// `ws://127.0.0.1:<port>/agent?ticket=…`, good once, within 30 seconds.
        pub url: String,
    }
    /// What a page says to a terminal.
    #[derive(Copy, Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum TerminalControl {
        /// It has another size.
        Resize {
            /// Columns.
            cols: u16,
            /// Rows.
            rows: u16,
        },
        /// The page has drawn so much more: until then only a window's worth is sent.
        Taken {
            /// How much of what was sent since it said so last.
            bytes: u32,
        },
    }
    /// Answer of `agent_screen`.
    #[derive(Eq)]
    pub struct AgentScreen {
        /// What its terminal shows, line by line, without colours. It comes from inside: text, and nothing
        /// else.
        pub text: String,
    }
}

/// The last thing that a page hears of a terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TerminalEnd {
    /// Why; none if the terminal ended, or the person detached.
    pub failure: Option<Failure>,
}
