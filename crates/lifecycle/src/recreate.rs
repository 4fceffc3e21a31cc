//! How `up` puts another container in the place of the machine's. The old one is removed when the
//! new one answers, and put back if that fails; what was cut off in between is seen by the names
//! beside the machine's own.

use std::time::Duration;

use containers::{CancellationToken, Container, ContainerSpec, Engine};

use crate::{
    difference::{Comparison, Difference, compare},
    error::LifecycleError,
    init_home,
    machine::{Machine, OnProgress, phase},
    plan::{self, Placed, STOP_S, Site},
};

/// How long a port may take to be free again after the old container's end.
const PORT: Duration = Duration::from_secs(5);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(200);

/// What `up` may do beyond starting what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpOptions {
    /// Build the image even if it is current.
    pub rebuild: bool,
    /// Replace a container that runs, with all that is lost by it.
    pub recreate: bool,
}

impl Machine {
    /// Refuses what would replace a running container, before anything is built for it.
    pub(crate) async fn refuse_early(
        &self,
        engine: &Engine,
        rebuild: bool,
    ) -> Result<(), LifecycleError> {
        let Some(container) = self.ours(engine).await?.filter(Container::is_running) else {
            return Ok(());
        };
        let image_id = &container.image_id;
        let site = self.site(engine, &self.image(), image_id).await?;
        let plan = self.planned(&site)?;
        let comparison = self.compared(engine, &container, &plan, image_id).await?;
        let mut differences = comparison.differences;
        // The generation is left for the template: not to be decided by a build.
        if self.current.is_some() && (rebuild || engine.image(&self.image()).await?.is_none()) {
            differences.insert(0, Difference::Image);
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(self.would_recreate(differences))
    }

    /// Changes limits in place; answers whether the engine could.
    pub(crate) async fn change_limits(
        &self,
        engine: &Engine,
        container: &Container,
        plan: &ContainerSpec,
    ) -> bool {
        let changed = engine.set_limits(&container.id, &container.limits, &plan.limits);
        match changed.await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "limits could not be changed in place");
                false
            }
        }
    }

    pub(crate) fn would_recreate(&self, differences: Vec<Difference>) -> LifecycleError {
        LifecycleError::WouldRecreate {
            name: self.names.container.clone(),
            differences,
        }
    }

    /// Compares a container with its plan. A memory limit below what is in use now would have the
    /// kernel end processes, so it is not changed in place.
    pub(crate) async fn compared(
        &self,
        engine: &Engine,
        container: &Container,
        plan: &ContainerSpec,
        image_id: &str,
    ) -> Result<Comparison, LifecycleError> {
        let mut container = container.clone();
        // The engine can't take a limit away: one of all that there is stands for none.
        if container.limits.memory_bytes.is_some() || container.limits.cpus.is_some() {
            let (all, limits) = (engine.most().await?, &mut container.limits);
            limits.memory_bytes = limits.memory_bytes.filter(|bytes| {
                plan.limits.memory_bytes.is_some() || Some(*bytes) < all.memory_bytes
            });
            limits.cpus = limits
                .cpus
                .filter(|cpus| plan.limits.cpus.is_some() || Some(*cpus) < all.cpus);
        }
        let mut comparison = compare(&container, plan, image_id);
        let lowered = match (container.limits.memory_bytes, plan.limits.memory_bytes) {
            (Some(now), Some(wanted)) => (wanted < now).then_some(wanted),
            (None, wanted) => wanted,
            (Some(_), None) => None,
        };
        if let Some(wanted) = lowered
            && comparison.limits
            && container.is_running()
            && let Some(usage) = engine.usage(&container.id).await?
            && usage.memory_bytes >= wanted
        {
            comparison.limits = false;
            comparison.differences.push(Difference::Limits);
        }
        Ok(comparison)
    }

    /// Makes the new container and puts it in the old one's place; the old one is removed when the
    /// new one answers.
    pub(crate) async fn recreate(
        &self,
        engine: &Engine,
        old: &Container,
        mut plan: ContainerSpec,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<(), LifecycleError> {
        let held: Vec<u16> = old.ports.values().copied().collect();
        if let Some(port) = self.taken_port(engine, &held) {
            return Err(self.port_taken(engine, port, None).await);
        }
        self.ensure_surroundings(engine).await?;
        init_home::prepare(self, engine, &plan).await?;
        self.find_ports(engine, &mut plan, &old.ports);
        let beside = self.names.placed(Placed::New);
        self.remove_beside(engine, &beside).await?;
        plan.name.clone_from(&beside);
        let new = engine.create_container(&plan).await?;
        phase(tell, "start");
        let placed = async {
            self.place(engine, old, &new).await?;
            self.start_soon(engine).await?;
            self.wait_ready(engine, cancel, tell).await
        };
        match placed.await {
            Ok(()) => Ok(self
                .remove_beside(engine, &self.names.placed(Placed::Old))
                .await?),
            Err(error) => Err(self.put_back(engine, old, &new, error).await),
        }
    }

    /// Stops the old container and gives its name to the new one.
    async fn place(
        &self,
        engine: &Engine,
        old: &Container,
        new: &str,
    ) -> Result<(), LifecycleError> {
        if old.is_running() {
            engine.stop_container(&old.id, STOP_S).await?;
        }
        let aside = self.names.placed(Placed::Old);
        if engine.container(&aside).await?.is_some() {
            // A recreation before this was cut off: what lies aside is what people worked in, and
            // the one in place has never answered.
            engine.remove_container(&old.id).await?;
        } else {
            engine.rename_container(&old.id, &aside).await?;
        }
        Ok(engine.rename_container(new, &self.names.container).await?)
    }

    /// The old container's ports are free a moment after its end.
    async fn start_soon(&self, engine: &Engine) -> Result<(), LifecycleError> {
        let deadline = tokio::time::Instant::now() + PORT;
        loop {
            match self.start(engine).await {
                Err(LifecycleError::PortTaken { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOOK).await;
                }
                ended => return ended,
            }
        }
    }

    /// Removes the new container and puts the old one back; what is told of it is what was done.
    async fn put_back(
        &self,
        engine: &Engine,
        old: &Container,
        new: &str,
        error: LifecycleError,
    ) -> LifecycleError {
        let back = async {
            engine.remove_container(new).await?;
            self.recover_recreation(engine).await?;
            if old.is_running() {
                engine.start_container(&self.names.container).await?;
            }
            let found = self.ours(engine).await?;
            Ok::<_, LifecycleError>(found.is_some_and(|found| found.is_running()))
        };
        match back.await {
            Ok(runs) => LifecycleError::NotRecreated {
                failure: error.into(),
                runs,
            },
            Err(worse) => {
                tracing::warn!(%error, "the new container did not come up");
                LifecycleError::NotUndone {
                    failure: worse.into(),
                }
            }
        }
    }

    /// Gives the old container its name back after a recreation that was cut off before the new
    /// one had it, and removes what was made beside it.
    pub(crate) async fn recover_recreation(&self, engine: &Engine) -> Result<(), LifecycleError> {
        if self.self_container.is_some() {
            return Ok(());
        }
        self.remove_beside(engine, &self.names.placed(Placed::New))
            .await?;
        if self.ours(engine).await?.is_none()
            && let Some(old) = engine.container(&self.names.placed(Placed::Old)).await?
            && old.labels.get(plan::label::MACHINE) == Some(&self.names.machine)
        {
            engine
                .rename_container(&old.id, &self.names.container)
                .await?;
        }
        Ok(())
    }

    /// Network and home volume.
    pub(crate) async fn ensure_surroundings(&self, engine: &Engine) -> Result<(), LifecycleError> {
        let labels = self.names.labels();
        engine
            .ensure_network(&self.names.network(), &labels)
            .await?;
        engine
            .ensure_volume(&self.names.home_volume(), &labels)
            .await?;
        Ok(())
    }

    /// The container that the spec asks for, with what lies on this computer for it.
    pub(crate) fn planned(&self, site: &Site) -> Result<ContainerSpec, LifecycleError> {
        let plan = plan::container(&self.spec, &self.names, &self.paths, site);
        self.paths.ensure_secrets(&self.names.machine)?;
        plan::make_sources(&self.spec, &self.paths)?;
        if site.socket.is_some() {
            self.give_certificates()?;
        }
        Ok(plan)
    }
}
