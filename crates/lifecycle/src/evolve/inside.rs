//! A machine's API from outside without a network path: `body call`, run in the container by the
//! engine. Both executors reach a machine so, one without published ports too.

use std::time::Duration;

use containers::{Engine, EngineError};
use machine_client::{RouteCall, json};
use serde::de::{DeserializeOwned, IgnoredAny};
use wire::{
    body::{
        CellQuery, CellState, CryoReloaded, CryoRequest, CryoStored, KernelChoice, KernelShown,
        NewKernel,
    },
    error_code::ErrorCode,
    evolve::{EvolveQueue, Proof},
    kernel::ErrorAnswer,
    routes::{
        CloseQueue, EndCell, InterruptKernel, ListCells, ListKernels, Ping, ReloadNamespace,
        RemoveSnapshot, Route, StartKernel, StoreNamespace,
    },
};

use super::kept;
use crate::error::LifecycleError;

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
                code: None,
            })?;
        kept::proof(&mut proof);
        Ok(proof)
    }

    /// Whether its supervisor answers this user, in whatever words. PID 1 gives the user the id that
    /// the machine's files have: what was run in the container before that has the earlier id, and is
    /// refused for as long as it runs.
    pub(crate) async fn listens(&self) -> bool {
        let ping = ["body", "call", Ping::METHOD.as_str(), Ping::PATH];
        let asked = self.exec(&ping, Duration::from_secs(5)).await;
        asked.is_ok_and(|output| output.exit_code != UNREACHABLE)
    }

    /// Whether the main kernel takes cells.
    pub(crate) async fn answers(&self) -> bool {
        self.tell::<Ping>((), &(), Duration::from_secs(5))
            .await
            .is_ok()
    }

    /// Closes the queue of cells for so long, or opens it.
    pub(crate) async fn queue(&self, closed: bool, for_s: u32) -> Result<(), LifecycleError> {
        let queue = EvolveQueue { closed, for_s };
        self.tell::<CloseQueue>((), &queue, QUESTION).await
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
        let brief = CellQuery {
            brief: true,
            ..CellQuery::default()
        };
        let call = RouteCall::<ListCells>::new((), &()).and_then(|call| call.query(&brief));
        let cells = match self.ask(&call.map_err(unwritten)?, QUESTION).await {
            Ok(list) => list.into_brief(),
            // A machine of an earlier version sends all outputs, perhaps more than is read.
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
            let choice = KernelChoice {
                kernel: Some(kernel),
            };
            self.tell::<InterruptKernel>((), &choice, QUESTION).await?;
        }
        Ok(())
    }

    /// Takes a cell out of the queue, or interrupts it. One that is over by now is no failure.
    async fn end_cell(&self, id: &str) -> Result<(), LifecycleError> {
        let ended = self.tell::<EndCell>(id, &(), QUESTION).await;
        unless(&ErrorCode::NotFound, ended)
    }

    /// Names of its kernels.
    pub(crate) async fn kernels(&self) -> Result<Vec<String>, LifecycleError> {
        let kernels = self.list_kernels().await?.into_iter();
        Ok(kernels.map(|kernel| kernel.name).collect())
    }

    async fn list_kernels(&self) -> Result<Vec<KernelShown>, LifecycleError> {
        let list = self.call::<ListKernels>((), &(), QUESTION).await?;
        if list.kernels.len() > MOST_KERNELS {
            return Err(LifecycleError::Inside {
                doing: "list its kernels".into(),
                words: format!("it reports {} kernels", list.kernels.len()),
                code: None,
            });
        }
        Ok(list.kernels)
    }

    /// Starts a kernel; one that is there is no failure.
    pub(crate) async fn start_kernel(&self, name: &str) -> Result<(), LifecycleError> {
        let kernel = NewKernel { name: name.into() };
        let started = self
            .tell::<StartKernel>((), &kernel, Duration::from_secs(60))
            .await;
        unless(&ErrorCode::KernelExists, started)
    }

    /// Stores a kernel's namespace.
    pub(crate) async fn store(
        &self,
        kernel: &str,
        snapshot: &str,
    ) -> Result<CryoStored, LifecycleError> {
        self.call::<StoreNamespace>((), &named(kernel, snapshot), NAMESPACE)
            .await
    }

    /// Brings one back.
    pub(crate) async fn reload(
        &self,
        kernel: &str,
        snapshot: &str,
    ) -> Result<CryoReloaded, LifecycleError> {
        self.call::<ReloadNamespace>((), &named(kernel, snapshot), NAMESPACE)
            .await
    }

    /// Removes a snapshot. One that isn't there is no failure, nor is one that the machine can't
    /// remove now: it takes space, and nothing else.
    pub(crate) async fn forget(&self, snapshot: &str) -> Result<(), LifecycleError> {
        match self.tell::<RemoveSnapshot>(snapshot, &(), QUESTION).await {
            Ok(()) | Err(LifecycleError::Inside { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Calls a route of its API.
    pub(crate) async fn call<R: Route>(
        &self,
        names: impl Into<R::Names>,
        request: &R::Request,
        limit: Duration,
    ) -> Result<R::Answer, LifecycleError>
    where
        R::Answer: DeserializeOwned,
    {
        let call = RouteCall::<R>::new(names, request).map_err(unwritten)?;
        self.ask(&call, limit).await
    }

    /// Calls a route of whose answer nothing is needed, so that another version's is read too.
    pub(crate) async fn tell<R: Route>(
        &self,
        names: impl Into<R::Names>,
        request: &R::Request,
        limit: Duration,
    ) -> Result<(), LifecycleError> {
        let call = RouteCall::<R>::new(names, request).map_err(unwritten)?;
        self.read::<R, IgnoredAny>(&call, limit).await.map(|_| ())
    }

    async fn ask<R: Route>(
        &self,
        call: &RouteCall<R>,
        limit: Duration,
    ) -> Result<R::Answer, LifecycleError>
    where
        R::Answer: DeserializeOwned,
    {
        self.read::<R, R::Answer>(call, limit).await
    }

    async fn read<R: Route, T: DeserializeOwned>(
        &self,
        call: &RouteCall<R>,
        limit: Duration,
    ) -> Result<T, LifecycleError> {
        let (method, path) = (R::METHOD.as_str(), call.path());
        let body = call.body().map(String::from_utf8_lossy);
        let mut words = vec!["body", "call", method, path];
        words.extend(body.as_deref());
        let output = self.exec(&words, limit).await?;
        answered(&format!("answer {method} {path}"), &output)
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
                code: None,
            }),
        }
    }
}

