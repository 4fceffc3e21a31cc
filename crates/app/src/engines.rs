//! Which container engine: the one in use, those that could be, and a try of one.

use lifecycle::{EngineChoice, LifecycleError};
use wire::{
    commands::{EngineList, EngineTestRequest, Nothing},
    failure::Failure,
    machine::EngineInfo,
};

use crate::App;

impl App {
    pub(crate) async fn engine_info(&self, _: Nothing) -> Result<EngineInfo, Failure> {
        Ok(self.connect().await?.info().clone())
    }

    pub(crate) async fn engine_list(&self, _: Nothing) -> Result<EngineList, Failure> {
        Ok(EngineList {
            engines: EngineChoice::candidates(),
        })
    }

    /// Connects once to an engine chosen by hand (empty: to the one that is found by itself).
    pub(crate) async fn engine_test(
        &self,
        request: EngineTestRequest,
    ) -> Result<EngineInfo, Failure> {
        let engine = EngineChoice::test(&request.engine)
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
