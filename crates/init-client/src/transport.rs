//! The pair of byte streams that a session speaks over: a container's attached stdio, or pipes.

use std::{io, pin::Pin};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tokio::io::AsyncWrite;

/// What a session reads and writes.
pub struct Transport {
    pub(crate) reader: BoxStream<'static, io::Result<Bytes>>,
    pub(crate) writer: Pin<Box<dyn AsyncWrite + Send>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Transport")
    }
}

impl Transport {
    /// Of a pair of pipes, such as a process has.
    pub fn of_pipes(
        reader: impl tokio::io::AsyncRead + Send + 'static,
        writer: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self {
            reader: tokio_util::io::ReaderStream::new(reader).boxed(),
            writer: Box::pin(writer),
        }
    }
}

impl From<containers::Stdio> for Transport {
    fn from(stdio: containers::Stdio) -> Self {
        Self {
            reader: stdio.stdout,
            writer: stdio.stdin,
        }
    }
}
