//! Agents: AI coding tools, each in a container of its own, as they are asked for and shown.
//!
//! - `id`: what names one
//! - `state`: where it stands, and what it waits for
//! - `start`: what is asked for
//! - `view`: what is shown
//! - `terminal`: its terminal on a page
//! - `commands`: what the commands take and answer

mod commands;
mod id;
mod start;
mod state;
mod terminal;
mod view;

pub use commands::{
    AgentAnswerRequest, AgentKeysRequest, AgentLogsRequest, AgentName, AgentSendRequest,
    AgentStopRequest, AgentsCleaned,
};
pub use id::{AgentId, AgentIdError, CONTAINER_PREFIX};
pub use start::{AgentLimits, AgentWorkspace, KeepAgent, ReadOnlyMount, StartAgent};
pub use state::{AgentAsk, AgentState, WaitingFor};
pub use terminal::{AgentTerminalRequest, AgentTerminalTicket, TerminalControl, TerminalEnd};
pub use view::{AgentList, AgentView};
