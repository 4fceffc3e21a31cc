//! What the machine's supervisor runs, as views see it.

use wire::{
    body::ServiceList,
    commands::{Nothing, ServiceName},
    failure::Failure,
    log::LogLines,
    routes::{ListServices, ReadServiceLog, RestartService},
};

use crate::MachineHandle;

impl MachineHandle {
    pub(crate) async fn service_list(&self, _: Nothing) -> Result<ServiceList, Failure> {
        self.call::<ListServices>((), &()).await
    }

    pub(crate) async fn service_restart(&self, request: ServiceName) -> Result<Nothing, Failure> {
        self.call::<RestartService>(request.name, &()).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn service_log(&self, request: ServiceName) -> Result<LogLines, Failure> {
        let page = self.call::<ReadServiceLog>(request.name, &()).await?;
        Ok(LogLines {
            lines: page.text.lines().map(str::to_owned).collect(),
        })
    }
}
