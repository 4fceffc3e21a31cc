//! Which container engine: the one in use, those that could be, and a try of one.

use lifecycle::{EngineChoice, LifecycleError};
use wire::{failure::Failure, machine::EngineInfo};

use crate::App;

impl App {
    /// Connects once to an engine chosen by hand (empty: to the one that is found by itself).
    pub(crate) async fn test_engine(&self, engine: &str) -> Result<EngineInfo, Failure> {
        let engine = EngineChoice::test(engine)
            .await
            .map_err(LifecycleError::from)?;
        Ok(engine.info().clone())
    }

    /// Takes the settings' engine from now on, unless one was told at the start.
    pub(crate) fn choose_engine(&self, engine: Option<String>) {
        if !self.inner.engine_is_told {
            self.inner.shared.options.engine.set(engine);
        }
    }
}
