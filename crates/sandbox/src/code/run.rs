//! Code that runs in a context.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream, stream::BoxStream};
use serde_json::{Value, json};
use tokio::{sync::OwnedMutexGuard, time::Instant};
use tokio_util::task::TaskTracker;
use wire::{kernel::ExecStatus, sandbox::CodeAnswer};

use super::{
    CodeEnd, CodeEvent, Starter,
    context::Context,
    worker::{FromWorker, Worker},
};
use crate::{error::SandboxError, seat::random_name};

/// How long code may take to end once it was interrupted, before its kernel is killed.
const GRACE: Duration = Duration::from_secs(5);
/// The most output that [`CodeRun::wait`] answers.
const ANSWER_BYTES: usize = 32 << 20;

/// The turn of code in its context.
pub(crate) type Turn = OwnedMutexGuard<Option<Worker>>;

/// Code that runs. Dropping it interrupts the code.
#[derive(Debug)]
pub struct CodeRun {
    context: Arc<Context>,
    /// None once it has ended.
    worker: Option<Turn>,
    id: String,
    deadline: Option<Instant>,
    is_late: bool,
    has_env: bool,
    tasks: TaskTracker,
}

impl CodeRun {
    /// Begins in a context whose turn it is. To be waited for to its end: what it starts on the way is
    /// known to nobody yet. `tasks` has what is left to do if nobody waits for the end.
    pub(crate) async fn begin(
        context: Arc<Context>,
        mut guard: Turn,
        starter: &impl Starter,
        code: &str,
        env: &BTreeMap<String, String>,
        timeout: Option<Duration>,
        tasks: TaskTracker,
    ) -> Result<Self, SandboxError> {
        // One whose kernel ended meanwhile is of no use; that shows when it is spoken to.
        for is_second in [false, true] {
            let worker = match guard.take() {
                Some(worker) if worker.running.is_none() => worker,
                _ => context.open(starter).await?,
            };
            let worker = guard.insert(worker);
            let id = random_name();
            let is_ready = env.is_empty() || silently(worker, &with_env(env)).await;
            let execute = json!({"type": "execute", "execution_id": &id, "code": code});
            if is_ready && worker.send(&execute).await {
                worker.running = Some(id.clone());
                return Ok(Self {
                    context,
                    worker: Some(guard),
                    id,
                    deadline: timeout.map(|timeout| Instant::now() + timeout),
                    is_late: false,
                    has_env: !env.is_empty(),
                    tasks,
                });
            }
            *guard = None;
            if is_second {
                break;
            }
        }
        Err(SandboxError::Kernel {
            reason: "the kernel takes no code".into(),
        })
    }

    /// Id of the context that it runs in.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context.about.id
    }

    /// Its events to its end. Dropping the stream interrupts the code.
    #[must_use]
    pub fn events(self) -> BoxStream<'static, CodeEvent> {
        stream::unfold(self, |mut run| async move {
            let event = run.next().await?;
            Some((event, run))
        })
        .boxed()
    }

    /// Waits for its end.
    pub async fn wait(mut self) -> CodeAnswer {
        let mut outputs: Vec<Value> = Vec::new();
        let (mut bytes, mut truncated, mut clears) = (0, false, false);
        let mut end = None;
        while let Some(event) = self.next().await {
            match event {
                CodeEvent::Output(output) => {
                    if std::mem::take(&mut clears) {
                        outputs.clear();
                        bytes = 0;
                    }
                    let size = output.to_string().len();
                    if bytes + size > ANSWER_BYTES {
                        truncated = true;
                    } else {
                        bytes += size;
                        add(&mut outputs, output);
                    }
                }
                CodeEvent::Clear { wait: true } => clears = true,
                CodeEvent::Clear { wait: false } => {
                    outputs.clear();
                    bytes = 0;
                }
                CodeEvent::Ended(how) => end = Some(how),
            }
        }
        let end = end.unwrap_or_else(died);
        CodeAnswer {
            context: self.context().to_owned(),
            status: end.status,
            result: end.result,
            error: end.error,
            execution_count: end.execution_count,
            timing_ms: end.timing_ms,
            outputs,
            truncated,
        }
    }

    async fn next(&mut self) -> Option<CodeEvent> {
        loop {
            let worker = self.worker.as_mut()?.as_mut();
            let Some(worker) = worker else {
                return self.ended(died()).await;
            };
            let message = match self.deadline {
                None => worker.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, worker.next()).await {
                    Ok(message) => message,
                    Err(_) if self.is_late => {
                        let answers = match worker.session() {
                            Some(session) => session.answers().await,
                            None => true,
                        };
                        let words = match answers {
                            true => {
                                "the code timed out and ignored the interrupt; its kernel was ended, and its variables are lost"
                            }
                            false => {
                                "the code timed out, and the sandbox is not responding; its kernel is ended once it does"
                            }
                        };
                        self.context.end();
                        if let Some(guard) = &mut self.worker {
                            **guard = None;
                        }
                        let end = CodeEnd::failed(ExecStatus::Timeout, "TimeoutError", words);
                        return self.ended(end).await;
                    }
                    Err(_) => {
                        self.is_late = true;
                        self.deadline = Some(Instant::now() + GRACE);
                        worker.send(&json!({"type": "interrupt"})).await;
                        continue;
                    }
                },
            };
            let Some(message) = message else {
                if let Some(guard) = &mut self.worker {
                    **guard = None;
                }
                return self.ended(died()).await;
            };
            match message {
                FromWorker::Event {
                    execution_id,
                    output,
                } if execution_id == self.id => return Some(CodeEvent::Output(output)),
                FromWorker::ClearOutput { execution_id, wait } if execution_id == self.id => {
                    return Some(CodeEvent::Clear { wait });
                }
                // Nobody is there to answer.
                FromWorker::InputRequest { number } => {
                    let answer = json!({"type": "input", "number": number, "value": null});
                    worker.send(&answer).await;
                }
                FromWorker::Done {
                    execution_id,
                    status,
                    result,
                    error,
                    timing_ms,
                    execution_count,
                } if execution_id == self.id => {
                    worker.running = None;
                    let end = CodeEnd {
                        status: if self.is_late {
                            ExecStatus::Timeout
                        } else {
                            status
                        },
                        result,
                        error,
                        execution_count,
                        timing_ms,
                    };
                    return self.ended(end).await;
                }
                _ => {}
            }
        }
    }

    /// Lets the next one have its turn.
    async fn ended(&mut self, end: CodeEnd) -> Option<CodeEvent> {
        if let Some(mut guard) = self.worker.take()
            && self.has_env
            && let Some(worker) = guard.as_mut()
            && !silently(worker, WITHOUT_ENV).await
        {
            *guard = None;
        }
        Some(CodeEvent::Ended(end))
    }
}