fn named(kernel: &str, snapshot: &str) -> CryoRequest {
    CryoRequest {
        name: Some(snapshot.to_owned()),
        kernel: Some(kernel.to_owned()),
    }
}

/// A request could not be made.
fn unwritten(error: machine_client::ClientError) -> LifecycleError {
    LifecycleError::Inside {
        doing: "read the request".into(),
        words: error.to_string(),
        code: None,
    }
}

/// Reads what `body call` said: the answer, or the API's refusal with its code.
fn answered<T: DeserializeOwned>(
    doing: &str,
    output: &containers::ExecOutput,
) -> Result<T, LifecycleError> {
    let failed = |words, code| LifecycleError::Inside {
        doing: doing.into(),
        words,
        code,
    };
    if output.exit_code != 0 {
        return Err(match json::from_slice::<ErrorAnswer>(&output.stdout) {
            Ok(ErrorAnswer { error, .. }) => {
                failed(kept::words(error.message.as_bytes()), Some(error.code))
            }
            Err(_) => failed(kept::words(&output.stderr), None),
        });
    }
    json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("its answer can't be read: {error}"), None))
}

/// A refusal with this code means that what was asked for is so already.
fn unless<T>(code: &ErrorCode, answer: Result<T, LifecycleError>) -> Result<(), LifecycleError> {
    match answer {
        Err(LifecycleError::Inside {
            code: Some(refused),
            ..
        }) if refused == *code => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Result<IgnoredAny, LifecycleError> {
        let answer = serde_json::json!({
            "error": { "code": code, "message": message }, "request_id": "1",
        });
        let output = containers::ExecOutput {
            stdout: answer.to_string().into_bytes(),
            stderr: Vec::new(),
            exit_code: 22,
        };
        answered("answer POST /kernels", &output)
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_not_by_its_words() {
        let exists = refused("kernel_exists", "there is one");
        assert!(unless(&ErrorCode::KernelExists, exists).is_ok());
        for code in ["too_many_kernels", "of_a_later_version"] {
            let other = refused(code, "this machine runs 16 kernels already");
            let error = unless(&ErrorCode::KernelExists, other).unwrap_err();
            let told = wire::failure::Failure::from(error);
            assert_eq!(told.error_code.as_deref(), Some(&ErrorCode::read(code)));
            assert_eq!(
                told.cause.as_deref(),
                Some("this machine runs 16 kernels already")
            );
        }
    }

    #[test]
    fn what_is_no_refusal_of_the_api_has_no_code() {
        let output = containers::ExecOutput {
            stdout: Vec::new(),
            stderr: b"body call: Connection refused".to_vec(),
            exit_code: 7,
        };
        let error = answered::<IgnoredAny>("answer GET /ping", &output).unwrap_err();
        assert!(matches!(
            unless(&ErrorCode::NotFound, Err::<(), _>(error)),
            Err(LifecycleError::Inside { code: None, words, .. }) if words.contains("refused")
        ));
    }
}
