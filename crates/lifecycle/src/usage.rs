//! What a machine uses of this computer.

use containers::{Engine, Usage};
use futures_util::future::BoxFuture;
use wire::machine::MachineDisk;

use crate::{error::LifecycleError, machine::Machine};

impl Machine {
    /// Processor, memory and processes at this moment.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`], [`LifecycleError::Engine`].
    pub fn usage<'a>(&'a self, engine: &'a Engine) -> BoxFuture<'a, Result<Usage, LifecycleError>> {
        Box::pin(async move {
            match engine.usage(&self.names.container).await {
                Ok(Some(usage)) => Ok(Usage {
                    // Podman does not tell it.
                    pids_limit: usage.pids_limit.or(Some(self.spec.limits.pids.into())),
                    ..usage
                }),
                Ok(None) => Err(self.not_running()),
                Err(error) if error.is_not_found() => Err(self.not_running()),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// What it takes of the disk; of its home only where it runs. May take seconds where the home
    /// is large.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`] where there is no container, [`LifecycleError::Engine`].
    pub fn disk<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<MachineDisk, LifecycleError>> {
        Box::pin(async move {
            let Some(container) = self.ours(engine).await? else {
                return Err(self.not_running());
            };
            let image = engine.image(&container.image_id).await?;
            let written_bytes = match engine.written_bytes(&self.names.container).await {
                Err(error) if error.is_not_found() => return Err(self.not_running()),
                written => written?,
            };
            Ok(MachineDisk {
                image_bytes: image.map(|image| image.size_bytes),
                written_bytes,
                home_bytes: self.home_bytes(engine).await?,
            })
        })
    }

    /// Size of the home volume: only what runs inside can look into it on every engine.
    async fn home_bytes(&self, engine: &Engine) -> Result<Option<u64>, LifecycleError> {
        let ask = ["du", "-sx", "--block-size=1", "/root"];
        let told = match engine.exec(&self.names.container, &ask, Some("root")).await {
            Ok(told) => told,
            // Asked afterwards, not before: it may stop at any moment.
            Err(error) => {
                let container = engine.container(&self.names.container).await?;
                return match container {
                    Some(container) if container.is_running() => Err(error.into()),
                    _ => Ok(None),
                };
            }
        };
        // Files that go away meanwhile make it fail, and its sum is still good.
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        Ok(text
            .split_whitespace()
            .next()
            .and_then(|bytes| bytes.parse().ok()))
    }
}
