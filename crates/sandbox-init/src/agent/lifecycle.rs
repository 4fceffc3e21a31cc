//! Lines for whoever reads the container's log: what happened, and when is the engine's to say.

use std::io;

use agent_status::shown;
use wire::agent::AgentState;

/// The most of a line.
const LINE_BYTES: usize = 512;

/// Says it. A log that can't be written to, or is full, holds nobody up.
pub fn say(words: &str) {
    let line = format!("agent: {}\n", shown(words, LINE_BYTES));
    let _ = rustix::io::write(io::stdout(), line.as_bytes());
}

/// Where the agent stands, in words.
pub fn state(state: &AgentState) -> String {
    match state {
        AgentState::Waiting { on } => format!("waiting for {}", on.word()),
        AgentState::Failed { reason } => format!("failed: {reason}"),
        AgentState::Exited { code: Some(code) } => format!("exited with code {code}"),
        state => state.word().to_owned(),
    }
}