impl Drop for CodeRun {
    fn drop(&mut self) {
        let Some(mut guard) = self.worker.take() else {
            return;
        };
        let (context, has_env) = (Arc::clone(&self.context), self.has_env);
        // Its turn lasts until the code has ended.
        self.tasks.spawn(async move {
            let Some(worker) = guard.as_mut() else { return };
            let interrupted = tokio::time::timeout(GRACE, interrupt(worker, has_env)).await;
            if !matches!(interrupted, Ok(true)) {
                context.end();
                *guard = None;
            }
        });
    }
}

/// How often what doesn't end is interrupted.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(500);

/// Interrupts what runs, and waits for its end; false if the worker is gone.
async fn interrupt(worker: &mut Worker, has_env: bool) -> bool {
    if !worker.send(&json!({"type": "interrupt"})).await {
        return false;
    }
    loop {
        match tokio::time::timeout(INTERRUPT_AGAIN, worker.next()).await {
            // One that came before the code began interrupted nothing.
            Err(_) => {
                if !worker.send(&json!({"type": "interrupt"})).await {
                    return false;
                }
            }
            Ok(Some(FromWorker::Done { execution_id, .. }))
                if worker.running.as_ref() == Some(&execution_id) =>
            {
                worker.running = None;
                return !has_env || silently(worker, WITHOUT_ENV).await;
            }
            Ok(Some(_)) => {}
            Ok(None) => return false,
        }
    }
}

/// How long a line of our own may take. Code that ran before it may have replaced what carries it out.
const SILENTLY: Duration = Duration::from_secs(10);

/// Runs a line of our own, whose output is nobody's business; false if the worker is gone.
async fn silently(worker: &mut Worker, code: &str) -> bool {
    let ran = tokio::time::timeout(SILENTLY, run_silently(worker, code)).await;
    ran.unwrap_or(false)
}

async fn run_silently(worker: &mut Worker, code: &str) -> bool {
    let id = random_name();
    let execute = json!({"type": "execute", "execution_id": &id, "code": code, "silent": true});
    if !worker.send(&execute).await {
        return false;
    }
    worker.running = Some(id.clone());
    while let Some(message) = worker.next().await {
        if let FromWorker::Done { execution_id, .. } = message
            && execution_id == id
        {
            worker.running = None;
            return true;
        }
    }
    false
}

/// Sets variables, and keeps what they were. It leaves no name in the namespace.
fn with_env(env: &BTreeMap<String, String>) -> String {
    // JSON's texts are Python's too.
    let new = json!(env).to_string();
    format!(
        "(lambda os, new: (setattr(os, '_vivarium_env', {{name: os.environ.get(name) for name in new}}), os.environ.update(new)))(__import__('os'), {new});"
    )
}

/// Brings back what they were.
const WITHOUT_ENV: &str = "(lambda os: [os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value) for name, value in os.__dict__.pop('_vivarium_env', {}).items()])(__import__('os'));";

fn died() -> CodeEnd {
    CodeEnd::failed(
        ExecStatus::Died,
        "KernelDied",
        "the kernel process died while the code was running",
    )
}

/// Adds an output; text of one stream becomes one output, as notebooks have it.
fn add(outputs: &mut Vec<Value>, output: Value) {
    let is_stream = |output: &Value| output["output_type"] == "stream";
    if let Some(last) = outputs.last_mut()
        && is_stream(last)
        && is_stream(&output)
        && last["name"] == output["name"]
        && let Some(Value::String(before)) = last.get_mut("text")
        && let Some(text) = output["text"].as_str()
    {
        before.push_str(text);
        return;
    }
    outputs.push(output);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_one_stream_is_one_output() {
        let stream =
            |name: &str, text: &str| json!({"output_type": "stream", "name": name, "text": text});
        let mut outputs = Vec::new();
        for (name, text) in [("stdout", "a"), ("stdout", "b"), ("stderr", "c")] {
            add(&mut outputs, stream(name, text));
        }
        assert_eq!(outputs, [stream("stdout", "ab"), stream("stderr", "c")]);
    }
}
