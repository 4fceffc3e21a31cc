//! An agent's container is made, started, stopped and removed. Whoever does one of these holds the agent's
//! `change`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use containers::{Engine, EngineError, ListedState, NetworkSpec};
use init_client::is_image_missing;
use wire::agent::{AgentId, AgentWorkspace};

use super::Keeper;
use crate::{
    agent::{Agent, Life},
    container::{Plan, STOP_S, home_volume, work_volume},
    error::AgentError,
    workspace,
};

/// How long the container of a tool that ended may take to end, and how often it is looked whether.
const ENDS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Keeper {
    /// Makes its container, and what that needs, and starts it. Volumes that are there stay as they are.
    pub(crate) async fn make(
        self: &Arc<Self>,
        engine: &Engine,
        agent: &Arc<Agent>,
    ) -> Result<(), AgentError> {
        let about = &agent.about;
        let name = about.id.container();
        if engine.container(&name).await?.is_some() {
            return Err(AgentError::Taken(name));
        }
        // The engine lets a container join what isn't there, and then doesn't start it.
        for network in &about.made.networks {
            if !engine.has_network(network).await? {
                return Err(AgentError::Invalid {
                    field: "networks",
                    reason: format!("network {network} not found"),
                });
            }
        }
        let image = &about.made.image;
        let (init, labels) = (
            self.labels.named("sandbox-init"),
            self.labels.of_kind("sandbox-init"),
        );
        let init_files = self.init.ensure(engine, &init, labels, image).await?;
        let plan = Plan {
            about,
            labels: &self.labels,
            init_volume: &init_files.volume,
            workspaces: &self.options.workspaces.folders(),
        };
        let spec = plan.container()?;
        let network = NetworkSpec {
            name: self.labels.network(),
            labels: self.labels.of_kind("agent-network"),
            ..NetworkSpec::default()
        };
        engine.ensure_network_like(&network).await?;
        for volume in plan.volumes() {
            engine.ensure_volume(&volume, &spec.labels).await?;
        }
        match engine.create_container(&spec).await {
            Err(error) if error.is_conflict() => return Err(AgentError::Taken(name)),
            Err(error) if is_image_missing(&error) => {
                // The volume with the helper may be the one that is missing.
                self.init.look_again().await;
                let image = image.clone();
                return Err(AgentError::ImageMissing { image });
            }
            created => created?,
        };
        for network in &about.made.networks {
            engine.join_network(network, &name).await?;
        }
        self.start_container(engine, agent).await
    }

    /// Starts its container, and speaks with its helper from then on.
    pub(crate) async fn start_container(
        self: &Arc<Self>,
        engine: &Engine,
        agent: &Arc<Agent>,
    ) -> Result<(), AgentError> {
        let image = &agent.about.made.image;
        let started = engine.start_container(&agent.about.id.container()).await;
        started.map_err(|error| unfit(error, image))?;
        agent
            .snapshot
            .send_replace(agent_status::Snapshot::default());
        agent.life.send_replace(Life::Detached);
        self.connect(agent);
        self.tell(agent);
        Ok(())
    }

    /// Starts one that ended, in whatever way.
    pub(crate) async fn resume(self: &Arc<Self>, agent: &Arc<Agent>) -> Result<(), AgentError> {
        let engine = self.engine().await?;
        let name = agent.about.id.container();
        let mut state = self.listed(agent).await?;
        // What has said that it ended still takes a moment.
        let deadline = Instant::now() + ENDS;
        while state == Some(ListedState::Running)
            && !agent.snapshot.borrow().state.is_live()
            && Instant::now() < deadline
        {
            tokio::time::sleep(LOOK_AGAIN).await;
            state = self.listed(agent).await?;
        }
        match state {
            Some(ListedState::Running) => return Ok(()),
            Some(ListedState::Paused) => {
                engine.unpause_container(&name).await?;
                self.settle(agent, Some(ListedState::Running));
                return Ok(());
            }
            Some(ListedState::Ended | ListedState::Created) => {
                self.check_keys(&agent.about.made.keys).await?;
                self.check_workspace(agent)?;
                self.start_container(&engine, agent).await?;
            }
            None => {
                self.check_keys(&agent.about.made.keys).await?;
                self.make(&engine, agent).await?;
            }
        }
        Ok(())
    }

    /// The engine would make a folder that is gone, and follow a link that took its place.
    fn check_workspace(&self, agent: &Agent) -> Result<(), AgentError> {
        let made = &agent.about.made;
        if let AgentWorkspace::InPlace { path } = &made.workspace {
            workspace::in_place(path, &self.options.workspaces.folders())?;
        }
        made.mounts
            .iter()
            .try_for_each(|mount| workspace::read_only(mount).map(drop))
    }

    /// Whether each key has a value.
    pub(crate) async fn check_keys(&self, names: &[String]) -> Result<(), AgentError> {
        if names.is_empty() {
            return Ok(());
        }
        let (names, keys) = (names.to_vec(), Arc::clone(&self.options.keys));
        let missing = tokio::task::spawn_blocking(move || {
            names.into_iter().find(|name| keys.value(name).is_none())
        });
        match missing.await.map_err(|_| AgentError::Stopping)? {
            Some(name) => Err(AgentError::KeyMissing(name)),
            None => Ok(()),
        }
    }

    /// Ends its tool and its container, which stays.
    pub(crate) async fn end(self: &Arc<Self>, agent: &Arc<Agent>) -> Result<(), AgentError> {
        let engine = self.engine().await?;
        let name = agent.about.id.container();
        if self.listed(agent).await? == Some(ListedState::Paused) {
            // What is frozen can't hear that it is to end.
            engine.unpause_container(&name).await?;
        }
        match engine.stop_container(&name, STOP_S).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        self.look(agent).await;
        Ok(())
    }

    /// Removes it with all that is its own.
    pub(crate) async fn remove(self: &Arc<Self>, agent: &Arc<Agent>) -> Result<(), AgentError> {
        let engine = self.engine().await?;
        let id = &agent.about.id;
        // What has its name and not its labels isn't this agent.
        if self.listed(agent).await?.is_some() {
            engine.remove_container(&id.container()).await?;
        }
        self.remove_volumes(&engine, id).await?;
        let (works, of) = (self.works(), id.clone());
        let forgotten = tokio::task::spawn_blocking(move || works.forget(&of));
        forgotten.await.map_err(|_| AgentError::Stopping)??;
        agent.life.send_replace(Life::Removed);
        self.all.lock().remove(id);
        self.tell(agent);
        Ok(())
    }

    async fn remove_volumes(&self, engine: &Engine, id: &AgentId) -> Result<(), AgentError> {
        let own = [home_volume(id), work_volume(id)];
        for volume in engine.list_volumes(&self.labels.of(id)).await? {
            if own.contains(&volume) {
                engine.remove_volume(&volume).await?;
            }
        }
        Ok(())
    }

    /// Removes the agents' network, unless something is in it.
    pub(crate) async fn remove_network(&self) -> Result<(), AgentError> {
        let engine = self.engine().await?;
        match engine.remove_network(&self.labels.network()).await {
            Err(error) if has_members(&error) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// The engine's words for a network that is in use.
fn has_members(error: &EngineError) -> bool {
    match error {
        EngineError::Api { message, .. } => message.contains("active endpoints"),
        _ => false,
    }
}

/// The engine's words for an image that can't hold an agent.
fn unfit(error: EngineError, image: &str) -> AgentError {
    match &error {
        EngineError::Api { message, .. } if message.contains("unable to find user") => {
            AgentError::ImageUnfit {
                image: image.to_owned(),
                reason: "it has no user named agent".into(),
            }
        }
        _ => error.into(),
    }
}
