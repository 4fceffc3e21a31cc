//! One agent, as far as this process knows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use agent_status::{Launch, Snapshot, ToHelper};
use init_client::Session;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use wire::agent::{AgentState, AgentView};

use crate::{error::AgentError, labels::About};

/// How long a connection to the helper that isn't there yet is waited for.
const LINKS: Duration = Duration::from_secs(20);

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) about: About,
    /// What its container does.
    pub(crate) life: watch::Sender<Life>,
    /// What its helper said last.
    pub(crate) snapshot: watch::Sender<Snapshot>,
    /// Held by whoever changes what its container does.
    pub(crate) change: AsyncMutex<()>,
    /// What its helper has still to be told to run.
    pub(crate) launch: Mutex<Option<Launch>>,
    /// Whether its files are there, so that its tool may start.
    pub(crate) is_filled: watch::Sender<bool>,
    /// Whether somebody is about to look at its container.
    pub(crate) is_looked_at: AtomicBool,
    /// Whether somebody keeps the connection to its helper.
    pub(crate) is_linked: AtomicBool,
    /// How many look at its terminal.
    pub(crate) viewers: AtomicUsize,
}

/// What an agent's container does.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    /// It runs, and isn't spoken with yet, or again.
    Detached,
    /// It runs.
    Running(Link),
    /// Its processes are frozen; the conversation goes on later, if there was one.
    Paused(Option<Link>),
    /// Its first process ended.
    Exited,
    /// It isn't there; its volumes are.
    Missing,
    /// It was removed with all that was its own.
    Removed,
}

/// Whom to speak with.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) helper: mpsc::Sender<ToHelper>,
}

impl Agent {
    pub(crate) fn new(about: About, life: Life) -> Arc<Self> {
        Arc::new(Self {
            about,
            life: watch::Sender::new(life),
            snapshot: watch::Sender::new(Snapshot::default()),
            change: AsyncMutex::new(()),
            launch: Mutex::new(None),
            is_filled: watch::Sender::new(true),
            is_looked_at: AtomicBool::new(false),
            is_linked: AtomicBool::new(false),
            viewers: AtomicUsize::new(0),
        })
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> AgentState {
        let said = self.snapshot.borrow().state.clone();
        match &*self.life.borrow() {
            // One that was spoken with stands where it stood.
            Life::Detached if !self.snapshot.borrow().launched => AgentState::Starting,
            Life::Detached | Life::Running(_) => said,
            Life::Paused(_) => AgentState::Paused,
            Life::Exited if !said.is_live() => said,
            Life::Exited | Life::Removed => AgentState::Exited { code: None },
            Life::Missing => AgentState::Missing,
        }
    }

    /// As it is shown.
    pub(crate) fn view(&self) -> AgentView {
        let state = self.state();
        let is_linked = matches!(&*self.life.borrow(), Life::Running(_));
        let said = self.snapshot.borrow().clone();
        let About { id, tool, made, .. } = self.about.clone();
        AgentView {
            container: id.container(),
            id,
            tool,
            image: made.image,
            title: said.title.or(made.title),
            mode: made.mode,
            resumable: matches!(
                state,
                AgentState::Exited { .. }
                    | AgentState::Failed { .. }
                    | AgentState::Missing
                    | AgentState::Paused
            ),
            state,
            asks: if is_linked { said.asks } else { Vec::new() },
            conversation: said.conversation,
            workspace: made.workspace,
            limits: made.limits,
            created_at_ms: self.about.created_at_ms,
        }
    }

    /// Whom to speak with; waits a little for a connection that is being made.
    pub(crate) async fn link(&self) -> Result<Link, AgentError> {
        let mut life = self.life.subscribe();
        let settled = life.wait_for(|life| !matches!(life, Life::Detached));
        let life = match tokio::time::timeout(LINKS, settled).await {
            Ok(Ok(life)) => life.clone(),
            _ => Life::Detached,
        };
        match life {
            Life::Running(link) => Ok(link),
            Life::Detached => {
                Err(self
                    .helper_error("the connection to its container is lost, and it is tried again"))
            }
            other => Err(self.refusal(&other)),
        }
    }

    /// Why nothing can be done with one that doesn't run.
    pub(crate) fn refusal(&self, life: &Life) -> AgentError {
        let id = self.about.id.clone();
        let reason = match life {
            Life::Paused(_) => return AgentError::Paused(id),
            Life::Removed => return AgentError::NotFound(id),
            Life::Missing => "its container was removed".to_owned(),
            _ => match self.state() {
                AgentState::Failed { reason } => reason,
                state => state.word().to_owned(),
            },
        };
        AgentError::NotRunning { id, reason }
    }

    /// That its helper does something else than it should.
    pub(crate) fn helper_error(&self, reason: impl Into<String>) -> AgentError {
        AgentError::Helper {
            id: self.about.id.clone(),
            reason: reason.into(),
        }
    }

    /// Tells its helper something, if that is there and isn't behind.
    pub(crate) fn tell(&self, said: ToHelper) {
        if let Life::Running(link) = &*self.life.borrow() {
            // A helper that reads nothing loses it; where the agent stands is told anew by its tool.
            let _ = link.helper.try_send(said);
        }
    }
}
