//! `vivarium agent run`: asks what has to be asked before an agent can start, and builds its image.

use std::path::{Path, PathBuf};

use app::App;
use clap::Args;
use serde_json::json;
use wire::{
    advice::Advice,
    agent::{AgentFolders, AgentLimits, AgentStarted, AgentWorkspace, ReadOnlyMount, StartAgent},
    failure::{Failure, FailureCode},
};

use super::{attach, images, shown};
use crate::{ask, commands::call, print};

/// What `vivarium agent run` takes.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// Tool; vivarium agent tools lists them
    #[arg(default_value = "shell")]
    tool: String,
    /// Folder to work on, as a clone on a branch of its own; an empty one if left out
    #[arg(short, long, value_name = "FOLDER")]
    workspace: Option<PathBuf>,
    /// Work on the folder itself instead of a clone: the agent changes your files
    #[arg(long, requires = "workspace")]
    in_place: bool,
    /// Take changes along that aren't committed
    #[arg(long, requires = "workspace", conflicts_with = "in_place")]
    uncommitted: bool,
    /// Take new files along that git doesn't ignore
    #[arg(long, requires = "workspace", conflicts_with = "in_place")]
    untracked: bool,
    /// Prompt to start with
    #[arg(short, long)]
    prompt: Option<String>,
    /// Permission mode: how much the tool asks
    #[arg(long)]
    mode: Option<String>,
    /// Stored key that the tool gets, by name; can be repeated
    #[arg(long = "key", value_name = "NAME")]
    keys: Vec<String>,
    /// File or folder that the agent can read: SOURCE:TARGET; can be repeated
    #[arg(long = "mount", value_name = "SOURCE:TARGET")]
    mounts: Vec<String>,
    /// Image, instead of the tool's own
    #[arg(long)]
    image: Option<String>,
    /// Name for people
    #[arg(long)]
    title: Option<String>,
    /// Memory in MiB
    #[arg(long, default_value_t = AgentLimits::default().memory_mb)]
    memory: u32,
    /// Processors
    #[arg(long, default_value_t = AgentLimits::default().cpus)]
    cpus: f64,
    /// Network to join, beside the agents' own
    #[arg(long)]
    network: Vec<String>,
    /// Let host.docker.internal lead to this computer
    #[arg(long)]
    host_access: bool,
    /// Give it this computer's graphics cards
    #[arg(long)]
    gpu: bool,
    /// Print the agent's id and don't attach
    #[arg(short, long)]
    detach: bool,
}

/// Starts an agent, and attaches to it unless it is to run alone.
///
/// # Errors
/// The app's; [`FailureCode::Cancelled`] if the person says no.
pub async fn run(app: &App, asked: RunArguments, json: bool) -> Result<u8, Failure> {
    let detach = asked.detach;
    let request = request(asked)?;
    let AgentStarted { agent, notes } = start(app, &request, json).await?;
    for note in &notes {
        print::note(note);
    }
    if let AgentWorkspace::InPlace { path } = &agent.workspace {
        print::note(&format!("The agent changes the files in {path} itself."));
    }
    match detach || json {
        true => shown(&agent, json),
        false => attach::attach(app, &agent.id, false).await,
    }
}

/// Starts it; what it lacks is offered to be made first.
async fn start(app: &App, request: &StartAgent, json: bool) -> Result<AgentStarted, Failure> {
    // Each thing that may be lacking is offered once.
    for _ in 0..3 {
        let failure = match call(app, "agent_start", json!(request)).await {
            Ok(started) => return Ok(started),
            Err(failure) => failure,
        };
        let is_made = match failure.next.as_deref() {
            Some(Advice::GetAgentImage { tool }) => {
                images::make(app, tool, false, json).await?;
                true
            }
            Some(Advice::ApproveAgentImage { tool }) => images::offer(app, tool).await?,
            Some(Advice::AllowAgentFolder { path }) => {
                let question = "Allow agents to be given this folder?";
                let allowed = ask::whether(&failure, question).await?;
                if allowed {
                    let request = json!({ "path": path });
                    call::<AgentFolders>(app, "agent_folder_add", request).await?;
                }
                allowed
            }
            _ => false,
        };
        if !is_made {
            return Err(failure);
        }
    }
    call(app, "agent_start", json!(request)).await
}

fn request(asked: RunArguments) -> Result<StartAgent, Failure> {
    let workspace = match asked.workspace {
        None => AgentWorkspace::Volume,
        Some(path) => {
            let path = absolute(&path)?;
            match asked.in_place {
                true => AgentWorkspace::InPlace { path },
                false => AgentWorkspace::Clone {
                    path,
                    uncommitted: asked.uncommitted,
                    untracked: asked.untracked,
                },
            }
        }
    };
    let mounts = asked.mounts.iter().map(|text| mount(text));
    Ok(StartAgent {
        tool: asked.tool,
        image: asked.image,
        workspace,
        prompt: asked.prompt,
        mode: asked.mode,
        keys: asked.keys,
        title: asked.title,
        limits: Some(AgentLimits {
            memory_mb: asked.memory,
            cpus: asked.cpus,
            ..AgentLimits::default()
        }),
        networks: asked.network,
        host_access: asked.host_access,
        mounts: mounts.collect::<Result<_, _>>()?,
        gpu: asked.gpu,
    })
}

/// A folder as whoever is in this one names it.
pub fn absolute(path: &Path) -> Result<String, Failure> {
    let invalid = |why: String| {
        let message = format!("{} can't be used", path.display());
        Failure::new(FailureCode::Invalid, message).because(why)
    };
    let path = std::path::absolute(path).map_err(|error| invalid(error.to_string()))?;
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(invalid("its path isn't UTF-8".into())),
    }
}

fn mount(text: &str) -> Result<ReadOnlyMount, Failure> {
    let parts = text
        .rsplit_once(':')
        .filter(|(_, target)| target.starts_with('/'));
    let Some((source, target)) = parts else {
        let message = format!("Invalid mount: {text}");
        return Err(Failure::new(FailureCode::Invalid, message)
            .because("SOURCE:TARGET is expected, with an absolute path as target"));
    };
    Ok(ReadOnlyMount {
        source: absolute(Path::new(source))?,
        target: target.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_a_source_and_a_target() {
        let found = mount("/etc/hosts:/home/agent/hosts").unwrap();
        assert_eq!(
            (&*found.source, &*found.target),
            ("/etc/hosts", "/home/agent/hosts")
        );
        assert!(mount("hosts:/x").unwrap().source.starts_with('/'));
        for text in ["/etc/hosts", "/a:b", ""] {
            assert!(mount(text).is_err(), "{text}");
        }
    }
}
