//! The container of a machine that was renamed gets the new name when it is looked at.

use containers::{Container, Engine};

use crate::{error::LifecycleError, machine::Machine, plan::label};

impl Machine {
    /// The container of a machine that was renamed, if it still has its earlier name: it gets the new one.
    pub(crate) async fn take_new_name(
        &self,
        engine: &Engine,
    ) -> Result<Option<Container>, LifecycleError> {
        let beside = |name: &str| {
            ["-next", "-new", "-old", "-handover"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        for name in engine
            .containers_labelled(label::MACHINE, &self.names.machine)
            .await?
        {
            let Some(container) = engine.container(&name).await? else {
                continue;
            };
            let ours = container.labels.get(label::INSTANCE) == Some(&self.names.instance);
            if ours && !beside(&name) {
                engine
                    .rename_container(&container.id, &self.names.container)
                    .await?;
                return Ok(engine.container(&self.names.container).await?);
            }
        }
        Ok(None)
    }
}
