//! Commands in a running container, without a terminal. (bollard garbles TTY
//! streams: a terminal will need a connection of our own.)

use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

/// What a command put out and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
    /// Its exit status.
    pub exit_code: i64,
}

/// The most that a command may say: it is kept whole, and comes from inside a container.
pub const EXEC_BYTES: usize = 32 << 20;

impl Engine {
    /// Runs a command to its end; `user` as `docker exec --user`.
    ///
    /// # Errors
    /// [`EngineError`] if the container does not run or the command can't start;
    /// [`EngineError::TooLarge`] if it says more than [`EXEC_BYTES`]: then it is not waited for.
    pub fn exec<'a>(
        &'a self,
        container: &'a str,
        command: &'a [&'a str],
        user: Option<&'a str>,
    ) -> BoxFuture<'a, Result<ExecOutput, EngineError>> {
        Box::pin(async move {
            let failed = |error| {
                EngineError::from_bollard(
                    format!("run {} in {container}", command.join(" ")),
                    error,
                )
            };
            let options = CreateExecOptions {
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                cmd: Some(command.to_vec()),
                user,
                ..Default::default()
            };
            let exec = self
                .docker
                .create_exec(container, options)
                .await
                .map_err(failed)?;
            let started = self
                .docker
                .start_exec(&exec.id, None)
                .await
                .map_err(failed)?;
            let mut answer = ExecOutput::default();
            if let StartExecResults::Attached { mut output, .. } = started {
                while let Some(chunk) = output.next().await {
                    let chunk = chunk.map_err(failed)?;
                    let size = answer.stdout.len() + answer.stderr.len() + chunk.as_ref().len();
                    if size > EXEC_BYTES {
                        return Err(EngineError::TooLarge {
                            doing: format!(
                                "read the output of {} in {container}",
                                command.join(" ")
                            ),
                            limit_bytes: EXEC_BYTES,
                        });
                    }
                    match chunk {
                        LogOutput::StdErr { message } => answer.stderr.extend_from_slice(&message),
                        other => answer.stdout.extend_from_slice(other.as_ref()),
                    }
                }
            }
            let ended = self.docker.inspect_exec(&exec.id).await.map_err(failed)?;
            answer.exit_code = ended.exit_code.unwrap_or_default();
            Ok(answer)
        })
    }
}
