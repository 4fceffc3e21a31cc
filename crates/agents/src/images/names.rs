//! What images are called.

use super::{AgentImage, Ground};

/// The names of an installation's images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(instance: Option<&str>) -> Self {
        Self {
            prefix: instance
                .map(|instance| format!("{instance}-"))
                .unwrap_or_default(),
        }
    }

    /// What stands before each name.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Name and tag.
    pub(super) fn of(&self, image: &AgentImage, ground: &Ground) -> String {
        let tag = ground.tag();
        let prefix = &self.prefix;
        match (image, ground) {
            (AgentImage::Base, Ground::Gpu) => format!("{prefix}tmux-agents-base-gpu:latest"),
            (AgentImage::Base, _) => format!("{prefix}tmux-agents-base:{tag}"),
            (AgentImage::ToolBase, _) => format!("{prefix}ai-base:{tag}"),
            (AgentImage::Tool(tool), _) => format!("{prefix}ai-{tool}:{tag}"),
            (AgentImage::All, _) => format!("{prefix}ai-all:{tag}"),
        }
    }

    /// Name and tag of what a project's own Dockerfile makes.
    pub(super) fn of_ground(&self, ground: &Ground) -> String {
        format!("{}ai-ground:{}", self.prefix, ground.tag())
    }
}
