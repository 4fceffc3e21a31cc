//! The contexts of one sandbox, and how their processes are started and found.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use init_client::INIT_PROGRAM;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use wire::{
    kernel::ShellCommand,
    sandbox::{CodeContext, ExecRequest},
};

use super::{run::Turn, worker::Worker};
use crate::{
    container::HOME,
    error::SandboxError,
    exec::{Exec, Running},
    seat::random_name,
};

/// The kernel's Python in our images.
const PYTHON: &str = "/opt/venv/kernel/bin/python";
/// What the sockets are named with.
const SOCKET: &str = "/tmp/.vivarium-kernel-";
/// The context of code whose caller names none.
const FIRST: &str = "default";
/// The most contexts of one sandbox.
const MOST: usize = 32;
/// How long a kernel may take to start.
const START: Duration = Duration::from_secs(60);

/// The contexts of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Kernels {
    contexts: Mutex<Vec<Arc<Context>>>,
    /// Held by who makes one, so that two callers don't both make the first.
    making: AsyncMutex<()>,
}

/// A context.
#[derive(Debug)]
pub(crate) struct Context {
    pub(super) about: CodeContext,
    kernel: Mutex<Arc<Running>>,
    /// Held by the code that runs: what comes later waits its turn.
    pub(super) worker: Arc<AsyncMutex<Option<Worker>>>,
}

/// Starts processes that are in no list.
pub(crate) trait Starter: Sync {
    /// Starts one.
    fn start(
        &self,
        request: ExecRequest,
    ) -> impl Future<Output = Result<Arc<Running>, SandboxError>> + Send;
}

impl Kernels {
    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<CodeContext> {
        let contexts = self.contexts.lock();
        contexts
            .iter()
            .map(|context| context.about.clone())
            .collect()
    }

    /// The context of that id; the first one is made if it is not there.
    pub(crate) async fn find(
        &self,
        id: Option<&str>,
        starter: &impl Starter,
    ) -> Result<Arc<Context>, SandboxError> {
        let id = id.unwrap_or(FIRST);
        if let Some(found) = self.get(id) {
            return Ok(found);
        }
        if id != FIRST {
            return Err(SandboxError::ContextNotFound(id.into()));
        }
        let making = self.making.lock().await;
        if let Some(found) = self.get(id) {
            return Ok(found);
        }
        let made = self.make(FIRST.into(), HOME.into(), starter).await;
        drop(making);
        made
    }

    /// Makes one more.
    pub(crate) async fn create(
        &self,
        cwd: Option<String>,
        starter: &impl Starter,
    ) -> Result<CodeContext, SandboxError> {
        let cwd = cwd.unwrap_or_else(|| HOME.into());
        let made = self.make(random_name(), cwd, starter).await?;
        Ok(made.about.clone())
    }

    /// Gives one a new kernel. What runs in it ends.
    pub(crate) async fn restart(
        &self,
        id: &str,
        starter: &impl Starter,
    ) -> Result<(), SandboxError> {
        let found = self.get(id);
        let context = found.ok_or_else(|| SandboxError::ContextNotFound(id.into()))?;
        context.end();
        let mut worker = context.worker.lock().await;
        *worker = None;
        let kernel = start_kernel(&context.about, starter).await?;
        *context.kernel.lock() = kernel;
        Ok(())
    }

    /// Ends one.
    pub(crate) fn remove(&self, id: &str) -> Result<(), SandboxError> {
        let mut contexts = self.contexts.lock();
        let at = contexts.iter().position(|context| context.about.id == id);
        let at = at.ok_or_else(|| SandboxError::ContextNotFound(id.into()))?;
        let context = contexts.remove(at);
        drop(contexts);
        context.end();
        Ok(())
    }

    /// Takes over the kernels of an earlier process of ours; what joined them with it ends.
    pub(crate) fn take_over(&self, execs: &[Arc<Running>]) {
        for exec in execs.iter().filter(|exec| exec.about.hidden) {
            let ShellCommand::Line(line) = &exec.about.command else {
                continue;
            };
            if line.starts_with(INIT_PROGRAM) {
                kill(exec);
            } else if let Some((_, id)) = line.split_once(SOCKET)
                && self.get(id).is_none()
            {
                let about = CodeContext {
                    id: id.to_owned(),
                    language: "python".into(),
                    cwd: HOME.into(),
                };
                self.contexts
                    .lock()
                    .push(Arc::new(Context::new(about, Arc::clone(exec))));
            }
        }
    }

    fn get(&self, id: &str) -> Option<Arc<Context>> {
        let contexts = self.contexts.lock();
        let mut found = contexts.iter().filter(|context| context.about.id == id);
        found.next().cloned()
    }

