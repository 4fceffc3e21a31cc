//! Agents: AI coding tools, each in a container of its own, as they are asked for and shown.
//!
//! - `id`: what names one
//! - `state`: where it stands, and what it waits for
//! - `start`: what is asked for
//! - `view`: what is shown
//! - `tool`: the tools that there are, and their images
//! - `work`: what one made of the person's files
//! - `terminal`: its terminal, for a page
//! - `commands`: what the other commands take and answer

mod commands;
mod id;
mod start;
mod state;
mod terminal;
mod tool;
mod view;
mod work;

pub use commands::{
    AgentAnswerRequest, AgentKeysRequest, AgentLogsRequest, AgentName, AgentSendRequest,
    AgentStopRequest, AgentsCleaned,
};
pub use id::{AgentId, AgentIdError, CONTAINER_PREFIX};
pub use start::{AgentLimits, AgentWorkspace, KeepAgent, ReadOnlyMount, StartAgent};
pub use state::{AgentAsk, AgentState, WaitingFor};
pub use terminal::{
    AgentScreen, AgentTerminalRequest, AgentTerminalTicket, TerminalControl, TerminalEnd,
};
pub use tool::{
    AgentFolderRequest, AgentFolders, AgentImageApproveRequest, AgentImageBuildRequest,
    AgentImageLogRequest, AgentImageOrigin, AgentImageSource, AgentImageState, AgentMode,
    AgentPolicy, AgentTool, AgentTools,
};
pub use view::{AgentList, AgentStarted, AgentView};
pub use work::{
    AgentConflict, AgentDiff, AgentDiffRequest, AgentFileContent, AgentFileDiff, AgentFileStatus,
    AgentMerge, AgentMergeOutcome, AgentMergeRequest, AgentMergeStyle, AgentMergeUndoRequest,
    AgentPatch,
};
