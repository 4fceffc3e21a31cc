//! Why a request came to nothing.

use reqwest::StatusCode;
use wire::error_code::ErrorCode;

use crate::{events::EventTooLarge, json::JsonError};

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens; nothing was asked.
    #[error("could not connect to {address}")]
    Connect {
        /// A loopback port, or a socket.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    /// The machine refused.
    #[error("the machine refused: {0}")]
    Refused(Box<Refusal>),
    /// The answer is larger than anything that is asked for.
    #[error("the answer is larger than {} MiB", limit_bytes >> 20)]
    TooLarge {
        /// The most that is taken.
        limit_bytes: usize,
    },
    /// An event of a stream is larger than anything that is sent.
    #[error(transparent)]
    EventTooLarge(#[from] EventTooLarge),
    /// The answer is not JSON of the expected shape, or has too many values.
    #[error("the answer can't be read: {0}")]
    Json(#[from] JsonError),
    /// The request could not be made.
    #[error("the request is not valid: {0}")]
    Request(String),
}

/// The machine's refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// The error for programs; `None` if what answered is not a machine's API.
    pub code: Option<ErrorCode>,
    /// The error for people.
    pub message: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(f, "it answered {}", self.status),
        }
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        // The address says nothing that isn't known, and its query may hold a name.
        Self::Broken(error.without_url())
    }
}

impl ClientError {
    pub(crate) fn from_http(error: reqwest::Error, address: &str) -> Self {
        if error.is_builder() {
            return Self::Request(error.without_url().to_string());
        }
        if error.is_connect() {
            return Self::Connect {
                address: address.to_owned(),
                source: error.without_url(),
            };
        }
        error.into()
    }

    /// Whether something answered that doesn't speak HTTP, rather than going away.
    #[must_use]
    pub fn is_not_http(&self) -> bool {
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                return error.is_parse();
            }
            source = error.source();
        }
        false
    }
}
