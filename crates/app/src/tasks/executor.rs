//! Runs tasks of the kinds `exec` and `code`, each in a sandbox of its own, which goes with it.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use sandbox::{CodeEvent, ExecEventKind, Exit, Owner, SandboxError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tasks::{ClaimedTask, Ending, Executor, Running};
use wire::{
    kernel::ExecStatus,
    sandbox::{CodeRequest, CreateRequest, ExecRequest, SandboxId},
    task::{CodePayload, ExecPayload, LogStream, TaskKind},
};

use super::{files, output::Stream};
use crate::sandboxes::{Refusal, Service};

/// Label of a task's sandbox, with the task's id.
const LABEL: &str = "vivarium.task";
/// How much longer than its task a sandbox may live, if nobody removes it.
const SPARE: Duration = Duration::from_secs(120);
/// Bytes of a file that are read at once.
const PIECE: usize = 256 << 10;
/// nbformat outputs that a result keeps.
const MOST_OUTPUTS: usize = 200;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// Runs tasks in sandboxes.
pub(super) struct Sandboxed {
    service: Service,
    folders: Vec<PathBuf>,
}

/// Refuses a payload that no attempt could run.
pub(super) fn check(kind: TaskKind, payload: &Value) -> Result<(), Refusal> {
    match kind {
        TaskKind::Exec => read::<ExecPayload>(payload).map(drop),
        TaskKind::Code => read::<CodePayload>(payload).map(drop),
        _ => Ok(()),
    }
    .map_err(|error| Refusal::invalid(format!("invalid payload: {error}")))
}

fn read<T: DeserializeOwned>(payload: &Value) -> serde_json::Result<T> {
    T::deserialize(payload)
}

impl Sandboxed {
    pub(super) fn new(service: Service, folders: Vec<PathBuf>) -> Self {
        Self { service, folders }
    }

    /// Removes sandboxes of tasks that a killed process left: nothing of this one runs yet, and their
    /// tasks are started again.
    pub(super) async fn remove_abandoned(&self) {
        let Ok(sandboxes) = self.service.sandboxes() else {
            return;
        };
        for view in sandboxes.list(&Owner::Person) {
            if view.metadata.contains_key(LABEL) {
                remove(&self.service, &Owner::Person, &view.sandbox_id).await;
            }
        }
    }
}

async fn remove(service: &Service, owner: &Owner, id: &SandboxId) {
    let Ok(sandboxes) = service.sandboxes() else {
        return;
    };
    match sandboxes.remove(owner, id).await {
        Ok(_) | Err(SandboxError::NotFound(_)) => {}
        Err(error) => tracing::warn!(%error, %id, "the sandbox of a task could not be removed"),
    }
}

impl Executor for Sandboxed {
    /// None if there are no sandboxes: then tasks wait.
    fn kinds(&self) -> Vec<TaskKind> {
        match self.service.sandboxes() {
            Ok(_) => super::queue::KINDS.to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn run(&self, task: ClaimedTask, running: Running) -> BoxFuture<'static, Ending> {
        let (service, folders) = (self.service.clone(), self.folders.clone());
        async move {
            let attempt = Attempt {
                owner: task.owner.clone().map_or(Owner::Person, Owner::Token),
                service,
                folders,
                task,
                running,
            };
            attempt.run().await
        }
        .boxed()
    }
}

/// One attempt.
struct Attempt {
    service: Service,
    folders: Vec<PathBuf>,
    owner: Owner,
    task: ClaimedTask,
    running: Running,
}

/// Removes the sandbox if its attempt is dropped.
struct Cleanup {
    service: Service,
    owner: Owner,
    id: Option<SandboxId>,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let (service, owner) = (self.service.clone(), self.owner.clone());
            self.service
                .spawn(async move { remove(&service, &owner, &id).await });
        }
    }
}

impl Attempt {
    async fn run(self) -> Ending {
        let payload = &self.task.work.payload;
        match self.task.kind {
            TaskKind::Exec => match read::<ExecPayload>(payload) {
                Ok(payload) => {
                    let wanted = payload.sandbox.clone();
                    self.inside(wanted, async |id| self.exec(id, payload).await)
                        .await
                }
                Err(error) => Ending::failed_for_good(format!("invalid payload: {error}")),
            },
            TaskKind::Code => match read::<CodePayload>(payload) {
                Ok(payload) => {
                    let wanted = payload.sandbox.clone();
                    self.inside(wanted, async |id| self.code(id, payload).await)
                        .await
                }
                Err(error) => Ending::failed_for_good(format!("invalid payload: {error}")),
            },
            kind => Ending::failed_for_good(format!("tasks of kind {kind} aren't supported yet")),
        }
    }

