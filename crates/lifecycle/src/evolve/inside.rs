//! A machine's API from outside without a network path: `body call`, run in the container by the
//! engine. Both executors reach a machine so, one without published ports too.

use std::time::Duration;

use containers::{Engine, EngineError};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use wire::{
    body::{CellList, CellState, CryoReloaded, CryoStored, KernelList, KernelShown},
    evolve::Proof,
    kernel::ErrorAnswer,
};

use super::kept;
use crate::{error::LifecycleError, json};

/// How long a plain question may take.
const QUESTION: Duration = Duration::from_secs(20);
/// How long a namespace may take to be stored or read.
const NAMESPACE: Duration = Duration::from_secs(300);

/// More kernels, cells and paths than a machine that is well has.
const MOST_KERNELS: usize = 100;
const MOST_CELLS: usize = 1000;
const MOST_PATHS: usize = 100_000;

/// How `body call` ends if nobody answers.
const UNREACHABLE: i64 = 7;

/// A running container's inside.
#[derive(Clone, Copy)]
pub(crate) struct Inside<'a> {
    pub engine: &'a Engine,
    pub container: &'a str,
    /// Whose the socket is; `None` where the container runs as nobody else.
    pub user: Option<&'a str>,
}

impl Inside<'_> {
    /// Runs the candidate's own checks.
    pub(crate) async fn prove(&self, limit: Duration) -> Result<Proof, LifecycleError> {
        self.checks(&["body", "prove", "--json"], limit).await
    }

    /// Looks at a machine's MCP servers alone.
    pub(crate) async fn prove_mcp(&self, limit: Duration) -> Result<Proof, LifecycleError> {
        self.checks(&["body", "prove", "--json", "--mcp"], limit)
            .await
    }

    async fn checks(&self, words: &[&str], limit: Duration) -> Result<Proof, LifecycleError> {
        let output = self.exec(words, limit).await?;
        let mut proof =
            json::from_slice(&output.stdout).map_err(|error| LifecycleError::Inside {
                doing: "run its health checks".into(),
                words: format!(
                    "the result is not valid ({error}): {}{}",
                    kept::words(&output.stdout),
                    kept::words(&output.stderr)
                ),
            })?;
        kept::proof(&mut proof);
        Ok(proof)
    }

    /// Whether its supervisor answers this user, in whatever words. PID 1 gives the user the id that
    /// the machine's files have: what was run in the container before that has the earlier id, and is
    /// refused for as long as it runs.
    pub(crate) async fn listens(&self) -> bool {
        let ping = ["body", "call", "GET", "/ping"];
        let asked = self.exec(&ping, Duration::from_secs(5)).await;
        asked.is_ok_and(|output| output.exit_code != UNREACHABLE)
    }

    /// Whether the main kernel takes cells.
    pub(crate) async fn answers(&self) -> bool {
        self.call::<IgnoredAny>("GET", "/ping", None, Duration::from_secs(5))
            .await
            .is_ok()
    }

    /// Closes the queue of cells for so long, or opens it.
    pub(crate) async fn queue(&self, closed: bool, for_s: u32) -> Result<(), LifecycleError> {
        let body = serde_json::json!({ "closed": closed, "for_s": for_s });
        self.call::<IgnoredAny>("POST", "/evolve/queue", Some(body), QUESTION)
            .await
            .map(|_| ())
    }

    /// Files of its root, folders and what is mounted aside, that changed since a time in Unix
    /// seconds, or since the container was made.
    pub(crate) async fn changed_since(
        &self,
        since: Option<u64>,
        limit: Duration,
    ) -> Result<Vec<String>, LifecycleError> {
        let newer = match since {
            Some(at) => format!("-newerct @{at}"),
            // Made with the container, by Docker or Podman.
            None => {
                "-cnewer $(ls -d /.dockerenv /run/.containerenv 2>/dev/null | head -n 1)".into()
            }
        };
        let script = format!("find / -xdev {newer} ! -type d -print0 2>/dev/null; true");
        let root = Inside {
            user: self.user.map(|_| "0"),
            ..*self
        };
        let output = root.exec(&["sh", "-c", &script], limit).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let paths = text.split('\0').filter(|path| !path.is_empty());
        Ok(paths.take(MOST_PATHS).map(str::to_owned).collect())
    }

    /// How many cells wait or run. Their outputs aren't asked for, which may be long.
    pub(crate) async fn open_cells(&self) -> Result<u64, LifecycleError> {
        let waiting = self.list_kernels().await?.into_iter();
        Ok(waiting.fold(0, |sum, kernel| sum.saturating_add(kernel.waiting)))
    }

    /// Takes all cells out of the queue and interrupts those that run.
    pub(crate) async fn end_cells(&self) -> Result<(), LifecycleError> {
        let list = self.call::<CellList>("GET", "/executions", None, QUESTION);
        let cells = match list.await {
            Ok(list) => list.executions,
            // With the outputs of all cells it may be more than is read.
            Err(LifecycleError::Engine(EngineError::TooLarge { .. })) => {
                return self.interrupt_all().await;
            }
            Err(error) => return Err(error),
        };
        let open = cells.iter().filter(|cell| cell.state != CellState::Over);
        for cell in open.take(MOST_CELLS) {
            self.end_cell(&cell.execution_id).await?;
        }
        Ok(())
    }

    async fn interrupt_all(&self) -> Result<(), LifecycleError> {
        for kernel in self.kernels().await? {
            let choice = serde_json::json!({ "kernel": kernel });
            self.call::<IgnoredAny>("POST", "/interrupt", Some(choice), QUESTION)
                .await?;
        }
        Ok(())
    }

    /// Takes a cell out of the queue, or interrupts it. One that is over by now is no failure.
    async fn end_cell(&self, id: &str) -> Result<(), LifecycleError> {
        let path = format!("/executions/{id}");
        match self
            .call::<IgnoredAny>("DELETE", &path, None, QUESTION)
            .await
        {
            Ok(_) | Err(LifecycleError::Inside { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names of its kernels.
    pub(crate) async fn kernels(&self) -> Result<Vec<String>, LifecycleError> {
        let kernels = self.list_kernels().await?.into_iter();
        Ok(kernels.map(|kernel| kernel.name).collect())
    }

    async fn list_kernels(&self) -> Result<Vec<KernelShown>, LifecycleError> {
        let list: KernelList = self.call("GET", "/kernels", None, QUESTION).await?;
        if list.kernels.len() > MOST_KERNELS {
            return Err(LifecycleError::Inside {
                doing: "list its kernels".into(),
                words: format!("it reports {} kernels", list.kernels.len()),
            });
        }
        Ok(list.kernels)
    }

    /// Starts a kernel; one that is there is no failure.
    pub(crate) async fn start_kernel(&self, name: &str) -> Result<(), LifecycleError> {
        let body = serde_json::json!({ "name": name });
        match self
            .call::<IgnoredAny>("POST", "/kernels", Some(body), Duration::from_secs(60))
            .await
        {
            Err(LifecycleError::Inside { words, .. }) if words.contains("already") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Stores a kernel's namespace.
    pub(crate) async fn store(
        &self,
        kernel: &str,
        snapshot: &str,
    ) -> Result<CryoStored, LifecycleError> {
        let body = serde_json::json!({ "name": snapshot, "kernel": kernel });
        self.call("POST", "/cryo/store", Some(body), NAMESPACE)
            .await
    }

    /// Brings one back.
    pub(crate) async fn reload(
        &self,
        kernel: &str,
        snapshot: &str,
    ) -> Result<CryoReloaded, LifecycleError> {
        let body = serde_json::json!({ "name": snapshot, "kernel": kernel });
        self.call("POST", "/cryo/reload", Some(body), NAMESPACE)
            .await
    }

    /// Removes a snapshot; one that is not there is no failure.
    pub(crate) async fn forget(&self, snapshot: &str) -> Result<(), LifecycleError> {
        let path = format!("/cryo/{snapshot}");
        match self
            .call::<IgnoredAny>("DELETE", &path, None, QUESTION)
            .await
        {
            Ok(_) | Err(LifecycleError::Inside { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One request to its API.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        limit: Duration,
    ) -> Result<T, LifecycleError> {
        let text = body.map(|body| body.to_string());
        let mut words = vec!["body", "call", method, path];
        words.extend(text.as_deref());
        let output = self.exec(&words, limit).await?;
        let failed = |words: String| LifecycleError::Inside {
            doing: format!("answer {method} {path}"),
            words,
        };
        if output.exit_code != 0 {
            let told = json::from_slice::<ErrorAnswer>(&output.stdout);
            return Err(failed(told.map_or_else(
                |_| kept::words(&output.stderr),
                |answer| kept::words(answer.error.message.as_bytes()),
            )));
        }
        json::from_slice(&output.stdout)
            .map_err(|error| failed(format!("the response is not valid: {error}")))
    }

    async fn exec(
        &self,
        words: &[&str],
        limit: Duration,
    ) -> Result<containers::ExecOutput, LifecycleError> {
        let run = self.engine.exec(self.container, words, self.user);
        match tokio::time::timeout(limit, run).await {
            Ok(output) => Ok(output?),
            Err(_) => Err(LifecycleError::Inside {
                doing: words[1..].join(" "),
                words: format!("no response within {} s", limit.as_secs()),
            }),
        }
    }
}
