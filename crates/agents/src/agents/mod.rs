//! All agents of this installation, as their callers see them. What is done behind it is `keeper`'s.
//!
//! - `spawn`: starting one; `new_id`: its ids
//! - `work`: what one made of the person's files

mod new_id;
mod spawn;
mod work;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use containers::LogRange;
use tokio::{sync::broadcast, task::JoinHandle};
use wire::agent::{AgentId, AgentList, AgentView, KeepAgent};

use crate::{
    agent::{Agent, Life},
    container::WORKSPACE,
    error::AgentError,
    keeper::Keeper,
    link::argv,
    settings::Options,
    terminal::{self, Output},
    viewer::{Look, Viewer},
};

/// How long an agent may take from its start until its tool runs.
const STARTS: Duration = Duration::from_secs(60);
/// How long a list waits for agents that nobody has looked at yet, and how often it looks whether.
const SETTLES: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub use work::{AgentWork, Merging};

/// All agents of this installation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Agents(Arc<Keeper>);

impl Agents {
    /// Finds the agents that are at the engine, and follows what becomes of them from then on. It works
    /// without an engine too: then it is looked for again. The task ends after [`close`](Self::close).
    pub async fn start(options: Options) -> (Self, JoinHandle<()>) {
        let keeper = Keeper::new(options);
        if let Ok(engine) = keeper.engine().await
            && let Err(error) = keeper.reconcile(&engine).await
        {
            tracing::warn!(%error, "could not list the agents; it is tried again");
        }
        let task = tokio::spawn(Arc::clone(&keeper).run());
        (Self(keeper), task)
    }

    /// Waits, for a moment at most, until each agent was looked at: right after the start of this process
    /// nobody has.
    pub async fn settled(&self) {
        let all: Vec<Arc<Agent>> = self.0.all.lock().values().cloned().collect();
        let looks = async {
            for agent in all {
                let mut life = agent.life.subscribe();
                drop(life.wait_for(|life| !matches!(life, Life::Detached)).await);
                while agent.is_looked_at.load(Ordering::Acquire) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                drop(agent.change.lock().await);
            }
        };
        // What takes longer is shown as it is known.
        let _ = tokio::time::timeout(SETTLES, looks).await;
    }

    /// Takes no more requests and lets go of all agents, which go on.
    pub fn close(&self) {
        self.0.stopping.cancel();
    }