    /// Does something in a sandbox that is there for it alone.
    async fn inside(
        &self,
        wanted: Option<CreateRequest>,
        work: impl AsyncFnOnce(&SandboxId) -> Result<Ending, SandboxError>,
    ) -> Ending {
        let created = tokio::select! {
            created = self.create(wanted.unwrap_or_default()) => created,
            // Whatever is made meanwhile ends with its time.
            () = self.running.stop.now.cancelled() => return Ending::failed("it was ended while its sandbox was being created"),
        };
        let id = match created {
            Ok(id) => id,
            Err(refusal) if refusal.status.is_client_error() && !refusal.is_passing() => {
                return Ending::failed_for_good(refusal.message);
            }
            Err(refusal) => return Ending::failed(refusal.message),
        };
        let mut cleanup = Cleanup {
            service: self.service.clone(),
            owner: self.owner.clone(),
            id: Some(id.clone()),
        };
        let ending = match self.copy_files(&id).await {
            Ok(()) => work(&id)
                .await
                .unwrap_or_else(|error| Ending::failed(error.to_string())),
            Err(ending) => ending,
        };
        remove(&self.service, &self.owner, &id).await;
        cleanup.id = None;
        ending
    }

    async fn create(&self, mut wanted: CreateRequest) -> Result<SandboxId, Refusal> {
        let longest = self.service.sandboxes()?.settings().longest_ttl;
        let ttl = (self.task.timeout + self.task.grace + SPARE).min(longest);
        wanted.ttl_s = Some(ttl.as_secs_f64());
        // The worker watches over the time.
        wanted.timeout_s = None;
        wanted.on_timeout = None;
        let id = self.task.lease.id.to_string();
        wanted.metadata.insert(LABEL.into(), id);
        let made = self.service.create(&self.owner, wanted, None).await?;
        Ok(made.sandbox_id)
    }

