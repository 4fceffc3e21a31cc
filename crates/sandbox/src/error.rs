//! What can go wrong with a sandbox, and how it is told to a person.

use containers::EngineError;
use init_client::InitError;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    sandbox::SandboxId,
};

/// Failures of sandboxes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// There is none of that id, or it is somebody else's.
    #[error("sandbox {0} not found")]
    NotFound(SandboxId),
    /// It was removed, or its time was over.
    #[error("sandbox {id} has ended: {reason}")]
    Ended {
        /// Which one.
        id: SandboxId,
        /// Why.
        reason: String,
    },
    /// It is gone, and nobody here wanted that.
    #[error("sandbox {id} is lost: {reason}")]
    Lost {
        /// Which one.
        id: SandboxId,
        /// Why.
        reason: String,
    },
    /// Its processes are frozen.
    #[error("sandbox {0} is paused")]
    Paused(SandboxId),
    /// As many as the settings allow are there.
    #[error("too many sandboxes: the limit is {limit}")]
    Full {
        /// The most that there may be.
        limit: usize,
    },
    /// A field of a request has a value that can't be used.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// Its name in the request.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The engine doesn't have the image.
    #[error("image {image} not found")]
    ImageMissing {
        /// As it was asked for.
        image: String,
    },
    /// This version can't do it.
    #[error("not supported: {what}")]
    NotSupported {
        /// What was asked for, and what to do instead.
        what: String,
    },
    /// No command of that id, or it ended too long ago.
    #[error("command {0} not found")]
    ExecNotFound(String),
    /// The command has ended, or its stdin is closed.
    #[error("command {0} takes no input")]
    ExecClosed(String),
    /// The program can't be started.
    #[error("could not start the command: {reason}")]
    ExecFailed {
        /// The system's words.
        reason: String,
    },
    /// No context of that id.
    #[error("code context {0} not found")]
    ContextNotFound(String),
    /// The image has no kernel, or it ended.
    #[error("could not run code: {reason}")]
    Kernel {
        /// Why.
        reason: String,
    },
    /// A file can't be read or changed.
    #[error("{path}: {reason}")]
    File {
        /// Its path inside.
        path: String,
        /// What kind of failure it is.
        kind: FileErrorKind,
        /// The system's words.
        reason: String,
    },
    /// PID 1 said something that it must not, or nothing in time.
    #[error("sandbox {id} is not responding: {reason}")]
    Session {
        /// Which one.
        id: SandboxId,
        /// Why.
        reason: String,
    },
    /// The records can't be read or written.
    #[error("could not {doing} {}", path.display())]
    Store {
        /// A verb.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Below.
        #[source]
        source: std::io::Error,
    },
    /// The binary that becomes PID 1 can't be used.
    #[error("could not use the sandbox's init program: {reason}")]
    Init {
        /// Why.
        reason: String,
    },
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// `stop` was called.
    #[error("sandboxes are shutting down")]
    Stopping,
}

/// What kind of failure of a file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileErrorKind {
    /// There is no such file.
    NotFound,
    /// There is one already.
    Exists,
    /// A folder was expected, or something else than one; or it can't be a path at all: it has a NUL, or
    /// is too long.
    WrongKind,
    /// The path is outside the writable folders, or leads there.
    Outside,
    /// Permission denied.
    Denied,
    /// The folder is full.
    Full,
    /// Anything else.
    Other,
}

impl From<InitError> for SandboxError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Engine(error) => Self::Engine(error),
            InitError::Program { reason } => Self::Init { reason },
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let message = error.to_string();
        let failure = |code| Failure::new(code, message.clone());
        match error {
            SandboxError::Engine(error) => error.into(),
            SandboxError::ImageMissing { image } => {
                failure(FailureCode::NotFound).next(Advice::GetSandboxImage { image })
            }
            SandboxError::Full { .. } => failure(FailureCode::Busy).next(Advice::RemoveSandboxes),
            SandboxError::Paused(_) => failure(FailureCode::NotRunning).next(Advice::ResumeSandbox),
            SandboxError::NotFound(_)
            | SandboxError::ExecNotFound(_)
            | SandboxError::ContextNotFound(_) => failure(FailureCode::NotFound),
            SandboxError::Ended { .. } | SandboxError::Lost { .. } => {
                failure(FailureCode::NotRunning).next(Advice::CreateSandbox)
            }
            SandboxError::Invalid { .. }
            | SandboxError::NotSupported { .. }
            | SandboxError::ExecClosed(_)
            | SandboxError::ExecFailed { .. }
            | SandboxError::File { .. } => failure(FailureCode::Invalid),
            SandboxError::Store { source, .. } => {
                failure(FailureCode::Internal).because(source.to_string())
            }
            SandboxError::Kernel { .. }
            | SandboxError::Session { .. }
            | SandboxError::Init { .. }
            | SandboxError::Stopping => failure(FailureCode::Internal),
        }
    }
}
