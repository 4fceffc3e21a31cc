//! Why a frame can't be read or written. Each of these ends the conversation, not the sandbox.

use crate::Kind;

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A header announces more bytes than its kind may have.
    #[error("a frame of kind {kind:?} has {length} bytes, more than {most}")]
    TooLong {
        /// What the frame is.
        kind: Kind,
        /// How many bytes it announces or has.
        length: usize,
        /// How many it may have.
        most: usize,
    },
    /// The bytes ended within a frame.
    #[error("the connection ended within a frame")]
    Cut,
    /// A header's kind is none of [`Kind`].
    #[error("unknown kind of frame: {kind}")]
    UnknownKind {
        /// The header's first byte.
        kind: u8,
    },
    /// The frame belongs to another conversation.
    #[error("a frame of epoch {found} arrived in epoch {expected}")]
    WrongEpoch {
        /// The conversation's epoch.
        expected: u32,
        /// The frame's.
        found: u32,
    },
    /// A frame before this one is missing, or this one was sent twice.
    #[error("frame {found} arrived in place of frame {expected}")]
    OutOfOrder {
        /// The number that was due.
        expected: u32,
        /// The frame's number.
        found: u32,
    },
    /// A conversation began with something other than a hello or an attach.
    #[error("a conversation began with a frame of kind {kind:?}")]
    NotOpened {
        /// What came in its place.
        kind: Kind,
    },
    /// The bytes aren't what the kind says.
    #[error("invalid frame of kind {kind:?}: {source}")]
    Malformed {
        /// What the frame says it is.
        kind: Kind,
        /// What serde found.
        source: serde_json::Error,
    },
    /// A credit doesn't have eight bytes.
    #[error("a credit has {length} bytes, not 8")]
    Credit {
        /// How many it has.
        length: usize,
    },
}