    async fn make(
        &self,
        id: String,
        cwd: String,
        starter: &impl Starter,
    ) -> Result<Arc<Context>, SandboxError> {
        if self.contexts.lock().len() >= MOST {
            return Err(SandboxError::Invalid {
                field: "context",
                reason: format!("the sandbox has {MOST} already"),
            });
        }
        let about = CodeContext {
            id,
            language: "python".into(),
            cwd,
        };
        let kernel = start_kernel(&about, starter).await?;
        let context = Arc::new(Context::new(about, kernel));
        self.contexts.lock().push(Arc::clone(&context));
        Ok(context)
    }
}

/// How often a kernel is joined before that counts as a failure.
const JOINS: u32 = 5;
/// How long the end of a kernel is waited for between them.
const ENDING: Duration = Duration::from_millis(300);

impl Context {
    fn new(about: CodeContext, kernel: Arc<Running>) -> Self {
        Self {
            about,
            kernel: Mutex::new(kernel),
            worker: Arc::default(),
        }
    }

    /// Waits for the end of the code that runs in it. Whoever goes meanwhile is not waited for.
    pub(crate) async fn turn(&self) -> Turn {
        Arc::clone(&self.worker).lock_owned().await
    }

    /// Kills its kernel.
    pub(super) fn end(&self) {
        kill(&self.kernel.lock());
    }

    /// A conversation with its kernel, which is started again if it has ended.
    pub(super) async fn open(&self, starter: &impl Starter) -> Result<Worker, SandboxError> {
        let mut tries = 0;
        let mut is_new = false;
        loop {
            let mut kernel = Arc::clone(&self.kernel.lock());
            if !kernel.is_running() {
                kernel = start_kernel(&self.about, starter).await?;
                *self.kernel.lock() = Arc::clone(&kernel);
                is_new = true;
            }
            let joined = self.join(&kernel, starter).await;
            tries += 1;
            let failed_to_start = is_new && !kernel.is_running();
            if joined.is_ok() || failed_to_start || tries == JOINS {
                return joined;
            }
            // A kernel that is just ending answers in the new one's place, or its end isn't known yet.
            let _ = tokio::time::timeout(ENDING, Exec(kernel).wait()).await;
        }
    }

    async fn join(
        &self,
        kernel: &Arc<Running>,
        starter: &impl Starter,
    ) -> Result<Worker, SandboxError> {
        let joint = starter.start(ExecRequest {
            command: ShellCommand::Arguments(vec![
                INIT_PROGRAM.into(),
                "join".into(),
                socket(&self.about.id),
            ]),
            timeout_s: Some(0.0),
            keep_stdin: Some(true),
            ..ExecRequest::default()
        });
        let joint = joint.await?;
        let opened = tokio::select! {
            opened = tokio::time::timeout(START, Worker::open(Exec(Arc::clone(&joint)))) => {
                opened.unwrap_or_else(|_| {
                    let reason = format!("the kernel wasn't ready within {} s", START.as_secs());
                    Err(SandboxError::Kernel { reason })
                })
            }
            reason = last_words(kernel) => Err(SandboxError::Kernel { reason }),
        };
        opened.inspect_err(|_| kill(&joint))
    }
}

async fn start_kernel(
    about: &CodeContext,
    starter: &impl Starter,
) -> Result<Arc<Running>, SandboxError> {
    let words = [PYTHON, "-m", "vivarium_kernel", "--socket"];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    words.push(socket(&about.id));
    let request = ExecRequest {
        command: ShellCommand::Arguments(words),
        cwd: Some(about.cwd.clone()),
        env: BTreeMap::from([("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())]),
        timeout_s: Some(0.0),
        background: true,
        keep_stdin: Some(false),
        ..ExecRequest::default()
    };
    starter.start(request).await.map_err(|error| match error {
        SandboxError::ExecFailed { reason } => SandboxError::Kernel {
            reason: format!(
                "the image has no Python kernel ({reason}). Use the image aios-sandbox, or one made from it"
            ),
        },
        error => error,
    })
}

/// Waits for a kernel's end, and says what it had to say.
async fn last_words(kernel: &Arc<Running>) -> String {
    let answer = Exec(Arc::clone(kernel)).wait().await;
    let text = if answer.stderr.is_empty() {
        answer.stdout
    } else {
        answer.stderr
    };
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let shown: String = last.unwrap_or_default().chars().take(500).collect();
    format!("the kernel ended at its start. {shown}")
}

fn socket(id: &str) -> String {
    format!("{SOCKET}{id}")
}

fn kill(exec: &Running) {
    if let Some((session, stream)) = exec.link() {
        session.say(stream, frames::message::Request::Cancel);
    }
}
