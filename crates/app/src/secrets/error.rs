//! What can fail with keys, and in which words. No variant carries a value.

use lifecycle::LifecycleError;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::record_file::FileError;

/// A key could not be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("{name:?} isn't a valid name for a key")]
    Name { name: String },
    #[error("{name} can't be the name of a key")]
    Reserved { name: &'static str },
    #[error("No value was given for {name}")]
    Empty { name: String },
    #[error("The value of {name} isn't text")]
    NotText { name: String },
    #[error("The value of {name} is too long")]
    TooLong { name: String },
    #[error("There is no key named {name}")]
    Unknown { name: String },
    #[error("There is no machine named {name}")]
    NoMachine { name: String, known: Vec<String> },
    #[error("The keychain can't be used for {name}")]
    Keychain { name: String, cause: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Machine(#[from] LifecycleError),
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let message = error.to_string();
        let failure = |code| Self::new(code, message.as_str());
        match error {
            SecretError::Name { .. } => failure(FailureCode::Invalid)
                .because("a name has capital letters, digits and _, begins with a letter and has at most 64 characters")
                .next(Advice::NameKeyAsRead),
            SecretError::Reserved { .. } => failure(FailureCode::Invalid)
                .because("the machine uses this name itself")
                .next(Advice::ChooseName),
            SecretError::Empty { .. } => failure(FailureCode::Invalid)
                .next(Advice::EnterKey),
            SecretError::NotText { .. } => failure(FailureCode::Invalid)
                .because("it contains a NUL character"),
            SecretError::TooLong { .. } => failure(FailureCode::Invalid)
                .because(format!("the limit is {} KiB", super::LONGEST >> 10)),
            SecretError::Unknown { .. } => failure(FailureCode::NotFound),
            SecretError::NoMachine { known, .. } => failure(FailureCode::NotFound)
                .because(format!("the machines are {}", known.join(", "))),
            SecretError::Keychain { cause, .. } => failure(FailureCode::Internal)
                .because(cause)
                .next(Advice::UnlockKeychain),
            SecretError::File(error) => {
                failure(FailureCode::Internal).because(error.source.to_string())
            }
            SecretError::Machine(error) => error.into(),
        }
    }
}
