//! The tools and their images, and the folders that agents may be given.

use app::App;
use serde_json::{Value, json};
use wire::{
    advice::Advice,
    agent::{
        AgentFolders, AgentImageOrigin, AgentImageSource, AgentImageState, AgentPolicy, AgentTool,
        AgentTools,
    },
    commands::RunStarted,
    failure::{Failure, FailureCode},
};

use super::{
    arguments::{ImageCommand, WorkspaceCommand},
    run::absolute,
};
use crate::{
    ask,
    commands::{call, follow},
    print,
};

/// `agent tools`.
pub async fn tools(app: &App, json: bool) -> Result<u8, Failure> {
    let found: AgentTools = call(app, "agent_tools", Value::Null).await?;
    if json {
        print::json(&found);
        return Ok(0);
    }
    for tool in &found.tools {
        let modes = tool.modes.iter().map(|mode| {
            let is_usual = Some(&mode.id) == tool.default_mode.as_ref();
            let unattended = match mode.policy {
                AgentPolicy::All => " (unattended)",
                _ => "",
            };
            let usual = if is_usual { " (default)" } else { "" };
            format!("{}{usual}{unattended}", mode.id)
        });
        let modes: Vec<String> = modes.collect();
        print::row(&format!(
            "{:<12} {:<16} {:<28} {}",
            tool.id,
            tool.title,
            state(tool),
            modes.join(", ")
        ));
    }
    problems(&found);
    Ok(0)
}

/// `agent images`.
pub async fn images(app: &App, command: Option<ImageCommand>, json: bool) -> Result<u8, Failure> {
    match command {
        None => list(app, json).await,
        Some(ImageCommand::Build { tools, rebuild }) => {
            for tool in &tools {
                make(app, tool, rebuild, json).await?;
                if !json {
                    print::line(&format!("The image of {tool} is up to date."));
                }
            }
            Ok(0)
        }
        Some(ImageCommand::Approve { tool, digest }) => {
            let digest = match digest {
                Some(digest) => digest,
                None => look(app, &tool).await?,
            };
            let request = json!({ "tool": tool, "digest": digest });
            let found: AgentTools = call(app, "agent_image_approve", request).await?;
            match json {
                true => print::json(&found),
                false => print::line(&format!("Approved {digest}.")),
            }
            Ok(0)
        }
    }
}

/// Builds or fetches a tool's image, and shows how that goes.
pub async fn make(app: &App, tool: &str, rebuild: bool, json: bool) -> Result<(), Failure> {
    let after = app.last_seq();
    let request = json!({ "tool": tool, "rebuild": rebuild });
    let run: RunStarted = call(app, "agent_image_build", request).await?;
    follow(app, run, after, json).await
}

/// Shows an image that nobody approved, and asks; `false` if nobody can be asked.
pub async fn offer(app: &App, tool: &str) -> Result<bool, Failure> {
    let (digest, question) = seen(app, tool).await?;
    if !ask::whether(&question, "Approve this image?").await? {
        return Ok(false);
    }
    // What was shown is approved, whatever has that name meanwhile.
    let request = json!({ "tool": tool, "digest": digest });
    call::<AgentTools>(app, "agent_image_approve", request).await?;
    Ok(true)
}

/// The digest of an image that is to be approved, once the person has seen it and said yes.
async fn look(app: &App, tool: &str) -> Result<String, Failure> {
    let (digest, question) = seen(app, tool).await?;
    match ask::whether(&question, "Approve this image?").await? {
        true => Ok(digest),
        false => Err(question.next(Advice::text(
            "Name the digest with --digest to approve it without a terminal.",
        ))),
    }
}

/// An image that is to be approved, as the person is shown it.
async fn seen(app: &App, tool: &str) -> Result<(String, Failure), Failure> {
    let found: AgentTools = call(app, "agent_tools", Value::Null).await?;
    let found = found.tools.into_iter().find(|one| one.id == tool);
    let Some((name, AgentImageState::Unapproved { digest, size_bytes })) =
        found.map(|tool| (tool.image, tool.state))
    else {
        return Err(Failure::new(
            FailureCode::NotFound,
            format!("The image of {tool} doesn't wait for an approval"),
        ));
    };
    let question = Failure::new(
        FailureCode::Forbidden,
        format!("The image {name} came from a registry"),
    )
    .because(format!("it is {digest}, {}", megabytes(size_bytes)));
    Ok((digest, question))
}

async fn list(app: &App, json: bool) -> Result<u8, Failure> {
    let found: AgentTools = call(app, "agent_tools", Value::Null).await?;
    if json {
        print::json(&found);
        return Ok(0);
    }
    for tool in &found.tools {
        print::row(&format!(
            "{:<12} {:<40} {}",
            tool.id,
            tool.image,
            state(tool)
        ));
    }
    if let AgentImageSource::Registry { registry } = &found.source {
        print::note(&format!("Images are fetched from {registry}."));
    }
    problems(&found);
    Ok(0)
}

fn state(tool: &AgentTool) -> String {
    if tool.run_id.is_some() {
        return "being built".into();
    }
    match &tool.state {
        AgentImageState::NotBuilt { reason } => format!("not built here: {reason}"),
        AgentImageState::Missing => "not built".into(),
        AgentImageState::Unapproved { size_bytes, .. } => {
            format!("not approved, {}", megabytes(*size_bytes))
        }
        AgentImageState::Present {
            size_bytes,
            version,
            update,
            origin,
        } => {
            let version = version.as_deref().unwrap_or("built");
            let update = match update {
                Some(update) => format!(", update to {update}"),
                None => String::new(),
            };
            let origin = match origin {
                AgentImageOrigin::BuiltHere => "",
                AgentImageOrigin::Approved => ", approved",
                AgentImageOrigin::Unknown => ", of unknown origin",
            };
            format!("{version}, {}{update}{origin}", megabytes(*size_bytes))
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

fn problems(found: &AgentTools) {
    for problem in &found.problems {
        print::note(problem);
    }
}

/// `agent workspace`.
pub async fn workspace(
    app: &App,
    command: Option<WorkspaceCommand>,
    json: bool,
) -> Result<u8, Failure> {
    let found: AgentFolders = match command {
        None => call(app, "agent_folders", Value::Null).await?,
        Some(WorkspaceCommand::Add { path }) => {
            let request = json!({ "path": absolute(&path)? });
            call(app, "agent_folder_add", request).await?
        }
        Some(WorkspaceCommand::Remove { path }) => {
            let request = json!({ "path": absolute(&path)? });
            call(app, "agent_folder_remove", request).await?
        }
    };
    match json {
        true => print::json(&found),
        false if found.folders.is_empty() => print::note("Agents may be given no folders."),
        false => found.folders.iter().for_each(|folder| print::line(folder)),
    }
    Ok(0)
}
