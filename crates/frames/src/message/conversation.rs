//! How a conversation begins and ends.

use serde::{Deserialize, Serialize};

use super::ExecState;
use crate::{FrameError, Nonce, credit::OverCredit};

/// The sandbox's first frame: at its start, and for each host that attaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`](crate::PROTOCOL) of the sandbox.
    pub protocol: u32,
    /// The version of its first process.
    pub version: String,
    /// This conversation's epoch: 1 at first, one more each time.
    pub epoch: u32,
    /// What the mark before an [`Attach`] has to hold, all of the sandbox's life. It is the host's to
    /// keep.
    pub key: Nonce,
    /// All execs that weren't released. A host that attaches hears nothing of one before it says
    /// [`Request::Resume`](super::Request::Resume).
    pub execs: Vec<ExecState>,
}

/// The first frame of a host that comes back, after the mark that the last hello told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// [`PROTOCOL`](crate::PROTOCOL) of the host.
    pub protocol: u32,
    /// What the mark before the answering hello has to hold.
    pub nonce: Nonce,
}

/// The last frame of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// Why it ends.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
}

/// Why a conversation ends. After the first two the sandbox ends as well; after all others it waits
/// for a host that attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The host asked for it, or the engine stops the container.
    Shutdown,
    /// The sandbox's input ended: nobody can attach any more.
    EndOfInput,
    /// The host speaks another protocol.
    Version,
    /// A frame was longer than its kind allows.
    TooLong,
    /// The input ended within a frame.
    Cut,
    /// A frame was of a kind that doesn't exist.
    UnknownKind,
    /// A frame was of another conversation.
    WrongEpoch,
    /// A frame was missing or came twice.
    OutOfOrder,
    /// The conversation began with something else than it has to.
    NotOpened,
    /// A frame's bytes weren't what its kind says, or a side sent what only the other one may.
    Malformed,
    /// More data came than there was credit for.
    OverCredit,
}

impl From<&FrameError> for Reason {
    fn from(error: &FrameError) -> Self {
        match error {
            FrameError::TooLong { .. } => Self::TooLong,
            FrameError::Cut => Self::Cut,
            FrameError::UnknownKind { .. } => Self::UnknownKind,
            FrameError::WrongEpoch { .. } => Self::WrongEpoch,
            FrameError::OutOfOrder { .. } => Self::OutOfOrder,
            FrameError::NotOpened { .. } => Self::NotOpened,
            FrameError::Malformed { .. } | FrameError::Credit { .. } => Self::Malformed,
        }
    }
}

impl From<&FrameError> for Goodbye {
    fn from(error: &FrameError) -> Self {
        Self {
            reason: error.into(),
            message: error.to_string(),
        }
    }
}

impl From<&OverCredit> for Goodbye {
    fn from(error: &OverCredit) -> Self {
        Self {
            reason: Reason::OverCredit,
            message: error.to_string(),
        }
    }
}
