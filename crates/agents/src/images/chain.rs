//! Which builds make an image, one after the other.

use std::collections::BTreeMap;

use super::{AgentImage, Ground, ImageError, Images, recipes::Context};
use crate::catalogue::{Catalogue, Tool, ToolId};

/// One build.
#[derive(Debug)]
pub(super) struct Step {
    /// Name and tag of what it makes.
    pub name: String,
    pub context: Context,
    pub args: BTreeMap<String, String>,
    /// The tool, if it installs one.
    pub tool: Option<ToolId>,
}

impl Images {
    /// The builds that make an image, in their order.
    pub(super) fn steps(
        &self,
        catalogue: &Catalogue,
        image: &AgentImage,
        ground: &Ground,
    ) -> Result<Vec<Step>, ImageError> {
        let mut steps = Vec::new();
        match image {
            AgentImage::Base => self.add_base(ground, &mut steps)?,
            AgentImage::ToolBase => self.add_tool_base(ground, &mut steps)?,
            AgentImage::Tool(tool) => self.add_tool(catalogue, tool, ground, &mut steps)?,
            AgentImage::All => {
                let args = BTreeMap::from([("PREFIX".to_owned(), self.names.prefix().to_owned())]);
                let context = self.recipes.context(image, &Ground::Usual)?;
                let below = context.images_below(&args);
                for (id, _) in catalogue.tools() {
                    let name = self.names.of(&AgentImage::Tool(id.clone()), &Ground::Usual);
                    if below.contains(&name) {
                        self.add_tool(catalogue, id, &Ground::Usual, &mut steps)?;
                    }
                }
                let mut seen = Vec::new();
                steps.retain(|step| {
                    let is_new = !seen.contains(&step.name);
                    seen.push(step.name.clone());
                    is_new
                });
                steps.push(Step {
                    name: self.names.of(image, &Ground::Usual),
                    context,
                    args,
                    tool: None,
                });
            }
        }
        Ok(steps)
    }

    fn add_base(&self, ground: &Ground, steps: &mut Vec<Step>) -> Result<(), ImageError> {
        let base = match ground {
            // The Dockerfile's own default.
            Ground::Usual | Ground::Gpu => None,
            Ground::Image(name) => Some(name.clone()),
            Ground::Dockerfile(file) => {
                let name = self.names.of_ground(ground);
                steps.push(Step {
                    name: name.clone(),
                    context: Context::of_dockerfile(file),
                    args: BTreeMap::new(),
                    tool: None,
                });
                Some(name)
            }
        };
        steps.push(Step {
            name: self.names.of(&AgentImage::Base, ground),
            context: self.recipes.context(&AgentImage::Base, ground)?,
            args: base
                .map(|name| ("BASE".to_owned(), name))
                .into_iter()
                .collect(),
            tool: None,
        });
        Ok(())
    }

    fn add_tool_base(&self, ground: &Ground, steps: &mut Vec<Step>) -> Result<(), ImageError> {
        self.add_base(ground, steps)?;
        let base = self.names.of(&AgentImage::Base, ground);
        steps.push(Step {
            name: self.names.of(&AgentImage::ToolBase, ground),
            context: self.recipes.context(&AgentImage::ToolBase, ground)?,
            args: BTreeMap::from([("BASE".to_owned(), base)]),
            tool: None,
        });
        Ok(())
    }

    fn add_tool(
        &self,
        catalogue: &Catalogue,
        id: &ToolId,
        ground: &Ground,
        steps: &mut Vec<Step>,
    ) -> Result<(), ImageError> {
        let tool = catalogue
            .tool(id)
            .ok_or_else(|| ImageError::NoTool { tool: id.clone() })?;
        if let Some(reason) = &tool.not_built
            && !self.recipes.has_own(id)
        {
            return Err(ImageError::NotBuilt {
                tool: id.clone(),
                reason: reason.clone(),
            });
        }
        let ground = &ground_of(tool, ground);
        self.add_tool_base(ground, steps)?;
        let image = AgentImage::Tool(id.clone());
        let base = self.names.of(&AgentImage::ToolBase, ground);
        let mut args = BTreeMap::from([("BASE".to_owned(), base)]);
        if let Some(version) = tool.pinned_version() {
            args.insert("VERSION".to_owned(), version.to_string());
        }
        steps.push(Step {
            name: self.names.of(&image, ground),
            context: self.recipes.context(&image, ground)?,
            args,
            tool: Some(id.clone()),
        });
        Ok(())
    }
}

/// What a tool goes onto: what a person chose, else what the tool needs.
pub(super) fn ground_of(tool: &Tool, ground: &Ground) -> Ground {
    match (&tool.base, ground) {
        (Some(base), Ground::Usual) => Ground::Image(base.clone()),
        _ => ground.clone(),
    }
}
