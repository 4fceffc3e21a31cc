//! What an engine can do beyond what every one can.

use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

/// What an engine offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFeatures {
    /// Names of its runtimes, such as `runc` and `runsc`.
    pub runtimes: Vec<String>,
    /// Whether it knows of graphics cards.
    pub has_gpu: bool,
    /// Memory of its computer.
    pub memory_bytes: Option<u64>,
}

impl Engine {
    /// Asks for them.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn features<'a>(&'a self) -> BoxFuture<'a, Result<EngineFeatures, EngineError>> {
        Box::pin(async move {
            let info = self.docker.info().await;
            let info = info.map_err(|error| {
                EngineError::from_bollard("read the engine's information", error)
            })?;
            let mut runtimes: Vec<String> = info.runtimes.unwrap_or_default().into_keys().collect();
            runtimes.sort();
            // Docker tells of CDI devices since 28; before, of NVIDIA's runtime alone.
            let has_device = info
                .discovered_devices
                .is_some_and(|devices| !devices.is_empty());
            Ok(EngineFeatures {
                has_gpu: has_device || runtimes.iter().any(|name| name == "nvidia"),
                runtimes,
                memory_bytes: info.mem_total.and_then(|bytes| bytes.try_into().ok()),
            })
        })
    }
}
