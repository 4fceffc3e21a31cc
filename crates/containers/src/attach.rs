//! Stdin and stdout, of a container or of a command in it, as a pair of byte streams.

use std::{io, pin::Pin};

use bollard::{
    container::LogOutput,
    errors::Error as BollardError,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::AttachContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::io::AsyncWrite;

use crate::{connect::Engine, error::EngineError};

/// The most of one piece of stderr that is logged: it comes from inside a container.
const LOGGED_BYTES: usize = 2 << 10;

/// What a process reads and writes. Dropping both halves detaches. A container's first process goes on
/// then, and its stdin stays open if the container was made so; that of a command ends.
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
            Ok(Stdio {
                stdout: stdout(name, attached.output),
                stdin: attached.input,
            })
        })
    }

    /// Runs a command in a container that runs, without a terminal, as the container's user, and is its
    /// stdin and stdout.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_conflict`] if the container is paused
    /// or doesn't run.
    pub fn exec_attached<'a>(
        &'a self,
        container: &'a str,
        command: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Stdio, EngineError>> {
        Box::pin(async move {
            let failed = |error| {
                EngineError::from_bollard(
                    format!("run {} in {container}", command.join(" ")),
                    error,
                )
            };
            let options = CreateExecOptions {
                attach_stdin: Some(true),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                cmd: Some(command.to_vec()),
                ..Default::default()
            };
            let exec = self.docker.create_exec(container, options).await;
            let exec = exec.map_err(failed)?;
            let started = self.docker.start_exec(&exec.id, None).await;
            match started.map_err(failed)? {
                StartExecResults::Attached { output, input } => Ok(Stdio {
                    stdout: stdout(container, output),
                    stdin: input,
                }),
                StartExecResults::Detached => Err(failed(BollardError::IOError {
                    err: io::ErrorKind::NotConnected.into(),
                })),
            }
        })
    }
}

/// Stdout alone; stderr is logged.
fn stdout(
    container: &str,
    output: impl Stream<Item = Result<LogOutput, BollardError>> + Send + 'static,
) -> BoxStream<'static, io::Result<Bytes>> {
    let container = container.to_owned();
    let stdout = output.filter_map(move |chunk| {
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
    stdout.boxed()
}
