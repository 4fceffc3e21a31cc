//! A container's stdin and stdout as a pair of byte streams.

use std::{io, pin::Pin};

use bollard::{container::LogOutput, query_parameters::AttachContainerOptionsBuilder};
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::io::AsyncWrite;

use crate::{connect::Engine, error::EngineError};

/// The most of one piece of stderr that is logged: it comes from inside a container.
const LOGGED_BYTES: usize = 2 << 10;

/// What a container's first process reads and writes. Dropping both halves detaches: the process
/// goes on, and its stdin stays open if the container was made so.
pub struct Stdio {
    /// What it writes to stdout. What it writes to stderr is logged.
    pub stdout: BoxStream<'static, io::Result<Bytes>>,
    /// What it reads.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
}

impl std::fmt::Debug for Stdio {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Stdio")
    }
}

impl Engine {
    /// Attaches to a container without a terminal, one that isn't started yet too: then nothing that
    /// it writes is missed.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_conflict`] if it is paused.
    pub fn attach<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Stdio, EngineError>> {
        Box::pin(async move {
            let options = AttachContainerOptionsBuilder::new()
                .stream(true)
                .stdin(true)
                .stdout(true)
                .stderr(true)
                .build();
            let attached = self.docker.attach_container(name, Some(options)).await;
            let attached = attached.map_err(|error| {
                EngineError::from_bollard(format!("attach to the container {name}"), error)
            })?;
            let container = name.to_owned();
            let stdout = attached.output.filter_map(move |chunk| {
                let chunk = match chunk {
                    Ok(LogOutput::StdErr { message }) => {
                        let shown = &message[..message.len().min(LOGGED_BYTES)];
                        let text = String::from_utf8_lossy(shown);
                        tracing::debug!(%container, stderr = %text.trim_end(), "the container wrote to stderr");
                        None
                    }
                    Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                        Some(Ok(message))
                    }
                    Ok(LogOutput::StdIn { .. }) => None,
                    Err(error) => Some(Err(io::Error::other(error))),
                };
                std::future::ready(chunk)
            });
            Ok(Stdio {
                stdout: stdout.boxed(),
                stdin: attached.input,
            })
        })
    }
}
