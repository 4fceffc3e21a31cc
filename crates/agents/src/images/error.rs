//! What can go wrong with an image, and how it is told to a person.

use std::path::{Path, PathBuf};

use containers::EngineError;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use super::Platform;
use crate::catalogue::ToolId;

/// Failures of agents' images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The catalogue has no such tool.
    #[error("tool not found: {tool}")]
    NoTool {
        /// The name.
        tool: ToolId,
    },
    /// The project builds no image of that tool.
    #[error("no image is built for {tool}")]
    NotBuilt {
        /// Which.
        tool: ToolId,
        /// Why.
        reason: String,
    },
    /// There is no Dockerfile for it.
    #[error("no Dockerfile found at {}", path.display())]
    NoRecipe {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A project's own Dockerfile can't be used.
    #[error("the Dockerfile {} can't be used", path.display())]
    Dockerfile {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The image below the tools isn't here and can't be fetched.
    #[error("the base image {base} could not be pulled")]
    NoBase {
        /// Its name.
        base: String,
        /// Why.
        cause: String,
        /// The script that makes Debian's without a registry.
        script: PathBuf,
    },
    /// A tool's image isn't here.
    #[error("image {image} not found")]
    Missing {
        /// Its name.
        image: String,
    },
    /// Nobody approved an image of a registry.
    #[error("image {image} isn't approved")]
    NotApproved {
        /// Its name.
        image: String,
        /// Its digest.
        digest: String,
        /// Its size on disk.
        size_bytes: u64,
    },
    /// An image of a registry doesn't have the digest that was approved.
    #[error("image {image} has another digest than {digest}")]
    Changed {
        /// Its name.
        image: String,
        /// What was approved.
        digest: String,
    },
    /// An image of a registry has no digest there.
    #[error("image {image} has no digest of its registry")]
    NoDigest {
        /// Its name.
        image: String,
    },
    /// An image whose programs would run as somebody else.
    #[error("image {image} doesn't run as the user agent")]
    NoAgentUser {
        /// Its name.
        image: String,
        /// Its user; empty for root.
        user: String,
    },
    /// An image for another processor than was asked for.
    #[error("image {image} is for {architecture}, not for {platform}")]
    WrongPlatform {
        /// Its name.
        image: String,
        /// What it is for.
        architecture: String,
        /// What was asked for.
        platform: Platform,
    },
    /// The helper isn't there for a platform.
    #[error("agents can't run on {platform}")]
    NoHelper {
        /// What was asked for.
        platform: Platform,
        /// For which it is there.
        helpers: Vec<Platform>,
    },
    /// Images are built for the engine's own processor.
    #[error("images for {platform} can't be built here")]
    NoCrossBuild {
        /// What was asked for.
        platform: Platform,
    },
    /// A variable of the environment has a value that can't be used.
    #[error("{name} is set to {value:?}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The records can't be understood.
    #[error("the file {} is damaged", path.display())]
    Records {
        /// Which.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// A file can't be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// A verb.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ImageError {
    /// For `map_err`.
    pub(super) fn file(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let message = capitalised(&error.to_string());
        let failure = |code| Failure::new(code, message.clone());
        match error {
            ImageError::Engine(error) => error.into(),
            ImageError::NoTool { .. } => failure(FailureCode::NotFound).next(Advice::CheckName),
            ImageError::NotBuilt { reason, tool } => failure(FailureCode::NotFound)
                .because(reason)
                .next(Advice::text(format!(
                    "Put a Dockerfile of your own into agents/{tool} of Vivarium's config folder."
                ))),
            ImageError::NoRecipe { .. } => failure(FailureCode::NotFound).next(Advice::ChooseTemplate),
            ImageError::Dockerfile { reason, .. } => failure(FailureCode::Invalid)
                .because(reason)
                .next(Advice::text("Fix the Dockerfile, or choose a base image by its name.")),
            ImageError::NoBase { cause, script, .. } => failure(FailureCode::NotFound)
                .because(cause)
                .next(Advice::MakeBase {
                    script: script.display().to_string(),
                }),
            ImageError::Missing { .. } => failure(FailureCode::NotFound)
                .next(Advice::text("Build the image, or fetch it from its registry.")),
            ImageError::NotApproved { digest, size_bytes, .. } => failure(FailureCode::Forbidden)
                .because(format!("it is {digest}, {} MB", size_bytes / 1_000_000))
                .next(Advice::text("Approve this digest if you trust who made it.")),
            ImageError::Changed { .. } => failure(FailureCode::Changed)
                .because("somebody pushed or pulled another image under this name")
                .next(Advice::text("Look at the new digest, and approve that.")),
            ImageError::NoDigest { .. } => failure(FailureCode::Forbidden)
                .because("it didn't come from that registry, or the engine doesn't tell")
                .next(Advice::text("Pull the image again.")),
            ImageError::NoAgentUser { user, .. } => failure(FailureCode::Forbidden)
                .because(match user.as_str() {
                    "" => "it runs as root".to_owned(),
                    user => format!("it runs as {user}"),
                })
                .next(Advice::text("Use an image with USER agent, or build it here with AI_IMAGE_SOURCE=local.")),
            ImageError::WrongPlatform { .. } => failure(FailureCode::Invalid)
                .because("the registry has no other, or another one was pulled before")
                .next(Advice::text("Remove the image, or change AI_RUN_PLATFORM.")),
            ImageError::NoHelper { helpers, .. } => failure(FailureCode::Invalid)
                .because(match helpers.as_slice() {
                    [] => "the program that looks after agents inside their containers is missing".to_owned(),
                    helpers => {
                        let helpers: Vec<_> = helpers.iter().map(|helper| helper.as_str()).collect();
                        let helpers = helpers.join(" and ");
                        format!("the program that looks after agents inside their containers is there for {helpers} only")
                    }
                })
                .next(Advice::text("Unset AI_RUN_PLATFORM.")),
            ImageError::NoCrossBuild { .. } => failure(FailureCode::Invalid)
                .because("images are built for the computer's own processor")
                .next(Advice::text("Unset AI_RUN_PLATFORM, or set AI_IMAGE_SOURCE=registry.")),
            ImageError::Setting { expected, .. } => failure(FailureCode::Invalid)
                .because(format!("expected {expected}"))
                .next(Advice::text("Change the variable, or unset it.")),
            ImageError::Records { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next(Advice::text(
                    "Delete the file. Images are built again, and those of a registry have to be approved again.",
                )),
            ImageError::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next(Advice::CheckPermissions),
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
