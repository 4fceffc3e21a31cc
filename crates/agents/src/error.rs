//! What can go wrong with an agent, and how it is told to a person.

use containers::EngineError;
use init_client::InitError;
use wire::{
    advice::Advice,
    agent::AgentId,
    failure::{Failure, FailureCode},
};

/// Failures of agents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is none of that id.
    #[error("agent {0} not found")]
    NotFound(AgentId),
    /// A container of that name is there, and isn't this agent's.
    #[error("a container named {0} is already there")]
    Taken(String),
    /// It doesn't run: it can be resumed.
    #[error("agent {id} isn't running: {reason}")]
    NotRunning {
        /// Which one.
        id: AgentId,
        /// Where it stands.
        reason: String,
    },
    /// Its processes are frozen.
    #[error("agent {0} is paused")]
    Paused(AgentId),
    /// A field of a request has a value that can't be used.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// Its name in the request.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A folder may not be worked on, or be seen.
    #[error("{path} can't be used: {reason}")]
    Folder {
        /// The folder.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The engine doesn't have the image.
    #[error("image {image} not found")]
    ImageMissing {
        /// As it was asked for.
        image: String,
    },
    /// The image can't hold an agent.
    #[error("image {image} can't be used: {reason}")]
    ImageUnfit {
        /// As it was asked for.
        image: String,
        /// Why not.
        reason: String,
    },
    /// A key that the tool needs isn't there.
    #[error("the key {0} isn't set")]
    KeyMissing(String),
    /// As many look at it as can.
    #[error("too many terminals: {limit} are open for agent {id}")]
    TooManyViewers {
        /// Which one.
        id: AgentId,
        /// The most.
        limit: usize,
    },
    /// The helper in its container said nothing in time, or something that it must not.
    #[error("agent {id} is not responding: {reason}")]
    Helper {
        /// Which one.
        id: AgentId,
        /// Why.
        reason: String,
    },
    /// A command in its container failed.
    #[error("could not {doing} agent {id}: {reason}")]
    Command {
        /// Which one.
        id: AgentId,
        /// A verb.
        doing: &'static str,
        /// The command's words.
        reason: String,
    },
    /// The program that becomes the first process can't be used.
    #[error("could not use the agents' helper: {reason}")]
    Init {
        /// Why.
        reason: String,
    },
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// `stop` was called.
    #[error("agents are shutting down")]
    Stopping,
}

impl From<InitError> for AgentError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Engine(error) => Self::Engine(error),
            InitError::Program { reason } => Self::Init { reason },
        }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let message = error.to_string();
        if let AgentError::ImageMissing { .. } = error {
            let how = "Build the images as docs/agents.md shows, with `docker build` in the folder `docker`.";
            return Failure::new(FailureCode::NotFound, message).next(Advice::text(how));
        }
        let code = match error {
            AgentError::Engine(error) => return error.into(),
            AgentError::NotFound(_) | AgentError::ImageMissing { .. } => FailureCode::NotFound,
            AgentError::NotRunning { .. } | AgentError::Paused(_) => FailureCode::NotRunning,
            AgentError::Taken(_) | AgentError::TooManyViewers { .. } => FailureCode::Busy,
            AgentError::Invalid { .. }
            | AgentError::Folder { .. }
            | AgentError::ImageUnfit { .. }
            | AgentError::KeyMissing(_) => FailureCode::Invalid,
            AgentError::Helper { .. }
            | AgentError::Command { .. }
            | AgentError::Init { .. }
            | AgentError::Stopping => FailureCode::Internal,
        };
        Failure::new(code, message)
    }
}
