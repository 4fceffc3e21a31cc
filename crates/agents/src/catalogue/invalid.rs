//! A value that an entry can't have.

/// What is wrong with it, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(super) String);

impl Invalid {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
