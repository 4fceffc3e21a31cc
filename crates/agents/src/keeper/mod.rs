//! What stands behind `Agents`: all agents of this installation, how they are found at the engine
//! (`reconcile`), spoken with (`connect`), made, started, stopped and removed (`life`), and how one's files
//! are reached when it doesn't run (`beside`).

mod beside;
mod connect;
mod life;
mod reconcile;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use containers::{ContainerAction, Engine, EngineEvent};
use futures_util::StreamExt;
use init_client::InitVolume;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::agent::AgentId;

use crate::{agent::Agent, error::AgentError, labels::Labels, settings::Options, works::Works};

/// Changes that a subscriber may lag behind.
const CHANGES: usize = 1024;
/// How long after an engine went away it is looked for again.
const ENGINE_AGAIN: Duration = Duration::from_secs(2);

/// All agents of this installation.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) options: Options,
    pub(crate) labels: Labels,
    pub(crate) init: InitVolume,
    pub(crate) all: Mutex<BTreeMap<AgentId, Arc<Agent>>>,
    /// Containers that pass for agents.
    pub(crate) odd: Mutex<BTreeSet<String>>,
    /// Whose view is stale.
    pub(crate) changes: broadcast::Sender<AgentId>,
    pub(crate) stopping: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Keeper {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        let instance = options.instance.clone().unwrap_or_default();
        Arc::new(Self {
            init: InitVolume::new(options.init_binary.clone()),
            labels: Labels { instance },
            options,
            all: Mutex::default(),
            odd: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Follows what happens at the engine, until `stopping`.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => break,
                () = self.watch() => {}
            }
            tokio::select! {
                () = self.stopping.cancelled() => break,
                () = tokio::time::sleep(ENGINE_AGAIN) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn watch(self: &Arc<Self>) {
        let Ok(engine) = self.options.engine.connect().await else {
            return;
        };
        // Heard from before the look, so that nothing falls between the two.
        let mut events = std::pin::pin!(engine.events());
        if let Err(error) = self.reconcile(&engine).await {
            tracing::warn!(%error, "could not list the agents; it is tried again");
            return;
        }
        while let Some(Ok(event)) = events.next().await {
            let EngineEvent::Container { name, action } = event else {
                continue;
            };
            let Some(id) = AgentId::of_container(&name) else {
                continue;
            };
            if matches!(action, ContainerAction::Health { .. }) {
                continue;
            }
            match self.find(&id) {
                Ok(agent) => self.look_soon(&agent),
                // Somebody else of this installation made it.
                Err(_) if action == ContainerAction::Started => {
                    if let Err(error) = self.reconcile(&engine).await {
                        tracing::warn!(%error, "could not list the agents");
                        return;
                    }
                }
                Err(_) => {}
            }
        }
    }

    /// The agent of that id.
    pub(crate) fn find(&self, id: &AgentId) -> Result<Arc<Agent>, AgentError> {
        let found = self.all.lock().get(id).map(Arc::clone);
        found.ok_or_else(|| AgentError::NotFound(id.clone()))
    }

    /// Says that an agent is another than before.
    pub(crate) fn tell(&self, agent: &Agent) {
        // Nobody may be listening.
        let _ = self.changes.send(agent.about.id.clone());
    }

    /// What agents made, as it is kept here.
    pub(crate) fn works(&self) -> Works {
        Works {
            folder: self.options.work_folder.clone(),
            allowed: self.options.workspaces.folders(),
        }
    }

    pub(crate) async fn engine(&self) -> Result<Engine, AgentError> {
        if self.stopping.is_cancelled() {
            return Err(AgentError::Stopping);
        }
        Ok(self.options.engine.connect().await?)
    }
}
