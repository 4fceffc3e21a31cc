//! The image that a tool runs in.

use containers::Engine;

use super::{AgentImage, Ground, ImageError, ImageSource, Images, chain::ground_of};
use crate::catalogue::{Catalogue, ToolId};

/// What is known of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was built here, by Vivarium.
    BuiltHere,
    /// It came from a registry, and a person approved its digest.
    Approved,
    /// Anybody may have made it.
    Unknown,
}

/// An image to make a container of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedImage {
    /// Its id. A container is made of this and not of the name, which may be another image's meanwhile.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Size on disk.
    pub size_bytes: u64,
    /// What is known of it.
    pub trust: Trust,
}

impl Images {
    /// Which image a tool runs in, as the settings have it. It is neither built nor fetched.
    ///
    /// # Errors
    /// [`ImageError::Missing`]; of a registry's [`ImageError::NotApproved`], [`ImageError::NoAgentUser`],
    /// [`ImageError::WrongPlatform`].
    pub async fn resolve(
        &self,
        engine: &Engine,
        catalogue: &Catalogue,
        tool: &ToolId,
        ground: &Ground,
    ) -> Result<ResolvedImage, ImageError> {
        let entry = catalogue
            .tool(tool)
            .ok_or_else(|| ImageError::NoTool { tool: tool.clone() })?;
        if let ImageSource::Registry { .. } = &self.settings.source {
            let image = self.registry_image(engine, tool).await?;
            return match image.approved {
                true => Ok(ResolvedImage {
                    id: image.id,
                    name: image.name,
                    size_bytes: image.size_bytes,
                    trust: Trust::Approved,
                }),
                false => Err(ImageError::NotApproved {
                    image: image.name,
                    digest: image.digest,
                    size_bytes: image.size_bytes,
                }),
            };
        }
        let name = self
            .names
            .of(&AgentImage::Tool(tool.clone()), &ground_of(entry, ground));
        let Some(image) = engine.image(&name).await? else {
            return Err(ImageError::Missing { image: name });
        };
        self.check_image(&name, &image)?;
        Ok(ResolvedImage {
            trust: self.records.trust(&image.id)?,
            id: image.id,
            name,
            size_bytes: image.size_bytes,
        })
    }

    /// Whether log-ins may be mounted into containers of the image with this id: only if it was built here
    /// or approved.
    ///
    /// # Errors
    /// [`ImageError::Records`], [`ImageError::File`].
    pub fn may_hold_logins(&self, image_id: &str) -> Result<bool, ImageError> {
        Ok(self.records.trust(image_id)? != Trust::Unknown)
    }
}
