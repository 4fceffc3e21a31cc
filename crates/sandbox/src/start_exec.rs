//! From a request to a command that runs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use frames::{
    Name,
    message::{self, Overflow},
};
use wire::{kernel::ShellCommand, sandbox::ExecRequest};

use crate::{
    clock::unix_ms,
    code::Starter,
    error::SandboxError,
    exec::{About, Exec, Running},
    sandbox::Sandbox,
    seat::random_name,
    shape::{exec_timeout, invalid, is_variable},
};

/// Characters of an exec's id.
const ID_CHARS: usize = 10;

/// Starts processes that are in no list, for contexts.
pub(crate) struct Hidden<'a>(pub(crate) &'a Arc<Sandbox>);

impl Starter for Hidden<'_> {
    async fn start(&self, request: ExecRequest) -> Result<Arc<Running>, SandboxError> {
        start(self.0, request, true).await
    }
}

/// Starts a command, and waits until it runs.
pub(crate) async fn start(
    sandbox: &Arc<Sandbox>,
    request: ExecRequest,
    hidden: bool,
) -> Result<Arc<Running>, SandboxError> {
    let session = sandbox.session().await?;
    let exec = exec(sandbox, &request)?;
    let has_input = exec.input;
    let about = About {
        sandbox: sandbox.id.clone(),
        id: random_name()[..ID_CHARS].to_owned(),
        command: request.command,
        cwd: request.cwd,
        env: request.env,
        pty: request.pty,
        background: request.background,
        started_at_ms: unix_ms(),
        limit: exec.timeout_ms.map(Duration::from_millis),
        hidden,
    };
    let running =
        Running::ask(&session, about, exec).map_err(|end| sandbox.unsent(&session, &end))?;
    running
        .started()
        .await
        .map_err(|error| error.shown(&sandbox.id))?;
    sandbox.keep_exec(&running);
    if has_input && let Some(text) = request.stdin {
        let keeps = request.keep_stdin.unwrap_or(false);
        let exec = Exec(Arc::clone(&running));
        // It takes its input while its output is read.
        sandbox.tasks.spawn(async move {
            let written = exec.write_stdin(Bytes::from(text)).await;
            if written.is_ok() && !keeps {
                // It may have ended without reading.
                let _ = exec.close_stdin().await;
            }
        });
    }
    Ok(running)
}

/// As its sandbox takes it.
fn exec(sandbox: &Sandbox, request: &ExecRequest) -> Result<message::Exec, SandboxError> {
    if let Some(name) = request.env.keys().find(|name| !is_variable(name)) {
        return Err(invalid(
            "env",
            format!("{name:?} isn't the name of a variable"),
        ));
    }
    let command = match &request.command {
        ShellCommand::Line(line) => message::Command::Line(line.as_str().into()),
        ShellCommand::Arguments(words) if words.is_empty() => {
            return Err(invalid("command", "a program is missing"));
        }
        ShellCommand::Arguments(words) => {
            message::Command::Argv(words.iter().map(|word| word.as_str().into()).collect())
        }
    };
    let (mut env, preset) = sandbox.with_record(|record| (record.env.clone(), record.exec_timeout));
    env.extend(request.env.clone());
    if request.pty.is_some() {
        env.entry("TERM".into()).or_insert("xterm-256color".into());
    }
    // One in the background lasts as long as the sandbox.
    let preset = preset.filter(|_| !request.background);
    let timeout = exec_timeout(request.timeout_s, preset)?;
    let name = |text: &String| Name::from(text.as_str());
    let size = |pty: wire::sandbox::PtySize| message::Size {
        cols: pty.cols,
        rows: pty.rows,
    };
    let keeps_stdin = request.keep_stdin.unwrap_or(request.background);
    Ok(message::Exec {
        cwd: request.cwd.as_ref().map(name),
        env: env
            .iter()
            .map(|(key, value)| (name(key), name(value)))
            .collect(),
        pty: request.pty.map(size),
        input: request.stdin.is_some() || keeps_stdin || request.pty.is_some(),
        timeout_ms: timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        overflow: match request.background {
            true => Overflow::Drop,
            false => Overflow::Wait,
        },
        ..message::Exec::new(command)
    })
}
