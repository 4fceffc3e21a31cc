//! The machine's generations: what they changed, their names, and which are kept.

use wire::{
    commands::Nothing,
    evolve::{GenerationKeep, GenerationList, GenerationName, GenerationNumber, RepoDiff},
    failure::Failure,
    stream::Event,
};

use crate::MachineHandle;

impl MachineHandle {
    pub(crate) async fn generation_list(&self, _: Nothing) -> Result<GenerationList, Failure> {
        let engine = self.connect().await?;
        Ok(self.machine()?.generations(&engine).await?)
    }

    pub(crate) async fn generation_diff(
        &self,
        request: GenerationNumber,
    ) -> Result<RepoDiff, Failure> {
        Ok(self.machine()?.generation_diff(request.number).await?)
    }

    pub(crate) async fn generation_keep(
        &self,
        request: GenerationKeep,
    ) -> Result<GenerationList, Failure> {
        self.machine()?
            .keep_generation(request.number, request.kept)?;
        self.changed_generations().await
    }

    pub(crate) async fn generation_name(
        &self,
        request: GenerationName,
    ) -> Result<GenerationList, Failure> {
        self.machine()?
            .name_generation(request.number, &request.name)?;
        self.changed_generations().await
    }

    pub(crate) async fn generation_remove(
        &self,
        request: GenerationNumber,
    ) -> Result<GenerationList, Failure> {
        let engine = self.connect().await?;
        self.machine()?
            .remove_generation(&engine, request.number)
            .await?;
        self.changed_generations().await
    }

    /// Tells that they changed, and which they are.
    async fn changed_generations(&self) -> Result<GenerationList, Failure> {
        self.inner.journal.publish(Event::Generations);
        self.generation_list(Nothing {}).await
    }
}
