//! Images: what is there, pulling, removing.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::{
    models::ImageSummary,
    query_parameters::{
        CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
        TagImageOptionsBuilder,
    },
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use wire::machine::Progress;

use crate::{connect::Engine, error::EngineError};

/// How often a list is asked for again, and when.
const LIST_TRIES: u32 = 10;
const LIST_AGAIN: Duration = Duration::from_millis(100);

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`.
    pub id: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Size on disk.
    pub size_bytes: u64,
    /// Folders that it declares as volumes.
    pub volumes: Vec<String>,
    /// Architecture, such as `amd64`.
    pub architecture: String,
    /// User that its containers run as; empty for root.
    pub user: String,
    /// What registries call it, such as `registry.example.org/ai/claude@sha256:…`. Empty for one that was
    /// built here and never pushed.
    pub digests: Vec<String>,
}

/// An image without a name, which no other image is built on: what a newer build of the same
/// name has replaced, and the ends of a build's other stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LooseImage {
    /// `sha256:…`.
    pub id: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Unix seconds; one from the cache keeps its own.
    pub created_at_s: i64,
}

/// bollard takes hash maps; ours are ordered, so that what we write is the same each time.
pub(crate) fn ordered(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl Engine {
    /// The image of that name or id; `None` where there is none.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Image>, EngineError>> {
        Box::pin(async move {
            match self.docker.inspect_image(name).await {
                Ok(found) => Ok(Some(Image {
                    id: found.id.unwrap_or_default(),
                    volumes: found
                        .config
                        .as_ref()
                        .and_then(|config| config.volumes.clone())
                        .unwrap_or_default(),
                    architecture: found.architecture.unwrap_or_default(),
                    user: found
                        .config
                        .as_ref()
                        .and_then(|config| config.user.clone())
                        .unwrap_or_default(),
                    digests: found.repo_digests.unwrap_or_default(),
                    labels: found
                        .config
                        .and_then(|config| config.labels)
                        .unwrap_or_default(),
                    size_bytes: found
                        .size
                        .and_then(|size| size.try_into().ok())
                        .unwrap_or_default(),
                })),
                Err(error) => {
                    match EngineError::from_bollard(format!("inspect the image {name}"), error) {
                        error if error.is_not_found() => Ok(None),
                        error => Err(error),
                    }
                }
            }
        })
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn tag_image<'a>(
        &'a self,
        image: &'a str,
        repository: &'a str,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = TagImageOptionsBuilder::new()
                .repo(repository)
                .tag(tag)
                .build();
            let tagged = self.docker.tag_image(image, Some(options)).await;
            tagged.map_err(|error| {
                EngineError::from_bollard(
                    format!("tag the image {image} as {repository}:{tag}"),
                    error,
                )
            })
        })
    }

    /// Tags of the images of a repository, such as `latest`.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn image_tags<'a>(
        &'a self,
        repository: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            // All of them: Podman's filter takes no name without its registry.
            let found = self.listed(HashMap::new()).await?;
            let names = found.into_iter().flat_map(|image| image.repo_tags);
            // Podman says where a local image comes from, or would.
            let tag = |name: String| {
                let (of, tag) = name.rsplit_once(':')?;
                let mut names = ["", "localhost/", "docker.io/library/"].into_iter();
                names
                    .any(|place| of.strip_prefix(place) == Some(repository))
                    .then(|| tag.to_owned())
            };
            Ok(names.filter_map(tag).collect())
        })
    }

    /// The loose images that have a label, newest first.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn loose_images<'a>(
        &'a self,
        label: &'a str,
    ) -> BoxFuture<'a, Result<Vec<LooseImage>, EngineError>> {
        Box::pin(async move {
            let filters = HashMap::from([
                ("label", vec![label.to_owned()]),
                ("dangling", vec!["true".to_owned()]),
            ]);
            let found = self.listed(filters).await?;
            let mut images: Vec<LooseImage> = found
                .into_iter()
                .map(|image| LooseImage {
                    id: image.id,
                    labels: image.labels,
                    created_at_s: image.created,
                })
                .collect();
            images.sort_by_key(|image| std::cmp::Reverse(image.created_at_s));
            Ok(images)
        })
    }

    /// Podman gives the whole list up where an image goes while it reads it: then it is asked again.
    async fn listed(
        &self,
        filters: HashMap<&str, Vec<String>>,
    ) -> Result<Vec<ImageSummary>, EngineError> {
        let mut tries = 0;
        loop {
            let options = ListImagesOptionsBuilder::new().filters(&filters).build();
            let listed = self.docker.list_images(Some(options)).await;
            let error = match listed {
                Ok(found) => return Ok(found),
                Err(error) => EngineError::from_bollard("list the images", error),
            };
            tries += 1;
            let went = matches!(&error, EngineError::Api { message, .. } if message.contains("image not known"));
            if !went || tries > LIST_TRIES {
                return Err(error);
            }
            tokio::time::sleep(LIST_AGAIN).await;
        }
    }

    /// Fetches an image from its registry.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`], or what the engine or the registry says.
    pub fn pull<'a>(
        &'a self,
        name: &'a str,
        cancel: &'a CancellationToken,
        tell: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.pull_platform(name, "", cancel, tell)
    }

    /// Fetches an image from its registry for a platform, such as `linux/arm64`; for the engine's own if
    /// that is empty.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub fn pull_platform<'a>(
        &'a self,
        name: &'a str,
        platform: &'a str,
        cancel: &'a CancellationToken,
        tell: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            // A colon after the last slash separates the tag; one before it is a registry's port.
            let tagged = name
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'));
            let whole = if tagged {
                name.to_owned()
            } else {
                format!("{name}:latest")
            };
            let options = CreateImageOptionsBuilder::new()
                .from_image(&whole)
                .platform(platform)
                .build();
            let mut stream = std::pin::pin!(self.docker.create_image(Some(options), None, None));
            let doing = || format!("pull {name}");
            loop {
                let item = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Err(EngineError::Cancelled),
                    item = stream.next() => item,
                };
                let Some(item) = item else { return Ok(()) };
                let info = item.map_err(|error| EngineError::from_bollard(doing(), error))?;
                if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
                    return Err(EngineError::Api {
                        doing: doing(),
                        status: 500,
                        message,
                    });
                }
                // Layers' bars come many times a second: only their turns are told.
                if let (Some(status), None) = (
                    info.status,
                    info.progress_detail.and_then(|bar| bar.current),
                ) {
                    tell(Progress::Line { text: status });
                }
            }
        })
    }

    /// Removes an image, with what only it was built on; one that is not there is no failure.
    ///
    /// # Errors
    /// [`EngineError`] where it is in use ([`EngineError::is_conflict`]), or the engine does not answer.
    pub fn remove_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = RemoveImageOptionsBuilder::new().force(false).build();
            match self.docker.remove_image(name, Some(options), None).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let error =
                        EngineError::from_bollard(format!("remove the image {name}"), error);
                    // The engine removes the name first, then the layers. It may fail at a layer that
                    // somebody else is removing at the same time: the image is gone all the same.
                    if error.is_not_found() || matches!(self.image(name).await, Ok(None)) {
                        return Ok(());
                    }
                    Err(error)
                }
            }
        })
    }
}
