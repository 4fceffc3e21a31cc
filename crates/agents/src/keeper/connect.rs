//! The connections to the helpers of agents that run: each is made, kept, and made again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use containers::{ContainerState, ListedState};

use super::Keeper;
use crate::{
    agent::{Agent, Life},
    error::AgentError,
    link,
};

/// How soon a connection is made again, at first and at last.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_AT_LAST: Duration = Duration::from_secs(5);
/// A connection that held for so long was a good one.
const HELD: Duration = Duration::from_secs(10);

impl Keeper {
    /// Keeps a connection to its helper for as long as its container runs, unless somebody does.
    pub(super) fn connect(self: &Arc<Self>, agent: &Arc<Agent>) {
        if agent.is_linked.swap(true, Ordering::AcqRel) {
            return;
        }
        let (keeper, agent) = (Arc::clone(self), Arc::clone(agent));
        self.tasks.spawn(async move {
            tokio::select! {
                () = keeper.stopping.cancelled() => {}
                () = keeper.keep_connected(&agent) => {}
            }
            agent.is_linked.store(false, Ordering::Release);
            if !keeper.stopping.is_cancelled() {
                keeper.look_soon(&agent);
            }
        });
    }

    async fn keep_connected(self: &Arc<Self>, agent: &Arc<Agent>) {
        let id = &agent.about.id;
        let mut again = AGAIN;
        loop {
            let began = Instant::now();
            match self.speak(agent).await {
                Ok(end) => {
                    tracing::debug!(%id, reason = %end, "the connection to an agent's helper ended")
                }
                Err(error) => {
                    tracing::debug!(%id, %error, "could not speak with an agent's helper")
                }
            }
            agent.life.send_if_modified(|life| {
                *life = match life {
                    Life::Running(_) => Life::Detached,
                    Life::Paused(Some(_)) => Life::Paused(None),
                    _ => return false,
                };
                true
            });
            self.tell(agent);
            match self.listed(agent).await {
                // It is tried again also while the engine doesn't answer.
                Ok(Some(ListedState::Running)) | Err(_) => {}
                Ok(_) => return,
            }
            if began.elapsed() >= HELD {
                again = AGAIN;
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_AT_LAST);
        }
    }

    async fn speak(self: &Arc<Self>, agent: &Arc<Agent>) -> Result<String, AgentError> {
        let engine = self.engine().await?;
        let changed = || self.tell(agent);
        let keys = &self.options.keys;
        let end = link::speak(&engine, agent, keys, &changed).await?;
        Ok(end.to_string())
    }

    /// What the engine says of its container; `None` if there is none. Not of a list: Docker's lags behind
    /// what it has just done.
    pub(super) async fn listed(&self, agent: &Agent) -> Result<Option<ListedState>, AgentError> {
        let engine = self.engine().await?;
        let id = &agent.about.id;
        let found = engine.container(&id.container()).await?;
        // What has its name and not its labels is somebody else's.
        let own = found.filter(|found| self.labels.read(Some(id.clone()), &found.labels).is_ok());
        Ok(own.map(|found| match found.state {
            _ if found.is_paused => ListedState::Paused,
            ContainerState::Running { .. } | ContainerState::Restarting { .. } => {
                ListedState::Running
            }
            ContainerState::Stopped { .. } => ListedState::Ended,
        }))
    }
}
