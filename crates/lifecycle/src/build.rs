//! A machine's image: whether it is current, its base, its build.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use containers::{BuildRequest, CancellationToken, Engine, EngineError};
use futures_util::future::BoxFuture;
use wire::machine::Progress;

use crate::{
    context::Context,
    error::LifecycleError,
    evolve::{read_json, write_json},
    machine::{Machine, OnProgress, phase},
    plan::label,
    prune::prune,
    spec::Executor,
};

/// How long a base image's pull may be silent or last.
const PULL: Duration = Duration::from_secs(600);

/// A duration as people say it: `40 s`, `5 min 20 s`.
fn words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

impl Machine {
    /// Builds the image where it is missing or stale, or where `rebuild` says so; answers its id.
    ///
    /// # Errors
    /// [`LifecycleError::NoBase`], [`EngineError::Build`], [`LifecycleError::Cancelled`],
    /// [`LifecycleError::Busy`].
    pub fn build<'a>(
        &'a self,
        engine: &'a Engine,
        rebuild: bool,
        cancel: &'a CancellationToken,
        tell: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<String, LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            let built = self.ensure_image(engine, rebuild, cancel, tell).await?;
            Ok(built.1)
        })
    }

    /// As [`build`](Self::build), for those who hold the lock; with the machine as it is then. One
    /// that evolved keeps its generation's image; a rebuild makes it from the template again.
    pub(crate) async fn ensure_image(
        &self,
        engine: &Engine,
        rebuild: bool,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<(Self, String), LifecycleError> {
        if self.current.is_none() {
            let id = self.template_image(engine, rebuild, cancel, tell).await?;
            return Ok((self.clone(), id));
        }
        if !rebuild && let Some(image) = engine.image(&self.image()).await? {
            return Ok((self.clone(), image.id));
        }
        if !rebuild {
            let text = format!(
                "The image {} was deleted: the machine is rebuilt from the template.",
                self.image()
            );
            tell(Progress::Line { text });
        }
        let id = self.template_image(engine, rebuild, cancel, tell).await?;
        let mut all = self.read_generations()?;
        all.current = None;
        self.write_generations(&all)?;
        Ok((self.reread()?, id))
    }

    async fn template_image(
        &self,
        engine: &Engine,
        rebuild: bool,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<String, LifecycleError> {
        let present = engine.image(&self.names.image).await?;
        if reused() {
            return present
                .map(|image| image.id)
                .ok_or_else(|| LifecycleError::NoBase {
                    base: self.names.image.clone(),
                    cause: "the image set in VIVARIUM_IMAGE does not exist".into(),
                    script: self.base_script(),
                });
        }
        let (context, args, digest) = self.inputs()?;
        if let Some(image) =
            present.filter(|image| !rebuild && image.labels.get(label::INPUTS) == Some(&digest))
        {
            return Ok(image.id);
        }
        phase(tell, "base");
        self.ensure_base(engine, cancel, tell).await?;
        phase(tell, "build");
        let took = self
            .paths
            .machine_dir(&self.names.machine)
            .join("last_build.json");
        if let Ok(Some(seconds)) = read_json::<u64>(&took) {
            let text = format!("The last build took {}.", words(seconds));
            tell(Progress::Line { text });
        }
        let begun = Instant::now();
        let mut labels = self.names.labels();
        labels.insert(label::INPUTS.into(), digest);
        let request = BuildRequest {
            context: context.spool(&self.exports_dir()?)?,
            dockerfile: "body/Dockerfile".into(),
            tag: self.names.image.clone(),
            args,
            labels,
        };
        let built = engine.build(request, cancel, tell).await?;
        if let Err(error) = write_json(&took, &begun.elapsed().as_secs()) {
            tracing::debug!(%error, "how long the build took can't be kept");
        }
        self.prune(engine, &built.steps).await;
        Ok(built.id)
    }

    /// What can't be removed now is removed after a later build.
    pub(crate) async fn prune(&self, engine: &Engine, used: &[String]) {
        let generations = usize::try_from(self.spec.generations_to_keep).unwrap_or(usize::MAX);
        match prune(engine, &self.names, generations, used).await {
            Ok(gone) => tracing::debug!(gone, "older images were removed"),
            Err(error) => tracing::warn!(%error, "older images could not be removed"),
        }
    }

    /// Context, build arguments and their digest.
    pub(crate) fn inputs(
        &self,
    ) -> Result<(Context, BTreeMap<String, String>, String), LifecycleError> {
        self.with_arguments(Context::collect(&self.template)?)
    }

    /// A context with the build arguments of this machine, and their digest.
    pub(crate) fn with_arguments(
        &self,
        mut context: Context,
    ) -> Result<(Context, BTreeMap<String, String>, String), LifecycleError> {
        if let Some(bundle) = given_certificates() {
            context = context.with_certificates(bundle);
        }
        if self.spec.executor == Executor::Socket && self.self_container.is_none() {
            context = context.with_prebuilt(&self.template, "body-evolve")?;
        }
        let mut args = BTreeMap::from([("BASE".to_owned(), self.spec.base.clone())]);
        if context.prebuilt {
            // Nothing is compiled: the builder need not have a compiler.
            args.insert("BUILDER".into(), self.spec.base.clone());
        }
        if self.spec.executor == Executor::Socket {
            // A socket is of no use without clients: Docker's own, and what evolves by it.
            args.insert("DOCKER_CLI".into(), "1".into());
        }
        let digest = context.digest(args.iter())?;
        Ok((context, args, digest))
    }

    pub(crate) async fn ensure_base(
        &self,
        engine: &Engine,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<(), LifecycleError> {
        let base = &self.spec.base;
        if engine.image(base).await?.is_some() {
            return Ok(());
        }
        let cause = match tokio::time::timeout(PULL, engine.pull(base, cancel, tell)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(EngineError::Cancelled)) => return Err(LifecycleError::Cancelled),
            Ok(Err(EngineError::Api { message, .. })) => message,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the pull took longer than {} minutes", PULL.as_secs() / 60),
        };
        Err(LifecycleError::NoBase {
            base: base.clone(),
            cause,
            script: self.base_script(),
        })
    }

    fn base_script(&self) -> PathBuf {
        self.template.join("docker/base/make-debian.sh")
    }
}

/// Of a network that inspects TLS, where the environment names them.
pub(crate) fn given_certificates() -> Option<PathBuf> {
    let bundle = std::env::var_os("VIVARIUM_BUILD_CA").filter(|path| !path.is_empty());
    bundle.map(PathBuf::from)
}

/// Whether an image is given from outside (tests), so that none is built.
pub(crate) fn reused() -> bool {
    std::env::var_os("VIVARIUM_IMAGE").is_some_and(|image| !image.is_empty())
}
