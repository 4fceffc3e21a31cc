//! Why the files of `/repo` can't be read, kept or put back.

use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use super::path::RepoPath;

/// Failures of a machine's history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A file or folder could not be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// Verb, such as `read`.
        doing: &'static str,
        /// Which, as it is called on this computer.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There are more files and folders in `/repo` than are read.
    #[error("the machine's repo has more than {limit} files and folders")]
    TooManyFiles {
        /// The most that are read.
        limit: usize,
    },
    /// One file is larger than is read.
    #[error("{} in the machine's repo is larger than {} MiB", path.shortened(), limit >> 20)]
    FileTooLarge {
        /// From the root of the repo.
        path: RepoPath,
        /// Bytes.
        limit: u64,
    },
    /// All files together are larger than is read.
    #[error("the files of the machine's repo are larger than {} MiB in total", limit >> 20)]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// Folders are nested deeper than is read.
    #[error("folders of the machine's repo are nested deeper than {limit}: {}", path.shortened())]
    TooDeep {
        /// From the root of the repo.
        path: RepoPath,
        /// Folders.
        limit: usize,
    },
    /// The ignore rules are longer than is read.
    #[error("{} in the machine's repo has too many rules", path.shortened())]
    TooManyRules {
        /// From the root of the repo.
        path: RepoPath,
    },
    /// The ignore rules can't be read.
    #[error("{} in the machine's repo can't be read", path.shortened())]
    Rules {
        /// From the root of the repo.
        path: RepoPath,
        /// Why.
        #[source]
        source: ignore::Error,
    },
    /// Content that was made to have the hash of another.
    #[error("the content of {} was made to collide with another file's hash", path.shortened())]
    Collision {
        /// From the root of the repo.
        path: RepoPath,
    },
    /// An object isn't in the history.
    #[error("{id} isn't in the machine's history")]
    Missing {
        /// The object, or what was taken for one.
        id: String,
    },
    /// An object can't be read.
    #[error("{id} in the machine's history is damaged")]
    Damaged {
        /// The object.
        id: ObjectId,
    },
}

impl HistoryError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// How it is told to a person, with the sentence that says what failed.
    pub(crate) fn told(&self, message: String) -> Failure {
        let failure = |code| Failure::new(code, message);
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                failure(FailureCode::DiskFull)
                    .because(source.to_string())
                    .next(Advice::FreeDisk)
            }
            Self::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next(Advice::CheckPermissions),
            Self::TooManyFiles { .. }
            | Self::FileTooLarge { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. } => failure(FailureCode::Invalid)
                .because("everything in /repo that isn't ignored is kept with each generation")
                .next(Advice::IgnoreFiles),
            Self::TooManyRules { .. } => failure(FailureCode::Invalid)
                .because("ignore rules are limited to 64 KiB per file and 256 KiB in total")
                .next(Advice::ShortenIgnoreFile),
            Self::Rules { source, .. } => failure(FailureCode::Invalid)
                .because(source.to_string())
                .next(Advice::FixIgnoreFile),
            Self::Collision { .. } => failure(FailureCode::Invalid)
                .because("two contents with one hash can't be told apart in a review")
                .next(Advice::RemoveFromRepo),
            Self::Missing { .. } => failure(FailureCode::NotFound)
                .because(
                    "an older version of Vivarium stored it in /repo/.git, which is no longer read",
                )
                .next(Advice::ListRepoRefs),
            Self::Damaged { .. } => failure(FailureCode::Internal)
                .because("its file is incomplete or was changed")
                .next(Advice::EvolveAgain),
        }
    }
}
