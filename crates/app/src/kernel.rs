//! Commands about the main kernel itself. Its cells are the notebook's.

use wire::{
    body::{CompleteAnswer, InputRequest, InspectAnswer, KernelChoice, VariablesAnswer},
    commands::{KernelCursor, KernelInputRequest, KernelInterruptRequest, Nothing},
    failure::Failure,
    routes::{AnswerInput, Complete, Inspect, InterruptKernel, ListVariables, RestartKernel},
};

use crate::MachineHandle;

impl MachineHandle {
    pub(crate) async fn kernel_interrupt(
        &self,
        request: KernelInterruptRequest,
    ) -> Result<Nothing, Failure> {
        match request.execution_id {
            Some(execution_id) => self.end_cell(&execution_id).await?,
            None => {
                self.call::<InterruptKernel>((), &KernelChoice::default())
                    .await?;
            }
        }
        Ok(Nothing {})
    }

    pub(crate) async fn kernel_restart(&self, _: Nothing) -> Result<Nothing, Failure> {
        self.call::<RestartKernel>((), &KernelChoice::default())
            .await?;
        Ok(Nothing {})
    }

    pub(crate) async fn kernel_input(
        &self,
        request: KernelInputRequest,
    ) -> Result<Nothing, Failure> {
        let input = InputRequest {
            value: request.value,
        };
        self.call::<AnswerInput>(request.execution_id, &input)
            .await?;
        Ok(Nothing {})
    }

    pub(crate) async fn kernel_complete(
        &self,
        place: KernelCursor,
    ) -> Result<CompleteAnswer, Failure> {
        self.call::<Complete>((), &place.into()).await
    }

    pub(crate) async fn kernel_inspect(
        &self,
        place: KernelCursor,
    ) -> Result<InspectAnswer, Failure> {
        self.call::<Inspect>((), &place.into()).await
    }

    pub(crate) async fn kernel_variables(&self, _: Nothing) -> Result<VariablesAnswer, Failure> {
        self.call::<ListVariables>((), &()).await
    }
}
