//! What can fail with access tokens, and in which words.

use lifecycle::LifecycleError;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::record_file::FileError;

/// Tokens could not be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("{name:?} isn't a valid name for a token")]
    Name { name: String },
    #[error("There is a token named {name} already")]
    Taken { name: String },
    #[error("There is no token named {name}")]
    Unknown { name: String },
    #[error("The token needs at least one scope")]
    NoScope,
    #[error("There are too many tokens")]
    TooMany,
    #[error("There is no machine named {name}")]
    NoMachine { name: String, known: Vec<String> },
    #[error("The tokens could not be written")]
    Unwritten(#[source] serde_json::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Machine(#[from] LifecycleError),
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let message = error.to_string();
        let failure = |code| Self::new(code, message.as_str());
        match error {
            TokenError::Name { .. } => failure(FailureCode::Invalid)
                .because("a name has letters, digits, _, . and -, and at most 64 of them"),
            TokenError::Taken { .. } => failure(FailureCode::Invalid).next(Advice::RenameToken),
            TokenError::Unknown { .. } => failure(FailureCode::NotFound),
            TokenError::NoScope => failure(FailureCode::Invalid).next(Advice::ChooseScopes),
            TokenError::TooMany => failure(FailureCode::Invalid)
                .because(format!("the limit is {}", super::MOST))
                .next(Advice::RemoveTokens),
            TokenError::NoMachine { known, .. } => failure(FailureCode::NotFound)
                .because(format!("the machines are {}", known.join(", "))),
            TokenError::Unwritten(source) => {
                failure(FailureCode::Internal).because(source.to_string())
            }
            TokenError::File(error) => {
                failure(FailureCode::Internal).because(error.source.to_string())
            }
            TokenError::Machine(error) => error.into(),
        }
    }
}
