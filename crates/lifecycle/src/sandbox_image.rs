//! The image of sandboxes, built from the template as a machine's is.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use containers::{BuildRequest, CancellationToken, Engine};
use futures_util::future::BoxFuture;

use crate::{
    build::given_certificates,
    context::Context,
    error::LifecycleError,
    machine::{OnProgress, phase},
};

/// Its recipe in a template.
const DOCKERFILE: &str = "docker/sandbox/Dockerfile";

/// A template that has the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxImage {
    template: PathBuf,
}

impl SandboxImage {
    /// `None` if the template has no recipe.
    #[must_use]
    pub fn of(template: &Path) -> Option<Self> {
        let template = template.to_owned();
        template
            .join(DOCKERFILE)
            .is_file()
            .then_some(Self { template })
    }

    /// Builds it under a name. The context is written to a file without a name in `folder`.
    ///
    /// # Errors
    /// [`LifecycleError::File`], or what the engine says.
    pub fn build<'a>(
        &'a self,
        engine: &'a Engine,
        name: &'a str,
        folder: &'a Path,
        cancel: &'a CancellationToken,
        tell: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let mut context = Context::of_sandbox(&self.template)?;
            if let Some(bundle) = given_certificates() {
                context = context.with_certificates(bundle);
            }
            phase(tell, "build");
            let request = BuildRequest {
                context: context.spool(folder)?,
                dockerfile: DOCKERFILE.into(),
                tag: name.into(),
                args: BTreeMap::new(),
                labels: BTreeMap::new(),
            };
            engine.build(request, cancel, tell).await?;
            Ok(())
        })
    }
}
