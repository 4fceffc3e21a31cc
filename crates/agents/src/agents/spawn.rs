//! Starting an agent: its files are there before its tool is.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use init_client::SessionEnd;
use wire::agent::{AgentId, AgentStarted, AgentWorkspace, StartAgent};

use super::{
    Agents, launched,
    new_id::{new_conversation, new_id},
};
use crate::{
    agent::{Agent, Life},
    catalogue::FirstRunFile,
    error::AgentError,
    git::{FolderLimits, Prepare, Prepared, Signature},
    home_files, inside_git,
    keeper::Keeper,
    labels::{About, Made},
    tool::ToolSpec,
    works::Held,
};

/// How often another id is tried if a name is taken.
const TRIES: u32 = 5;

/// What is put into an agent's volumes before its tool starts.
struct Filling {
    files: Vec<FirstRunFile>,
    clone: Option<(Held, Prepared)>,
}

impl Agents {
    /// Starts an agent.
    ///
    /// # Errors
    /// [`AgentError::Invalid`], [`AgentError::NotAllowed`], [`AgentError::Folder`], [`AgentError::Git`],
    /// [`AgentError::ImageMissing`], [`AgentError::ImageUnfit`], [`AgentError::KeyMissing`],
    /// [`AgentError::Engine`].
    pub async fn spawn(
        &self,
        request: &StartAgent,
        tool: &ToolSpec,
    ) -> Result<AgentStarted, AgentError> {
        let mut tries = 0;
        loop {
            match self.spawn_as(new_id()?, request, tool).await {
                Err(AgentError::Taken(_)) if tries < TRIES => tries += 1,
                started => return started,
            }
        }
    }

    /// Starts an agent whose id the caller chose.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn); [`AgentError::Taken`] if there is one of that id, or a container of its
    /// name.
    pub async fn spawn_as(
        &self,
        id: AgentId,
        request: &StartAgent,
        tool: &ToolSpec,
    ) -> Result<AgentStarted, AgentError> {
        let keeper = &self.0;
        let title = request.title.as_deref().filter(|title| !title.is_empty());
        let launch = tool.launch(request.prompt.as_deref(), title, new_conversation)?;
        let limits = request.limits.unwrap_or_default();
        if !(0.01..=1024.0).contains(&limits.cpus) || limits.memory_mb < 64 || limits.pids < 16 {
            return Err(AgentError::Invalid {
                field: "limits",
                reason: "at least 64 MB, 0.01 processors and 16 processes are needed".into(),
            });
        }
        keeper.check_keys(&tool.keys).await?;
        let engine = keeper.engine().await?;
        let image = request.image.clone().unwrap_or_else(|| tool.image.clone());
        let Some(found) = engine.image(&image).await? else {
            return Err(AgentError::ImageMissing { image });
        };
        if request.image.is_none() && tool.image_id.as_ref().is_some_and(|id| *id != found.id) {
            let reason = "another image has got its name meanwhile".into();
            return Err(AgentError::ImageUnfit { image, reason });
        }
        let about = About {
            id: id.clone(),
            tool: tool.name.clone(),
            created_at_ms: unix_ms(),
            image_id: found.id,
            made: Made {
                image,
                workspace: request.workspace.clone(),
                limits,
                networks: request.networks.clone(),
                host_access: request.host_access,
                mounts: request.mounts.clone(),
                keys: tool.keys.clone(),
                title: launch.title.clone(),
                mode: tool.mode.clone(),
                gpu: request.gpu,
            },
        };
        let agent = Agent::new(about, Life::Detached);
        *agent.launch.lock() = Some(launch);
        agent.is_filled.send_replace(false);
        let files = tool.files.clone();
        // It goes on to its end also if its caller goes.
        let keeper = Arc::clone(keeper);
        let starts = self.0.tasks.spawn(async move {
            let changing = agent.change.lock().await;
            {
                let mut all = keeper.all.lock();
                if all.contains_key(&id) {
                    return Err(AgentError::Taken(id.container()));
                }
                all.insert(id.clone(), Arc::clone(&agent));
            }
            let made = async {
                // What has its name keeps its files.
                if engine.container(&id.container()).await?.is_some() {
                    return Err(AgentError::Taken(id.container()));
                }
                let clone = prepared(&keeper, &agent).await?;
                keeper.make(&engine, &agent).await?;
                let filling = Filling { files, clone };
                fill(&agent, &filling).await?;
                Ok(notes(&filling))
            };
            let notes = match made.await {
                Ok(notes) => notes,
                Err(error) => {
                    if matches!(error, AgentError::Taken(_)) {
                        // Whatever has the name isn't this one, and stays.
                        keeper.all.lock().remove(&id);
                        return Err(error);
                    }
                    if let Err(left) = keeper.remove(&agent).await {
                        tracing::warn!(%id, error = %left, "could not remove an agent that failed to start");
                        keeper.all.lock().remove(&id);
                    }
                    return Err(error);
                }
            };
            agent.is_filled.send_replace(true);
            drop(changing);
            launched(&agent).await?;
            Ok(AgentStarted {
                agent: agent.view(),
                notes,
            })
        });
        starts.await.map_err(|_| AgentError::Stopping)?
    }
}

/// Makes what its container clones, if it works on a clone.
async fn prepared(keeper: &Keeper, agent: &Agent) -> Result<Option<(Held, Prepared)>, AgentError> {
    let AgentWorkspace::Clone {
        path,
        uncommitted,
        untracked,
    } = agent.about.made.workspace.clone()
    else {
        return Ok(None);
    };
    let wanted = Prepare {
        uncommitted,
        untracked,
        author: Signature::default(),
        limits: FolderLimits::default(),
    };
    let (works, id) = (keeper.works(), agent.about.id.clone());
    let prepares = tokio::task::spawn_blocking(move || works.prepare(&id, &path, &wanted));
    let prepared = prepares.await.map_err(|_| AgentError::Stopping)??;
    Ok(Some(prepared))
}

/// Puts the files where the tool finds them. The agent's helper waits for what to run meanwhile.
async fn fill(agent: &Arc<Agent>, filling: &Filling) -> Result<(), AgentError> {
    if filling.files.is_empty() && filling.clone.is_none() {
        return Ok(());
    }
    let link = agent.link().await?;
    let id = &agent.about.id;
    let broken = |end: SessionEnd| agent.helper_error(end.to_string());
    home_files::write(&link.session, &filling.files)
        .await
        .map_err(broken)?;
    if let Some((_, prepared)) = &filling.clone {
        inside_git::clone_in(&link.session, id, &agent.about.tool, prepared).await?;
        // It is as large as the repository, and needed no more.
        if let Err(error) = tokio::fs::remove_file(&prepared.bundle).await {
            tracing::debug!(%id, %error, "a bundle could not be removed");
        }
    }
    Ok(())
}

fn notes(filling: &Filling) -> Vec<String> {
    let clone = filling.clone.iter();
    let notes = clone.flat_map(|(_, prepared)| &prepared.notes);
    notes.map(ToString::to_string).collect()
}

fn unix_ms() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(time.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