    async fn copy_files(&self, id: &SandboxId) -> Result<(), Ending> {
        if self.task.work.files.is_empty() {
            return Ok(());
        }
        let failed = |error: SandboxError| Ending::failed(error.to_string());
        let sandboxes = self.service.sandboxes();
        let sandboxes = sandboxes.map_err(|refusal| Ending::failed(refusal.message))?;
        let inside = sandboxes.files(&self.owner, id).await.map_err(failed)?;
        for path in &self.task.work.files {
            let (asked, folders) = (path.clone(), self.folders.clone());
            let opened = tokio::task::spawn_blocking(move || files::open(&asked, &folders)).await;
            let opened = opened.map_err(|error| Ending::failed(error.to_string()))?;
            let (file, name) =
                opened.map_err(|error| Ending::failed_for_good(error.to_string()))?;
            let file = tokio::fs::File::from_std(file);
            let content = stream::try_unfold(file, |mut file| async move {
                let mut piece = vec![0; PIECE];
                let count = tokio::io::AsyncReadExt::read(&mut file, &mut piece).await?;
                piece.truncate(count);
                Ok::<_, std::io::Error>((count > 0).then(|| (Bytes::from(piece), file)))
            });
            let source = path.clone();
            let content = content.map(move |piece| {
                piece.map_err(|error| SandboxError::File {
                    path: source.clone(),
                    kind: sandbox::FileErrorKind::Other,
                    reason: error.to_string(),
                })
            });
            let target = format!("/workspace/{name}");
            inside
                .write(&target, content.boxed())
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    async fn exec(&self, id: &SandboxId, payload: ExecPayload) -> Result<Ending, SandboxError> {
        let request = ExecRequest {
            command: payload.command,
            timeout_s: Some(0.0),
            stdin: payload.stdin,
            cwd: payload.cwd,
            env: payload.env,
            ..ExecRequest::default()
        };
        let Ok(sandboxes) = self.service.sandboxes() else {
            return Err(SandboxError::Stopping);
        };
        let exec = match sandboxes.exec(&self.owner, id, request).await {
            Err(error @ (SandboxError::ExecFailed { .. } | SandboxError::Invalid { .. })) => {
                return Ok(Ending::failed_for_good(error.to_string()));
            }
            exec => exec?,
        };
        let (tell, stop) = (&self.running.tell, &self.running.stop);
        let mut streams = [LogStream::Stdout, LogStream::Stderr].map(Stream::new);
        let mut events = exec.events(0);
        let mut is_asked = false;
        let started = tokio::time::Instant::now();
        let exit = loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = stop.asked.cancelled(), if !is_asked => {
                    is_asked = true;
                    let _ = exec.signal(SIGTERM).await;
                    continue;
                }
                () = stop.now.cancelled() => {
                    // Removing the sandbox ends all of it, whatever this one does.
                    let _ = exec.signal(SIGKILL).await;
                    break None;
                }
            };
            match event.map(|event| event.kind) {
                Some(ExecEventKind::Stdout(bytes) | ExecEventKind::Pty(bytes)) => {
                    streams[0].take(&bytes, tell);
                }
                Some(ExecEventKind::Stderr(bytes)) => streams[1].take(&bytes, tell),
                Some(ExecEventKind::Dropped { .. }) => {}
                Some(ExecEventKind::Ended(exit)) => break Some(exit),
                None => break None,
            }
        };
        let [stdout, stderr] = streams.map(|stream| stream.end(tell));
        let result = json!({
            "exit_code": exit.map(|exit| exit.code),
            "stdout": stdout.0,
            "stderr": stderr.0,
            "truncated": stdout.1 || stderr.1,
            "timing_ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        Ok(ending(exit, result))
    }

    async fn code(&self, id: &SandboxId, payload: CodePayload) -> Result<Ending, SandboxError> {
        let request = CodeRequest {
            code: payload.code,
            language: payload.language,
            context: None,
            timeout_s: Some(0.0),
            env: payload.env,
        };
        let Ok(sandboxes) = self.service.sandboxes() else {
            return Err(SandboxError::Stopping);
        };
        let run = match sandboxes.code(&self.owner, id, request).await {
            Err(error @ (SandboxError::NotSupported { .. } | SandboxError::Invalid { .. })) => {
                return Ok(Ending::failed_for_good(error.to_string()));
            }
            run => run?,
        };
        let (tell, stop) = (&self.running.tell, &self.running.stop);
        let mut events = run.events();
        let (mut outputs, mut truncated) = (Vec::new(), false);
        let end = loop {
            let event = tokio::select! {
                event = events.next() => event,
                // Dropping the stream interrupts the code, and the sandbox goes with it.
                () = stop.asked.cancelled() => break None,
            };
            match event {
                Some(CodeEvent::Output(output)) => {
                    if let Some((stream, text)) = printed(&output) {
                        tell.line(stream, text);
                    }
                    if outputs.len() < MOST_OUTPUTS {
                        outputs.push(output);
                    } else {
                        truncated = true;
                    }
                }
                Some(CodeEvent::Clear { .. }) => outputs.clear(),
                Some(CodeEvent::Ended(end)) => break Some(end),
                None => break None,
            }
        };
        let Some(end) = end else {
            return Ok(Ending::failed("it was interrupted"));
        };
        let error = end
            .error
            .as_ref()
            .map(|error| format!("{}: {}", error.kind, error.message));
        let result = json!({
            "status": end.status, "result": end.result, "error": end.error, "outputs": outputs,
            "timing_ms": end.timing_ms, "truncated": truncated,
        });
        Ok(match end.status {
            ExecStatus::Completed => Ending::done(result),
            _ => Ending {
                result: Some(result),
                ..Ending::failed(error.unwrap_or_else(|| "the code did not complete".into()))
            },
        })
    }
}

/// What an nbformat output shows in a log.
fn printed(output: &Value) -> Option<(LogStream, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => Some(lines.iter().filter_map(Value::as_str).collect()),
        _ => None,
    };
    match output["output_type"].as_str()? {
        "stream" if output["name"] == "stderr" => Some((LogStream::Stderr, text(&output["text"])?)),
        "stream" => Some((LogStream::Stdout, text(&output["text"])?)),
        "execute_result" => {
            let text = text(&output["data"]["text/plain"])?;
            Some((LogStream::Stdout, text + "\n"))
        }
        _ => None,
    }
}

/// How a command's end ends its attempt.
fn ending(exit: Option<Exit>, result: Value) -> Ending {
    let failed = |words: String| Ending {
        result: Some(result.clone()),
        ..Ending::failed(words)
    };
    match exit {
        None => failed("it was killed".into()),
        Some(Exit {
            unseen: Some(_), ..
        }) => failed("its sandbox ended".into()),
        Some(Exit { code: 0, .. }) => Ending::done(result),
        Some(Exit {
            signal: Some(signal),
            ..
        }) => failed(format!("signal {signal} ended it")),
        Some(Exit { code, .. }) => failed(format!("exit code {code}")),
    }
}

#[cfg(test)]
mod tests {
    use wire::task::AttemptOutcome;

    use super::*;

    #[test]
    fn an_exit_code_other_than_zero_fails_the_attempt_and_keeps_its_output() {
        let exit = |code| {
            Some(Exit {
                code,
                signal: None,
                timed_out: false,
                unseen: None,
            })
        };
        let done = ending(exit(0), json!(1));
        assert_eq!(done.outcome, AttemptOutcome::Done);
        let failed = ending(exit(3), json!(1));
        assert_eq!(failed.error.as_deref(), Some("exit code 3"));
        assert!(failed.result.is_some() && !failed.is_final);
    }

    #[test]
    fn a_payload_that_no_attempt_could_run_is_refused_at_once() {
        assert!(check(TaskKind::Exec, &json!({"command": "true"})).is_ok());
        let refused = check(TaskKind::Exec, &json!({"code": "1"})).unwrap_err();
        assert!(refused.message.contains("command"), "{refused:?}");
        assert!(check(TaskKind::Code, &json!({"code": 1})).is_err());
    }
}
