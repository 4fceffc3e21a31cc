//! An answer, read piece by piece or whole, up to a limit.

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode, header::HeaderMap};
use wire::kernel::ErrorAnswer;

use crate::error::{ClientError, Refusal};

/// The most that an answer may have: the outputs of a kernel's cells, written as JSON. It is kept
/// whole, and comes from inside.
pub const ANSWER_BYTES: usize = 128 << 20;
/// The most that an answer may have that says whether a machine is there, or why not.
pub const WORD_BYTES: usize = 64 << 10;

/// An answer whose body is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub struct Answer {
    response: Response,
}

impl Answer {
    pub(crate) fn new(response: Response) -> Self {
        Self { response }
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its HTTP headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The answer, if it is a good one.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with what the machine said.
    pub async fn accepted(self) -> Result<Self, ClientError> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        // A refusal whose words are too many, or break off, is one all the same.
        let body = self.bytes_up_to(WORD_BYTES).await.unwrap_or_default();
        let told = serde_json::from_slice::<ErrorAnswer>(&body).ok();
        let (code, message) = told
            .map(|answer| (answer.error.code, answer.error.message))
            .unzip();
        Err(ClientError::Refused(Box::new(Refusal {
            status,
            code,
            message,
        })))
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Broken`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        Ok(self.response.chunk().await?)
    }

    /// The whole body, of [`ANSWER_BYTES`] at most.
    ///
    /// # Errors
    /// [`ClientError::Broken`], [`ClientError::TooLarge`].
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        self.bytes_up_to(ANSWER_BYTES).await
    }

    /// The whole body, of so many bytes at most.
    ///
    /// # Errors
    /// [`ClientError::Broken`], [`ClientError::TooLarge`].
    pub async fn bytes_up_to(mut self, limit_bytes: usize) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > limit_bytes {
                return Err(ClientError::TooLarge { limit_bytes });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}
