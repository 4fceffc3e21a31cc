//! Images of a registry: fetched, looked at, and approved once by their digest.

use containers::{CancellationToken, Engine, Image};

use super::{ImageError, ImageSource, Images, OnProgress, Platform, USER};
use crate::catalogue::ToolId;

/// An image of a registry, as it is shown to a person who is to approve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryImage {
    /// Its name.
    pub name: String,
    /// Its digest there: `sha256:…`.
    pub digest: String,
    /// Its id here.
    pub id: String,
    /// Size on disk.
    pub size_bytes: u64,
    /// Whether this digest was approved.
    pub approved: bool,
}

impl Images {
    /// Fetches a tool's image. Nothing of it is run. `helpers` are the platforms for which the program that
    /// looks after agents is there.
    ///
    /// # Errors
    /// [`ImageError::NoHelper`] before anything is fetched, [`ImageError::NoAgentUser`],
    /// [`ImageError::WrongPlatform`], or what the engine says.
    pub async fn fetch(
        &self,
        engine: &Engine,
        tool: &ToolId,
        helpers: &[Platform],
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<RegistryImage, ImageError> {
        let platform = self.settings.platform;
        if let Some(platform) = platform {
            platform.check_helper(helpers)?;
        }
        let name = self.registry_name(tool)?;
        let asked = platform.map(Platform::as_str).unwrap_or_default();
        engine.pull_platform(&name, asked, cancel, tell).await?;
        self.registry_image(engine, tool).await
    }

    /// A tool's image of the registry, as it is here.
    ///
    /// # Errors
    /// [`ImageError::Missing`], [`ImageError::NoDigest`], [`ImageError::NoAgentUser`],
    /// [`ImageError::WrongPlatform`].
    pub async fn registry_image(
        &self,
        engine: &Engine,
        tool: &ToolId,
    ) -> Result<RegistryImage, ImageError> {
        let name = self.registry_name(tool)?;
        let Some(image) = engine.image(&name).await? else {
            return Err(ImageError::Missing { image: name });
        };
        self.check_image(&name, &image)?;
        let Some(digest) = digest_of(&name, &image) else {
            return Err(ImageError::NoDigest { image: name });
        };
        Ok(RegistryImage {
            approved: self.records.is_approved(&name, &digest, &image.id)?,
            name,
            digest,
            id: image.id,
            size_bytes: image.size_bytes,
        })
    }

    /// Approves the image that a person was shown, by its digest.
    ///
    /// # Errors
    /// [`ImageError::Changed`] if the name has become another image's since; as
    /// [`registry_image`](Self::registry_image).
    pub async fn approve(
        &self,
        engine: &Engine,
        tool: &ToolId,
        digest: &str,
    ) -> Result<RegistryImage, ImageError> {
        let image = self.registry_image(engine, tool).await?;
        if image.digest != digest {
            return Err(ImageError::Changed {
                image: image.name,
                digest: digest.to_owned(),
            });
        }
        self.records
            .approve(&image.name, &image.digest, &image.id)?;
        Ok(RegistryImage {
            approved: true,
            ..image
        })
    }

    /// Takes an approval back.
    ///
    /// # Errors
    /// [`ImageError::Records`], [`ImageError::File`].
    pub fn withdraw_approval(&self, digest: &str) -> Result<(), ImageError> {
        self.records.withdraw(digest)
    }

    /// What an image has to be, whoever made it.
    pub(super) fn check_image(&self, name: &str, image: &Image) -> Result<(), ImageError> {
        // With a group, or without.
        let user = image.user.split(':').next().unwrap_or_default();
        if user != USER {
            return Err(ImageError::NoAgentUser {
                image: name.to_owned(),
                user: image.user.clone(),
            });
        }
        match self.settings.platform {
            Some(platform) if image.architecture != platform.architecture() => {
                Err(ImageError::WrongPlatform {
                    image: name.to_owned(),
                    architecture: image.architecture.clone(),
                    platform,
                })
            }
            _ => Ok(()),
        }
    }

    fn registry_name(&self, tool: &ToolId) -> Result<String, ImageError> {
        match &self.settings.source {
            ImageSource::Registry { registry } => Ok(format!("{registry}/ai-{tool}:latest")),
            ImageSource::Local => Err(ImageError::Setting {
                name: "AI_IMAGE_SOURCE",
                value: "local".to_owned(),
                expected: "registry",
            }),
        }
    }
}

/// The digest by which the registry knows the image of this name.
fn digest_of(name: &str, image: &Image) -> Option<String> {
    let (repository, _) = name.rsplit_once(':')?;
    image.digests.iter().find_map(|known| {
        let (of, digest) = known.split_once('@')?;
        (of == repository).then(|| digest.to_owned())
    })
}
