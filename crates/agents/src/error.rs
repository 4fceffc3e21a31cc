//! What can go wrong with an agent, and how it is told to a person.

use containers::EngineError;
use init_client::InitError;
use wire::{
    advice::Advice,
    agent::AgentId,
    failure::{Failure, FailureCode},
};

use crate::git::GitError;

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
    /// A folder that agents may not be given.
    #[error("{path} isn't inside a folder that agents may be given")]
    NotAllowed {
        /// The folder.
        path: String,
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
    /// It works on nothing that could be compared with what it was given.
    #[error("agent {0} has no clone of its own")]
    NoClone(AgentId),
    /// A repository, or what an agent made of it, can't be used.
    #[error(transparent)]
    Git(#[from] GitError),
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
        let failure = |code| Failure::new(code, message.clone());
        match error {
            AgentError::Engine(error) => error.into(),
            // Which folders those are is the agents' business, and who was asked.
            AgentError::Git(GitError::NotAllowed { path }) => {
                not_allowed(path.display().to_string())
            }
            AgentError::NotAllowed { path } => not_allowed(path),
            AgentError::Git(error) => error.into(),
            AgentError::ImageMissing { .. } => failure(FailureCode::NotFound)
                .next(Advice::text("Build the image, or check its name.")),
            AgentError::KeyMissing(name) => {
                failure(FailureCode::NotFound).next(Advice::StoreKey { name })
            }
            AgentError::NoClone(_) => failure(FailureCode::Invalid)
                .because("it works in place, or in an empty volume")
                .next(Advice::text(
                    "Start an agent on a clone of a folder to review and merge what it does.",
                )),
            AgentError::NotFound(_) => failure(FailureCode::NotFound),
            AgentError::NotRunning { .. } | AgentError::Paused(_) => {
                failure(FailureCode::NotRunning)
            }
            AgentError::Taken(_) | AgentError::TooManyViewers { .. } => failure(FailureCode::Busy),
            AgentError::Invalid { .. }
            | AgentError::Folder { .. }
            | AgentError::ImageUnfit { .. } => failure(FailureCode::Invalid),
            AgentError::Helper { .. }
            | AgentError::Command { .. }
            | AgentError::Init { .. }
            | AgentError::Stopping => failure(FailureCode::Internal),
        }
    }
}

fn not_allowed(path: String) -> Failure {
    let message = format!("Agents may not be given {path}");
    Failure::new(FailureCode::Forbidden, message)
        .because("it isn't inside a folder that you allowed")
        .next(Advice::AllowAgentFolder { path })
}
