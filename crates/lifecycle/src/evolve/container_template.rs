//! How the containers of a run are made: after the machine's spec, or, where the machine is seen
//! from inside, like the container that is there.

use containers::{Bind, Blueprint, ContainerSpec, Engine};

use super::run::Run;
use crate::{
    error::LifecycleError,
    init_home,
    machine::Machine,
    plan::{self, label},
    self_container::SOCKET,
};

/// A container that is to be made.
pub(super) enum ContainerTemplate {
    /// After the spec.
    Spec(Box<ContainerSpec>),
    /// Like another one.
    Like(Box<Blueprint>),
}

impl ContainerTemplate {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Spec(plan) => &plan.name,
            Self::Like(blueprint) => &blueprint.name,
        }
    }

    /// Gives it another name; answers the one before.
    pub(super) fn rename(&mut self, name: String) -> String {
        let place = match self {
            Self::Spec(plan) => &mut plan.name,
            Self::Like(blueprint) => &mut blueprint.name,
        };
        std::mem::replace(place, name)
    }

    /// Any free port instead of this one; answers whether it was published.
    pub(super) fn free_port(&mut self, port: u16) -> bool {
        match self {
            Self::Spec(plan) => {
                let mut ports = plan.ports.iter_mut();
                let Some(taken) = ports.find(|published| published.host == port) else {
                    return false;
                };
                taken.host = 0;
                // By another digest `up` sees that this is not what the spec says.
                plan.labels
                    .insert(label::PLAN.into(), "another port".into());
                true
            }
            Self::Like(blueprint) => {
                let was_published = blueprint.free_port(port);
                if was_published && blueprint.labels().contains_key(label::PLAN) {
                    blueprint.set_label(label::PLAN, "another port");
                }
                was_published
            }
        }
    }

    /// What has to be prepared before its first life.
    pub(super) async fn prepare(
        &self,
        machine: &Machine,
        engine: &Engine,
    ) -> Result<(), LifecycleError> {
        match self {
            Self::Spec(plan) => init_home::prepare(machine, engine, plan).await,
            Self::Like(_) => Ok(()),
        }
    }

    pub(super) async fn create(&self, engine: &Engine) -> Result<String, LifecycleError> {
        Ok(match self {
            Self::Spec(plan) => engine.create_container(plan).await?,
            Self::Like(blueprint) => engine.create_like(blueprint).await?,
        })
    }
}

impl Run<'_> {
    /// The machine's container of this image: as `up` would make it, or like `container`.
    pub(super) async fn template(
        &self,
        container: &str,
        image: &str,
        image_id: &str,
    ) -> Result<ContainerTemplate, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        if let Some(self_container) = &machine.self_container {
            let like = machine
                .like(engine, self_container, container, image, image_id)
                .await?;
            return Ok(ContainerTemplate::Like(Box::new(like)));
        }
        let site = machine.site(engine, image, image_id).await?;
        let plan = plan::container(&machine.spec, &machine.names, &machine.paths, &site);
        Ok(ContainerTemplate::Spec(Box::new(plan)))
    }

    /// A candidate like the machine's container, with nothing that it could harm: no socket, no
    /// `/data`, a home of its own, everything else read-only.
    pub(super) async fn candidate_like(
        &self,
        name: &str,
        home: String,
    ) -> Result<ContainerTemplate, LifecycleError> {
        let machine = self.machine;
        let Some(self_container) = &machine.self_container else {
            return Err(LifecycleError::NotInside);
        };
        let image = self.file.image.as_deref().unwrap_or_default();
        let image_id = self.file.image_id.as_deref().unwrap_or_default();
        let old = self.file.old.as_ref().map_or("", |old| &old.id);
        let mut like = machine
            .like(self.engine, self_container, old, image, image_id)
            .await?;
        name.clone_into(&mut like.name);
        let mounts = like.mounts().to_vec();
        let harmless = mounts
            .into_iter()
            .filter_map(|mount| match mount.target.as_str() {
                "/data" | SOCKET | "/run/docker.sock" => None,
                "/root" => Some(Bind {
                    source: home.clone(),
                    read_only: false,
                    ..mount
                }),
                _ => Some(Bind {
                    read_only: true,
                    ..mount
                }),
            });
        let harmless: Vec<Bind> = harmless.collect();
        like.for_trial(&machine.names.labels(), &harmless);
        like.set_variable("VIVARIUM_CANDIDATE", "1");
        Ok(ContainerTemplate::Like(Box::new(like)))
    }
}