    /// Tells of each agent that is another than before, by its id. After a lag, the list is asked for.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<AgentId> {
        self.0.changes.subscribe()
    }

    /// All agents.
    #[must_use]
    pub fn list(&self) -> AgentList {
        let mut agents: Vec<AgentView> = {
            let all = self.0.all.lock();
            all.values().map(|agent| agent.view()).collect()
        };
        agents.sort_by_key(|agent| std::cmp::Reverse(agent.created_at_ms));
        let odd = self.0.odd.lock().iter().cloned().collect();
        AgentList { agents, odd }
    }

    /// One of them.
    ///
    /// # Errors
    /// [`AgentError::NotFound`].
    pub fn get(&self, id: &AgentId) -> Result<AgentView, AgentError> {
        Ok(self.0.find(id)?.view())
    }

    /// Pastes a prompt into its terminal and presses Enter. Control characters are left out.
    ///
    /// # Errors
    /// [`AgentError::NotRunning`], [`AgentError::Paused`], [`AgentError::Invalid`], [`AgentError::Helper`].
    pub async fn send(&self, id: &AgentId, text: &str) -> Result<(), AgentError> {
        terminal::send(&self.0.find(id)?, text).await
    }

    /// Types keys by their names in tmux.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn keys(&self, id: &AgentId, keys: &[String]) -> Result<(), AgentError> {
        terminal::keys(&self.0.find(id)?, keys).await
    }

    /// What its terminal shows, as text without colours.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn screen(&self, id: &AgentId) -> Result<String, AgentError> {
        terminal::screen(&self.0.find(id)?).await
    }

    /// Runs a program in its container, beside its tool, as the same user and in its workspace.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn run(
        &self,
        id: &AgentId,
        command: &[&str],
        input: &[u8],
    ) -> Result<Output, AgentError> {
        let mut exec = argv(command, true);
        exec.cwd = Some(WORKSPACE.into());
        terminal::run(&self.0.find(id)?, exec, input).await
    }

    /// Looks at its terminal.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`AgentError::TooManyViewers`].
    pub async fn attach(&self, id: &AgentId, look: Look) -> Result<Viewer, AgentError> {
        Viewer::open(&self.0.find(id)?, look).await
    }

    /// Answers what it asked for; nothing happens if that was answered otherwise meanwhile.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn answer(
        &self,
        id: &AgentId,
        ask: u64,
        allow: bool,
        message: Option<String>,
    ) -> Result<(), AgentError> {
        let agent = self.0.find(id)?;
        let message = message.map(|text| agent_status::shown(&text, 2000));
        let answer = agent_status::ToHelper::Answer {
            ask,
            allow,
            message,
        };
        terminal::report(&agent, &answer).await
    }

    /// Ends its tool. With [`KeepAgent::All`] it can be resumed.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Engine`].
    pub async fn stop(&self, id: &AgentId, keep: KeepAgent) -> Result<(), AgentError> {
        self.change(id, async move |keeper, agent| {
            keeper.end(&agent).await?;
            match keep {
                KeepAgent::All => Ok(()),
                KeepAgent::Nothing => keeper.remove(&agent).await,
            }
        })
        .await
    }

    /// Freezes its processes. Their memory stays, until the engine ends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn pause(&self, id: &AgentId) -> Result<(), AgentError> {
        self.change(id, async move |keeper, agent| {
            let life = agent.life.borrow().clone();
            match life {
                Life::Paused(_) => return Ok(()),
                Life::Detached | Life::Running(_) => {}
                other => return Err(agent.refusal(&other)),
            }
            let engine = keeper.engine().await?;
            engine.pause_container(&agent.about.id.container()).await?;
            keeper.look(&agent).await;
            Ok(())
        })
        .await
    }

    /// Lets one that is paused go on, and starts one that ended, in its earlier conversation if its tool
    /// can do that. One whose container is missing gets another one.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Folder`], [`AgentError::KeyMissing`],
    /// [`AgentError::ImageMissing`], [`AgentError::Engine`].
    pub async fn resume(&self, id: &AgentId) -> Result<AgentView, AgentError> {
        self.change(id, async move |keeper, agent| keeper.resume(&agent).await)
            .await?;
        let agent = self.0.find(id)?;
        launched(&agent).await?;
        Ok(agent.view())
    }

    /// Ends its tool and starts it again, in the same conversation if its tool can do that.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub async fn restart(&self, id: &AgentId) -> Result<AgentView, AgentError> {
        self.stop(id, KeepAgent::All).await?;
        self.resume(id).await
    }

    /// Removes it with its container, its volumes and all that is in them.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Engine`].
    pub async fn remove(&self, id: &AgentId) -> Result<(), AgentError> {
        self.change(id, async move |keeper, agent| keeper.remove(&agent).await)
            .await
    }

    /// Removes all agents of this installation and their network; how many those were. What has their
    /// labels and isn't theirs stays.
    ///
    /// # Errors
    /// [`AgentError::Engine`]: some may be gone.
    pub async fn clean(&self) -> Result<usize, AgentError> {
        let ids: Vec<AgentId> = self.0.all.lock().keys().cloned().collect();
        let count = ids.len();
        for id in ids {
            match self.remove(&id).await {
                Err(AgentError::NotFound(_)) => {}
                removed => removed?,
            }
        }
        self.0.remove_network().await?;
        Ok(count)
    }

    /// The last lines of what its helper wrote about it: started, prompt sent, state, exit.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Engine`].
    pub async fn logs(&self, id: &AgentId, lines: u32) -> Result<Vec<String>, AgentError> {
        let agent = self.0.find(id)?;
        let engine = self.0.engine().await?;
        let name = agent.about.id.container();
        let found = engine.logs(&name, LogRange::from(lines)).await?;
        let shown = found.iter().map(|line| agent_status::shown(line, 2000));
        Ok(shown.collect())
    }

    /// Carries out a change to its end, also if its caller goes, and one after another.
    async fn change<T: Send + 'static, W>(
        &self,
        id: &AgentId,
        work: impl FnOnce(Arc<Keeper>, Arc<Agent>) -> W + Send + 'static,
    ) -> Result<T, AgentError>
    where
        W: Future<Output = Result<T, AgentError>> + Send + 'static,
    {
        let agent = self.0.find(id)?;
        let keeper = Arc::clone(&self.0);
        let done = self.0.tasks.spawn(async move {
            let changing = agent.change.lock().await;
            if matches!(&*agent.life.borrow(), Life::Removed) {
                return Err(AgentError::NotFound(agent.about.id.clone()));
            }
            let done = work(keeper, Arc::clone(&agent)).await;
            drop(changing);
            done
        });
        done.await.map_err(|_| AgentError::Stopping)?
    }
}

/// Waits until its tool runs in its terminal, or has ended.
async fn launched(agent: &Arc<Agent>) -> Result<(), AgentError> {
    let (mut life, mut snapshot) = (agent.life.subscribe(), agent.snapshot.subscribe());
    let waits = async {
        tokio::select! {
            _ = snapshot.wait_for(|snapshot| snapshot.runs || !snapshot.state.is_live()) => {}
            _ = life.wait_for(|life| !matches!(life, Life::Detached | Life::Running(_))) => {}
        }
    };
    let waited = tokio::time::timeout(STARTS, waits).await;
    waited.map_err(|_| {
        let seconds = STARTS.as_secs();
        agent.helper_error(format!("its tool did not start within {seconds} s"))
    })
}
