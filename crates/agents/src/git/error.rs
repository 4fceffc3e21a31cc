//! What can go wrong with an agent's work, and how it is told to a person.

use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use super::{ref_name::RefName, tree_path::TreePath};

/// Failures around repositories and agents' work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// A file or folder of this computer can't be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// A verb, such as `read`.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A workspace that isn't on the whitelist.
    #[error("{} isn't inside an allowed folder", path.display())]
    NotAllowed {
        /// With all links resolved.
        path: PathBuf,
    },
    /// There is no usable git on this computer.
    #[error("git can't be used: {reason}")]
    NoGit {
        /// Why.
        reason: String,
    },
    /// A git process failed.
    #[error("git {verb} failed")]
    Failed {
        /// Its command.
        verb: &'static str,
        /// What it wrote to its standard error.
        reason: String,
    },
    /// A git process took too long and was killed.
    #[error("git {verb} timed out after {seconds} s")]
    TimedOut {
        /// Its command.
        verb: &'static str,
        /// How long it may take.
        seconds: u64,
    },
    /// The caller wanted it no longer.
    #[error("cancelled")]
    Cancelled,
    /// The repository is of a kind that isn't supported.
    #[error("the repository at {} isn't supported: {reason}", path.display())]
    Unsupported {
        /// The folder.
        path: PathBuf,
        /// What it has.
        reason: String,
        /// What a person can do.
        next: &'static str,
    },
    /// The repository has no commit.
    #[error("the repository at {} has no commit yet", path.display())]
    NoCommit {
        /// The folder.
        path: PathBuf,
    },
    /// An id or name that can't be one.
    #[error("invalid {what}: {}", visible(value))]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// As it was given.
        value: String,
    },
    /// More than is read or taken.
    #[error("{what} exceeds the limit of {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The most, with its unit.
        limit: String,
    },
    /// Ignore rules that can't be used.
    #[error("the ignore rules can't be read")]
    Rules(#[source] lifecycle::history::HistoryError),
    /// What came from the agent isn't what it must be.
    #[error("the agent's commits were refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// A branch or other ref doesn't exist.
    #[error("{0} not found")]
    RefMissing(RefName),
    /// A branch or other ref changed since it was read.
    #[error("{name} has changed")]
    RefMoved {
        /// Which one.
        name: RefName,
        /// What it names now.
        now: Option<ObjectId>,
    },
    /// Another process is writing a ref.
    #[error("{0} is locked by another git process")]
    RefLocked(RefName),
    /// A ref of that name can't be written because of another's name.
    #[error("{name} conflicts with {other}")]
    RefConflict {
        /// The one to write.
        name: RefName,
        /// The one that there is.
        other: String,
    },
    /// A branch that a work tree has checked out.
    #[error("branch {} is checked out in {}", branch.short(), path.display())]
    CheckedOut {
        /// The branch.
        branch: RefName,
        /// The work tree.
        path: PathBuf,
        /// The ref that a person can merge there.
        work: RefName,
    },
    /// A commit isn't in the repository or in what the agent sent.
    #[error("commit {0} not found")]
    CommitMissing(ObjectId),
    /// There is nothing of the agent's yet.
    #[error("the agent has sent no commits yet")]
    NoWork,
    /// A file isn't part of a comparison.
    #[error("{0} didn't change")]
    NotChanged(TreePath),
    /// The state that is kept for the agent can't be used.
    #[error("the agent's stored work is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

impl GitError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused {
            reason: reason.into(),
        }
    }

    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged {
            reason: reason.into(),
        }
    }
}

fn visible(value: &str) -> String {
    let mut text = TreePath::new(value).to_string();
    text.truncate(text.floor_char_boundary(200));
    text
}

impl From<lifecycle::history::HistoryError> for GitError {
    fn from(error: lifecycle::history::HistoryError) -> Self {
        use lifecycle::history::HistoryError;
        match error {
            HistoryError::File {
                doing,
                path,
                source,
            } => Self::File {
                doing,
                path,
                source,
            },
            error => Self::Rules(error),
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let message = error.to_string();
        let failure = |code| Failure::new(code, message.clone());
        match error {
            GitError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                failure(FailureCode::DiskFull)
                    .because(source.to_string())
                    .next(Advice::FreeDisk)
            }
            GitError::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next(Advice::CheckPermissions),
            GitError::NotAllowed { .. } => failure(FailureCode::Forbidden)
                .because("agents only get folders that are allowed in the settings")
                .next(Advice::text(
                    "Allow the folder in the settings, or choose another one.",
                )),
            GitError::NoGit { .. } => {
                failure(FailureCode::NotFound).next(Advice::text("Install git 2.39 or newer."))
            }
            GitError::Failed { reason, .. } => failure(FailureCode::Internal).because(reason),
            GitError::TimedOut { .. } => failure(FailureCode::Internal)
                .because("the repository is very large, or its disk is slow")
                .next(Advice::text("Retry.")),
            GitError::Cancelled => failure(FailureCode::Cancelled),
            GitError::Unsupported { next, .. } => {
                failure(FailureCode::Invalid).next(Advice::text(next))
            }
            GitError::NoCommit { .. } => failure(FailureCode::Invalid)
                .because("an agent's branch starts at a commit")
                .next(Advice::text("Make a first commit, then retry.")),
            GitError::TooMuch { .. } => failure(FailureCode::Invalid).next(Advice::RequestLess),
            GitError::Rules(source) => failure(FailureCode::Invalid)
                .because(source.to_string())
                .next(Advice::ShortenIgnoreFile),
            GitError::Refused { .. } => failure(FailureCode::Invalid)
                .because("everything from an agent is checked before it enters your repository")
                .next(Advice::text(
                    "Read the agent's log. Your repository wasn't changed.",
                )),
            GitError::RefMissing(_) | GitError::CommitMissing(_) => failure(FailureCode::NotFound),
            GitError::RefMoved { .. } => failure(FailureCode::Changed)
                .because("it was written after it was read")
                .next(Advice::text("Review the changes again, then retry.")),
            GitError::RefLocked(_) => failure(FailureCode::Busy)
                .because("its lock file exists")
                .next(Advice::text(
                    "Retry. If no git process is running, delete the lock file.",
                )),
            GitError::RefConflict { .. } => failure(FailureCode::Invalid)
                .because("git can't have a ref and a folder of the same name")
                .next(Advice::text("Choose another branch name.")),
            GitError::CheckedOut { work, .. } => failure(FailureCode::Invalid)
                .because("merging would leave its work tree out of step with the branch")
                .next(Advice::text(format!(
                    "Merge into another branch, or run “git merge {work}” in that work tree."
                ))),
            GitError::NoWork | GitError::NotChanged(_) | GitError::Invalid { .. } => {
                failure(FailureCode::Invalid)
            }
            GitError::Damaged { .. } => {
                failure(FailureCode::Internal).because("its files are incomplete or were changed")
            }
        }
    }
}
