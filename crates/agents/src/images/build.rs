//! Building an image and those below it with the engine's classic builder.

use std::{collections::BTreeMap, time::Duration};

use containers::{BuildRequest, CancellationToken, Engine, EngineError};
use futures_util::future::BoxFuture;
use wire::machine::Progress;

use super::{Ground, ImageError, Images, OnProgress, Platform, chain::Step, label};
use crate::catalogue::{Catalogue, ToolId};

/// How long a base image's pull may last.
const PULL: Duration = Duration::from_secs(600);
/// A loose image that is younger may be another build's that goes on.
const BUILDING_S: i64 = 3600;

/// An image of this project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentImage {
    /// `tmux-agents-base`.
    Base,
    /// `ai-base`.
    ToolBase,
    /// `ai-<tool>`.
    Tool(ToolId),
    /// `ai-all`.
    All,
}

/// How an image is built.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// What it goes onto.
    pub ground: Ground,
    /// Builds also what is up to date.
    pub rebuild: bool,
    /// Keeps what a tool's installation left beside its image, which is as large as the tool: a build of the
    /// same version needn't fetch it again.
    pub keep_fetched: bool,
}

impl Images {
    /// Builds an image and those below it, as far as they are missing or out of date; answers its id.
    ///
    /// # Errors
    /// [`ImageError::NoTool`], [`ImageError::NotBuilt`], [`ImageError::NoBase`], [`EngineError::Build`],
    /// [`EngineError::Cancelled`].
    pub fn build<'a>(
        &'a self,
        engine: &'a Engine,
        catalogue: &'a Catalogue,
        image: &'a AgentImage,
        options: &'a BuildOptions,
        cancel: &'a CancellationToken,
        tell: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<String, ImageError>> {
        Box::pin(async move {
            let own = Platform::of_this_computer();
            if let Some(platform) = self.settings.platform.filter(|one| Some(*one) != own) {
                return Err(ImageError::NoCrossBuild { platform });
            }
            self.records.make_folder()?;
            let mut id = String::new();
            for step in self.steps(catalogue, image, &options.ground)? {
                id = self.step(engine, step, options, cancel, tell).await?;
            }
            Ok(id)
        })
    }

    async fn step(
        &self,
        engine: &Engine,
        step: Step,
        options: &BuildOptions,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<String, ImageError> {
        let mut below = Vec::new();
        for base in step.context.images_below(&step.args) {
            below.push(self.ensure_base(engine, &base, cancel, tell).await?);
        }
        let digest = step.context.digest(&step.args, &below);
        if !options.rebuild
            && let Some(image) = engine.image(&step.name).await?
            && image.labels.get(label::INPUTS) == Some(&digest)
            && self.records.trust(&image.id)? == super::Trust::BuiltHere
        {
            return Ok(image.id);
        }
        let name = step.name.clone();
        tell(Progress::Phase { name });
        let spooled = step.context.spool(&self.spool);
        let request = BuildRequest {
            context: spooled.map_err(ImageError::file("write to", &self.spool))?,
            dockerfile: step.context.dockerfile.clone(),
            tag: step.name.clone(),
            args: step.args.clone(),
            labels: BTreeMap::from([(label::INPUTS.to_owned(), digest)]),
        };
        let built = engine.build(request, cancel, tell).await?;
        self.records.built(&step.name, &built.id)?;
        if let Some(tool) = &step.tool {
            match prune(engine, tool, &built.steps, options.keep_fetched).await {
                Ok(gone) => tracing::debug!(gone, %tool, "older images were removed"),
                Err(error) => tracing::warn!(%error, %tool, "older images could not be removed"),
            }
        }
        Ok(built.id)
    }

    /// The id of an image that a Dockerfile begins with; it is pulled if it is missing.
    async fn ensure_base(
        &self,
        engine: &Engine,
        base: &str,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<String, ImageError> {
        if let Some(image) = engine.image(base).await? {
            return Ok(image.id);
        }
        let name = "base".to_owned();
        tell(Progress::Phase { name });
        let pulled = tokio::time::timeout(PULL, engine.pull(base, cancel, tell)).await;
        let cause = match pulled {
            Ok(Err(EngineError::Cancelled)) => return Err(EngineError::Cancelled.into()),
            Ok(Err(EngineError::Api { message, .. })) => message,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the pull took longer than {} minutes", PULL.as_secs() / 60),
            Ok(Ok(())) => match engine.image(base).await? {
                Some(image) => return Ok(image.id),
                None => "it was removed at once".to_owned(),
            },
        };
        Err(ImageError::NoBase {
            base: base.to_owned(),
            cause,
            script: self.recipes.base_script(),
        })
    }
}

/// Removes what newer builds of a tool have replaced, as far as nothing uses it, and the stage in which this
/// one was fetched, unless it is kept; answers how many went.
async fn prune(
    engine: &Engine,
    tool: &ToolId,
    used: &[String],
    keep_fetched: bool,
) -> Result<usize, EngineError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_s = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
    let mut gone = 0;
    for image in engine.loose_images(label::TOOL).await? {
        let id = image.id.trim_start_matches("sha256:");
        let is_anothers = image.labels.get(label::TOOL).map(String::as_str) != Some(tool.as_str());
        let stays = match used.iter().any(|used| id.starts_with(used.as_str())) {
            true => keep_fetched,
            false => image.created_at_s.saturating_add(BUILDING_S) > now_s,
        };
        if is_anothers || stays {
            continue;
        }
        match engine.remove_image(&image.id).await {
            Ok(()) => gone += 1,
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}
