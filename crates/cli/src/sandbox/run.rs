//! `run` and `exec`: a command in a sandbox, as if it ran here.

use serde_json::{Value, json};
use wire::{
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
    kernel::ShellCommand,
    machine::Progress,
    sandbox::{
        CreateRequest, DiskKind, ExecAnswer, ExecRequest, NetworkRequest, Pull, SandboxCreated,
    },
};

use super::{
    api::Api,
    arguments::{ExecArguments, How, RunArguments},
    attach,
};
use crate::{commands::terminated, print, print::ProgressPrinter, terminal::size};

/// Runs a command in a sandbox of its own.
pub async fn run(api: &Api, asked: RunArguments, json: bool) -> Result<u8, Failure> {
    let request = CreateRequest {
        image: asked.image,
        memory_mb: asked.memory,
        cpus: asked.cpus,
        pids: asked.pids,
        disk_mb: asked.disk,
        disk: asked.volume.then_some(DiskKind::Volume),
        // It is made by a request of its own, which tells how that goes.
        pull: Some(Pull::Never),
        network: asked.network.map(NetworkRequest::Mode),
        runtime: asked.runtime,
        gpu: asked.gpu,
        ..Default::default()
    };
    let SandboxCreated { sandbox_id } = create(api, &request).await?;
    let path = format!("/sessions/{sandbox_id}");
    let ended = tokio::select! {
        ended = attached(api, &path, &asked.how, asked.command, json) => ended,
        // Ctrl-C is the command's; this one ends everything.
        () = terminated() => Err(Failure::new(FailureCode::Cancelled, "Terminated")),
    };
    if asked.keep {
        print::note(&format!("The sandbox {sandbox_id} was kept."));
        return ended;
    }
    let removed: Result<Value, Failure> = api.delete(&path).await;
    let code = ended?;
    removed.map(|_| code)
}

/// Makes a sandbox; an image that isn't there is fetched or built first.
async fn create(api: &Api, request: &CreateRequest) -> Result<SandboxCreated, Failure> {
    let failure = match api.post("/sessions", request).await {
        Ok(created) => return Ok(created),
        Err(failure) => failure,
    };
    if failure.error_code.as_deref() != Some(&ErrorCode::ImageMissing) {
        return Err(failure);
    }
    make_available(api, request.image.as_deref()).await?;
    api.post("/sessions", request).await
}

/// Fetches an image, or builds the sandboxes' own, and shows how that goes.
async fn make_available(api: &Api, image: Option<&str>) -> Result<(), Failure> {
    let mut events = api
        .events("/images", Some(&json!({ "image": image })))
        .await?;
    let mut printer = ProgressPrinter::new();
    let ended = loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => {
                break Err(Failure::new(FailureCode::Cancelled, "Cancelled"));
            }
            () = tokio::time::sleep(print::SILENCE / 3) => {
                printer.still_there();
                continue;
            }
        };
        match event {
            Ok(Some(event)) if event.name == "progress" => {
                if let Ok(progress) = serde_json::from_str::<Progress>(&event.data) {
                    printer.tell(&progress);
                }
            }
            Ok(Some(event)) if event.name == "done" => {
                let done: Value = serde_json::from_str(&event.data).unwrap_or_default();
                let failure = serde_json::from_value::<Option<Failure>>(done["failure"].clone());
                break failure.ok().flatten().map_or(Ok(()), Err);
            }
            Ok(Some(_)) => {}
            Ok(None) => break Err(Failure::new(FailureCode::Internal, "The server ended")),
            Err(failure) => break Err(failure),
        }
    };
    printer.end();
    ended
}

/// Runs a command in a sandbox that is there.
pub async fn exec(api: &Api, asked: ExecArguments, json: bool) -> Result<u8, Failure> {
    let path = format!("/sessions/{}", machine_client::segment(&asked.id));
    if !asked.detach {
        return attached(api, &path, &asked.how, asked.command, json).await;
    }
    let mut request = request(&asked.how, asked.command);
    request.background = true;
    let answer: ExecAnswer = api.post(&format!("{path}/exec"), &request).await?;
    if json {
        print::json(&answer);
    } else {
        print::line(&answer.exec_id);
    }
    Ok(0)
}

async fn attached(
    api: &Api,
    sandbox: &str,
    how: &How,
    command: Vec<String>,
    json: bool,
) -> Result<u8, Failure> {
    let request = request(how, command);
    if json {
        let answer: ExecAnswer = api.post(&format!("{sandbox}/exec"), &request).await?;
        print::json(&answer);
        return Ok(exit_code(answer.exit_code));
    }
    attach::attach(api, sandbox, &request).await
}

fn request(how: &How, command: Vec<String>) -> ExecRequest {
    let pty = how.tty.then(size);
    ExecRequest {
        command: shell_command(command, how.tty),
        // Who sits in front of a terminal ends it.
        timeout_s: how.timeout.or(how.tty.then_some(0.0)),
        keep_stdin: Some(how.interactive || how.tty),
        cwd: how.workdir.clone(),
        env: how.env.iter().cloned().collect(),
        pty,
        ..Default::default()
    }
}

/// One argument is a line for bash, several are a program and its arguments, none a shell.
fn shell_command(given: Vec<String>, tty: bool) -> ShellCommand {
    match <[String; 1]>::try_from(given) {
        Ok([line]) => ShellCommand::Line(line),
        Err(words) if words.is_empty() => {
            let shell = if tty { "exec bash -il" } else { "exec bash -l" };
            ShellCommand::Line(shell.into())
        }
        Err(words) => ShellCommand::Arguments(words),
    }
}

/// A command's exit code as this program's own.
pub fn exit_code(code: Option<i32>) -> u8 {
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_everywhere() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(shell_command(words(&["ls | wc"]), false), "ls | wc".into());
        let arguments = ShellCommand::Arguments(words(&["rm", "a b"]));
        assert_eq!(shell_command(words(&["rm", "a b"]), true), arguments);
        assert_eq!(shell_command(Vec::new(), true), "exec bash -il".into());
    }

    #[test]
    fn an_exit_code_that_isn_t_one_is_a_failure() {
        assert_eq!(
            [Some(0), Some(3), Some(137), Some(-1), None].map(exit_code),
            [0, 3, 137, 1, 1]
        );
    }
}
