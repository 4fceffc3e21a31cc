//! Which images are there.

use containers::Engine;

use super::{AgentImage, Ground, ImageError, ImageSource, Images, Trust, chain::ground_of, label};
use crate::catalogue::{Catalogue, Tool, ToolId, Version};

/// A tool and its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedImage {
    /// The tool.
    pub tool: ToolId,
    /// Its name for people.
    pub title: String,
    /// What its image is called.
    pub name: String,
    /// Whether it is there.
    pub state: ImageState,
}

/// Whether an image is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// The project builds none.
    NotBuilt {
        /// Why.
        reason: String,
    },
    /// It was neither built nor fetched.
    Missing,
    /// It is there.
    Present {
        /// Its id.
        id: String,
        /// Size on disk, the layers that it shares with others included.
        size_bytes: u64,
        /// The tool's version in it, as its label says.
        version: Option<String>,
        /// The catalogue's version, if it is another.
        update: Option<Version>,
        /// What is known of it.
        trust: Trust,
    },
}

impl Images {
    /// All tools with their images, by name.
    ///
    /// # Errors
    /// What the engine says, or [`ImageError::Records`].
    pub async fn list(
        &self,
        engine: &Engine,
        catalogue: &Catalogue,
    ) -> Result<Vec<ListedImage>, ImageError> {
        let mut listed = Vec::new();
        for (id, tool) in catalogue.tools() {
            listed.push(self.listed(engine, id, tool).await?);
        }
        Ok(listed)
    }

    async fn listed(
        &self,
        engine: &Engine,
        id: &ToolId,
        tool: &Tool,
    ) -> Result<ListedImage, ImageError> {
        let name = match &self.settings.source {
            ImageSource::Registry { registry } => format!("{registry}/ai-{id}:latest"),
            ImageSource::Local => {
                let ground = ground_of(tool, &Ground::Usual);
                self.names.of(&AgentImage::Tool(id.clone()), &ground)
            }
        };
        let state = match (engine.image(&name).await?, &tool.not_built) {
            (Some(image), _) => {
                let version = image.labels.get(label::VERSION).cloned();
                ImageState::Present {
                    update: update(version.as_deref(), tool.pinned_version()),
                    version,
                    trust: self.records.trust(&image.id)?,
                    id: image.id,
                    size_bytes: image.size_bytes,
                }
            }
            (None, Some(reason)) => ImageState::NotBuilt {
                reason: reason.clone(),
            },
            (None, None) => ImageState::Missing,
        };
        Ok(ListedImage {
            tool: id.clone(),
            title: tool.title.clone(),
            name,
            state,
        })
    }
}

/// The pin, if the image has another version; also if it says none.
pub(super) fn update(installed: Option<&str>, pinned: Option<&Version>) -> Option<Version> {
    pinned
        .filter(|pinned| installed != Some(pinned.as_str()))
        .cloned()
}
