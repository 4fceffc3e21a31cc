//! What is at the engine, whoever made, started, stopped or removed it, and in which life of this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use agent_status::{MOST_LINE_BYTES, Snapshot, read_line};
use containers::{Engine, ListedState};
use wire::agent::AgentId;

use super::Keeper;
use crate::{
    agent::{Agent, Life},
    container::{STATE_FILE, id_of_volume},
    error::AgentError,
    labels::About,
};

impl Keeper {
    /// Compares what is known with all that is there.
    pub(crate) async fn reconcile(self: &Arc<Self>, engine: &Engine) -> Result<(), AgentError> {
        let labels = self.labels.all();
        let (containers, volumes) = tokio::try_join!(
            engine.list_labelled(&labels),
            engine.labelled_volumes(&labels)
        )?;
        let mut found: BTreeMap<AgentId, (About, Option<ListedState>)> = BTreeMap::new();
        let mut odd = BTreeSet::new();
        for container in containers {
            match self
                .labels
                .read(AgentId::of_container(&container.name), &container.labels)
            {
                Ok(about) => {
                    found.insert(about.id.clone(), (about, Some(container.state)));
                }
                Err(why) => {
                    tracing::warn!(container = %agent_status::shown(&container.name, 200), %why, "a container has an agent's labels and isn't one");
                    odd.insert(agent_status::shown(&container.name, 200));
                }
            }
        }
        for (name, labels) in volumes {
            if let Ok(about) = self.labels.read(id_of_volume(&name), &labels) {
                let id = about.id.clone();
                found.entry(id).or_insert((about, None));
            }
        }
        *self.odd.lock() = odd;
        let known: Vec<Arc<Agent>> = self.all.lock().values().cloned().collect();
        for agent in known {
            if !found.contains_key(&agent.about.id) {
                self.look_soon(&agent);
            }
        }
        for (id, (about, state)) in found {
            let known = self.all.lock().get(&id).map(Arc::clone);
            match known {
                Some(agent) => self.look_soon(&agent),
                None => {
                    let agent = Agent::new(about, Life::Missing);
                    self.all.lock().entry(id).or_insert(Arc::clone(&agent));
                    self.settle(&agent, state);
                    // How it ended is read in passing: a list needn't wait for it.
                    if matches!(state, Some(ListedState::Ended | ListedState::Created)) {
                        self.look_soon(&agent);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at an agent's container once whoever changes it now is done.
    pub(crate) fn look_soon(self: &Arc<Self>, agent: &Arc<Agent>) {
        if agent.is_looked_at.swap(true, Ordering::AcqRel) {
            return;
        }
        let (keeper, agent) = (Arc::clone(self), Arc::clone(agent));
        self.tasks.spawn(async move {
            let looks = async {
                let changing = agent.change.lock().await;
                agent.is_looked_at.store(false, Ordering::Release);
                keeper.look(&agent).await;
                drop(changing);
            };
            tokio::select! {
                () = looks => {}
                () = keeper.stopping.cancelled() => {}
            }
        });
    }

    /// Looks at its container now. Its caller holds `change`.
    pub(crate) async fn look(self: &Arc<Self>, agent: &Arc<Agent>) {
        // While the engine doesn't answer, what is known stays.
        let Ok(state) = self.listed(agent).await else {
            return;
        };
        match state {
            Some(ListedState::Ended | ListedState::Created) => self.read_state(agent).await,
            None if !self.has_volumes(agent).await => {
                agent.life.send_replace(Life::Removed);
                self.all.lock().remove(&agent.about.id);
                return self.tell(agent);
            }
            _ => {}
        }
        self.settle(agent, state);
    }

    /// Takes over what the engine says of its container.
    pub(super) fn settle(self: &Arc<Self>, agent: &Arc<Agent>, state: Option<ListedState>) {
        let changed = agent.life.send_if_modified(|life| {
            let next = match (&*life, state) {
                (Life::Removed, _) => return false,
                (Life::Detached | Life::Running(_), Some(ListedState::Running)) => return false,
                (Life::Paused(_), Some(ListedState::Paused)) => return false,
                (Life::Paused(Some(link)), Some(ListedState::Running)) => {
                    link.session.set_frozen(false);
                    Life::Running(link.clone())
                }
                (_, Some(ListedState::Running)) => Life::Detached,
                (Life::Running(link), Some(ListedState::Paused)) => {
                    link.session.set_frozen(true);
                    Life::Paused(Some(link.clone()))
                }
                (_, Some(ListedState::Paused)) => Life::Paused(None),
                (Life::Exited, Some(ListedState::Ended | ListedState::Created)) => return false,
                (_, Some(ListedState::Ended | ListedState::Created)) => Life::Exited,
                (Life::Missing, None) => return false,
                (_, None) => Life::Missing,
            };
            *life = next;
            true
        });
        if state == Some(ListedState::Running) {
            self.connect(agent);
        }
        if changed {
            self.tell(agent);
        }
    }

    /// Reads where it stood when its container ended: from a file in its volume, which is text of
    /// whoever ran in there.
    async fn read_state(&self, agent: &Arc<Agent>) {
        let Ok(engine) = self.engine().await else {
            return;
        };
        let name = agent.about.id.container();
        match engine.read_file(&name, STATE_FILE, MOST_LINE_BYTES).await {
            Ok(Some(bytes)) => {
                if let Some(snapshot) = read_line::<Snapshot>(&bytes) {
                    agent.snapshot.send_replace(snapshot.within_bounds());
                    self.tell(agent);
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(id = %agent.about.id, %error, "could not read where an agent stood");
            }
        }
    }

    async fn has_volumes(&self, agent: &Agent) -> bool {
        let Ok(engine) = self.engine().await else {
            return true;
        };
        let labels = self.labels.of(&agent.about.id);
        let found = engine.list_volumes(&labels).await;
        found.map_or(true, |found| !found.is_empty())
    }
}
