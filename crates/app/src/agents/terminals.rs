//! Terminals of agents that pages show: each is opened, asked for what it shows next, typed into, and closed
//! at the latest when nobody asks.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ::agents::{Look, Viewer};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use parking_lot::Mutex;
use wire::{
    agent::{
        AgentTerminalInput, AgentTerminalName, AgentTerminalOpen, AgentTerminalOutput,
        AgentTerminalResize,
    },
    commands::Nothing,
    failure::{Failure, FailureCode},
};

use crate::App;

/// How long a call waits for what is shown next.
const WAITS: Duration = Duration::from_secs(20);
/// How long a terminal stays that nobody asks.
const STAYS: Duration = Duration::from_secs(60);
/// The most that is given at once.
const MOST_BYTES: usize = 256 << 10;
/// How long more is waited for once something is there, so that a burst is one answer.
const GATHERS: Duration = Duration::from_millis(2);
/// How many there may be.
const MOST: usize = 200;

/// All of them.
#[derive(Default)]
pub(super) struct Terminals(Arc<Mutex<BTreeMap<String, Arc<Open>>>>);

struct Open {
    viewer: Viewer,
    asked_at: Mutex<Instant>,
}

impl Terminals {
    fn find(&self, id: &str) -> Result<Arc<Open>, Failure> {
        let found = self.0.lock().get(id).map(Arc::clone);
        let open = found
            .ok_or_else(|| Failure::new(FailureCode::NotFound, "The terminal is no longer open"))?;
        *open.asked_at.lock() = Instant::now();
        Ok(open)
    }
}

impl App {
    pub(crate) async fn agent_terminal_open(
        &self,
        request: AgentTerminalOpen,
    ) -> Result<AgentTerminalName, Failure> {
        let look = Look {
            cols: request.cols.max(1),
            rows: request.rows.max(1),
            read_only: request.read_only,
        };
        let viewer = self.agents().await?.attach(&request.id, look).await?;
        let terminal_id = ulid::Ulid::generate().to_string();
        let open = Arc::new(Open {
            viewer,
            asked_at: Mutex::new(Instant::now()),
        });
        let all = Arc::clone(&self.inner.agents.terminals.0);
        {
            let mut all = all.lock();
            if all.len() >= MOST {
                return Err(Failure::new(
                    FailureCode::Busy,
                    "Too many terminals are open",
                ));
            }
            all.insert(terminal_id.clone(), Arc::clone(&open));
        }
        let (stop, id) = (self.inner.shared.stop.clone(), terminal_id.clone());
        self.inner.shared.tasks.spawn(async move {
            let is_left = async {
                loop {
                    tokio::time::sleep(STAYS / 2).await;
                    if open.asked_at.lock().elapsed() >= STAYS || !all.lock().contains_key(&id) {
                        return;
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = is_left => {}
            }
            all.lock().remove(&id);
        });
        Ok(AgentTerminalName { terminal_id })
    }

    pub(crate) async fn agent_terminal_output(
        &self,
        request: AgentTerminalName,
    ) -> Result<AgentTerminalOutput, Failure> {
        let terminals = &self.inner.agents.terminals;
        let open = terminals.find(&request.terminal_id)?;
        let mut bytes = Vec::new();
        let mut ended = false;
        let mut wait = WAITS;
        while bytes.len() < MOST_BYTES {
            let next = tokio::select! {
                next = tokio::time::timeout(wait, open.viewer.next()) => next,
                () = self.inner.shared.stop.cancelled() => break,
            };
            match next {
                Err(_) => break,
                Ok(Ok(Some(data))) => bytes.extend_from_slice(&data),
                Ok(Ok(None)) => {
                    ended = true;
                    break;
                }
                // What came before the failure is shown first.
                Ok(Err(_)) if !bytes.is_empty() => break,
                Ok(Err(error)) => {
                    terminals.0.lock().remove(&request.terminal_id);
                    return Err(error.into());
                }
            }
            wait = GATHERS;
        }
        match ended {
            true => drop(terminals.0.lock().remove(&request.terminal_id)),
            false => *open.asked_at.lock() = Instant::now(),
        }
        Ok(AgentTerminalOutput {
            base64: BASE64.encode(bytes),
            ended,
        })
    }

    pub(crate) async fn agent_terminal_input(
        &self,
        request: AgentTerminalInput,
    ) -> Result<Nothing, Failure> {
        let typed = BASE64.decode(&request.base64).map_err(|error| {
            Failure::new(FailureCode::Invalid, "The input is not valid base64")
                .because(error.to_string())
        })?;
        let open = self.inner.agents.terminals.find(&request.terminal_id)?;
        match open.viewer.write(&typed).await {
            true => Ok(Nothing {}),
            false => Err(Failure::new(
                FailureCode::NotRunning,
                "The terminal takes no input",
            )),
        }
    }

    pub(crate) async fn agent_terminal_resize(
        &self,
        request: AgentTerminalResize,
    ) -> Result<Nothing, Failure> {
        let open = self.inner.agents.terminals.find(&request.terminal_id)?;
        open.viewer.resize(request.cols.max(1), request.rows.max(1));
        Ok(Nothing {})
    }

    /// One that is closed already is no error.
    pub(crate) async fn agent_terminal_close(
        &self,
        request: AgentTerminalName,
    ) -> Result<Nothing, Failure> {
        self.inner
            .agents
            .terminals
            .0
            .lock()
            .remove(&request.terminal_id);
        Ok(Nothing {})
    }
}
