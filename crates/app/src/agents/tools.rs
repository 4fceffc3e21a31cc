//! The tools, as the catalogue has them, and whether their images are there.

use ::agents::{
    ToolSpec,
    catalogue::{Catalogue, Tool, ToolId},
    images::{Ground, ImageError, ImageSettings, ImageSource, ImageState, Images, Trust},
    modes, takes_prompt,
};
use lifecycle::Engine;
use wire::{
    advice::Advice,
    agent::*,
    commands::Nothing,
    failure::{Failure, FailureCode},
    stream::Event,
};

use crate::{App, blocking::on_disk};

impl App {
    /// Where images come from, as the environment says.
    pub(super) fn agent_images(&self) -> Result<Images, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let settings = ImageSettings::read(variable)?;
        let options = &self.inner.shared.options;
        Ok(Images::new(
            &options.template,
            self.config_dir(),
            self.data_dir(),
            options.instance.as_deref(),
            settings,
        ))
    }

    /// The project's tools, and the person's own.
    pub(super) async fn agent_catalogue(&self) -> Result<Catalogue, Failure> {
        let folder = self.config_dir().to_owned();
        on_disk(move || Ok(Catalogue::load(&folder))).await
    }

    pub(crate) async fn agent_tools(&self, _: Nothing) -> Result<AgentTools, Failure> {
        let images = self.agent_images()?;
        let catalogue = self.agent_catalogue().await?;
        let engine = self.connect().await?;
        let mut tools = Vec::new();
        for listed in images.list(&engine, &catalogue).await? {
            let Some(tool) = catalogue.tool(&listed.tool) else {
                continue;
            };
            let state = state(&images, &engine, &listed.tool, listed.state).await?;
            tools.push(AgentTool {
                title: tool.title.clone(),
                home_page: tool.home_page.clone(),
                image: listed.name,
                state,
                run_id: self.inner.agents.image_runs.of(&listed.tool),
                modes: modes(tool),
                default_mode: tool.default_mode.clone(),
                takes_prompt: takes_prompt(&listed.tool, tool),
                needs_prompt: tool.interactive.is_none(),
                resumes: tool.session.resume.is_some() || tool.session.last.is_some(),
                keys: tool.keys.clone(),
                logs_in: tool.login.is_some(),
                id: listed.tool.to_string(),
            });
        }
        let source = match &images.settings().source {
            ImageSource::Local => AgentImageSource::Local,
            ImageSource::Registry { registry } => AgentImageSource::Registry {
                registry: registry.clone(),
            },
        };
        let problems = catalogue.problems().iter().map(ToString::to_string);
        Ok(AgentTools {
            tools,
            source,
            problems: problems.collect(),
        })
    }

    pub(crate) async fn agent_image_approve(
        &self,
        request: AgentImageApproveRequest,
    ) -> Result<AgentTools, Failure> {
        let tool = tool_id(&request.tool)?;
        let engine = self.connect().await?;
        let images = self.agent_images()?;
        images.approve(&engine, &tool, &request.digest).await?;
        self.inner.shared.journal.publish(Event::Agents);
        self.agent_tools(Nothing {}).await
    }

    /// The tool that an agent is to run.
    pub(super) async fn agent_tool(&self, request: &StartAgent) -> Result<ToolSpec, Failure> {
        let id = tool_id(&request.tool)?;
        let catalogue = self.agent_catalogue().await?;
        let tool = catalogue.tool(&id).ok_or_else(|| no_tool(&id))?;
        let mut spec = ToolSpec::of_catalogue(&id, tool, request.mode.as_deref())?;
        spec.keys.clone_from(&request.keys);
        if request.image.is_none() {
            let images = self.agent_images()?;
            let engine = self.connect().await?;
            let found = images
                .resolve(&engine, &catalogue, &id, &Ground::Usual)
                .await;
            let found = found.map_err(|error| lacking(error, &id, tool))?;
            (spec.image, spec.image_id) = (found.name, Some(found.id));
        }
        Ok(spec)
    }
}

/// The name of a tool.
pub(super) fn tool_id(name: &str) -> Result<ToolId, Failure> {
    let id = name.parse::<ToolId>();
    id.map_err(|error| {
        Failure::new(FailureCode::NotFound, format!("Tool not found: {name}"))
            .because(error.to_string())
    })
}

pub(super) fn no_tool(id: &ToolId) -> Failure {
    ImageError::NoTool { tool: id.clone() }.into()
}

/// An image that isn't there, or that nobody approved.
fn lacking(error: ImageError, id: &ToolId, tool: &Tool) -> Failure {
    let name = || id.to_string();
    match (&error, &tool.not_built) {
        (ImageError::Missing { .. }, Some(reason)) => ImageError::NotBuilt {
            tool: id.clone(),
            reason: reason.clone(),
        }
        .into(),
        (ImageError::Missing { .. }, None) => {
            Failure::from(error).next(Advice::GetAgentImage { tool: name() })
        }
        (ImageError::NotApproved { .. }, _) => {
            Failure::from(error).next(Advice::ApproveAgentImage { tool: name() })
        }
        _ => error.into(),
    }
}

async fn state(
    images: &Images,
    engine: &Engine,
    tool: &ToolId,
    state: ImageState,
) -> Result<AgentImageState, Failure> {
    let is_of_registry = matches!(images.settings().source, ImageSource::Registry { .. });
    Ok(match state {
        ImageState::NotBuilt { reason } => AgentImageState::NotBuilt { reason },
        ImageState::Missing => AgentImageState::Missing,
        ImageState::Present { size_bytes, .. } if is_of_registry => {
            match images.registry_image(engine, tool).await {
                Ok(image) if image.approved => AgentImageState::Present {
                    size_bytes,
                    version: None,
                    update: None,
                    origin: AgentImageOrigin::Approved,
                },
                Ok(image) => AgentImageState::Unapproved {
                    digest: image.digest,
                    size_bytes,
                },
                Err(ImageError::Engine(error)) => return Err(error.into()),
                Err(error) => AgentImageState::NotBuilt {
                    reason: error.to_string(),
                },
            }
        }
        ImageState::Present {
            size_bytes,
            version,
            update,
            trust,
            ..
        } => AgentImageState::Present {
            size_bytes,
            // A label of the image, which anybody may have made.
            version: version.map(|text| crate::untrusted::sentence(&text, 64)),
            update: update.map(|version| version.to_string()),
            origin: match trust {
                Trust::BuiltHere => AgentImageOrigin::BuiltHere,
                Trust::Approved => AgentImageOrigin::Approved,
                Trust::Unknown => AgentImageOrigin::Unknown,
            },
        },
    })
}
