//! A machine's ups and downs: create, start, stop, remove. `readiness` waits until it answers, `lock`
//! keeps two runs apart.

use std::collections::BTreeMap;

use containers::{CancellationToken, Container, ContainerSpec, Engine};
use futures_util::future::BoxFuture;
use wire::machine::MachineStatus;

use crate::{
    difference::Difference,
    error::LifecycleError,
    init_home,
    machine::{Machine, OnProgress, phase},
    plan::{self, EngineSocket, Placed, STOP_S, Site, label},
    recreate::UpOptions,
    seccomp,
    spec::Executor,
};

impl Machine {
    /// Brings it up: image, container, and an answering kernel.
    ///
    /// If image or spec changed, a stopped container is replaced, and a running one only if
    /// `options` say so; limits are changed in place. Home and mounts stay. The old container is
    /// removed when the new one answers.
    ///
    /// # Errors
    /// All of [`LifecycleError`]; [`LifecycleError::WouldRecreate`] with nothing changed.
    pub fn up<'a>(
        &'a self,
        engine: &'a Engine,
        options: UpOptions,
        cancel: &'a CancellationToken,
        tell: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<MachineStatus, LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            if self.recover_locked(engine, &mut |_| {}).await?.is_some() {
                phase(tell, "recover");
                // Another generation may be in place.
                let after = self.reread()?;
                return after.up_locked(engine, options, cancel, tell).await;
            }
            self.up_locked(engine, options, cancel, tell).await
        })
    }

    async fn up_locked(
        &self,
        engine: &Engine,
        options: UpOptions,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<MachineStatus, LifecycleError> {
        self.make_private();
        // Paths that somebody typed, before a build that takes minutes.
        self.check_repo()?;
        plan::make_sources(&self.spec, &self.paths)?;
        self.check_nesting()?;
        self.recover_recreation(engine).await?;
        if let Some(container) = self.ours(engine).await? {
            self.check_paused(&container)?;
        }
        if !options.recreate {
            self.refuse_early(engine, options.rebuild).await?;
        }
        let built = self
            .ensure_image(engine, options.rebuild, cancel, tell)
            .await;
        let (machine, image_id) = built?;
        machine
            .up_with(engine, &image_id, options.recreate, cancel, tell)
            .await
    }

    async fn up_with(
        &self,
        engine: &Engine,
        image_id: &str,
        recreate: bool,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<MachineStatus, LifecycleError> {
        phase(tell, "create");
        let site = self.site(engine, &self.image(), image_id).await?;
        let mut plan = self.planned(&site)?;
        let mut is_new = false;
        let old = match self.ours(engine).await? {
            Some(container) => {
                let mut comparison = self.compared(engine, &container, &plan, image_id).await?;
                if comparison.limits
                    && comparison.differences.is_empty()
                    && !self.change_limits(engine, &container, &plan).await
                {
                    comparison.differences.push(Difference::Limits);
                }
                if !comparison.differences.is_empty() && container.is_running() && !recreate {
                    return Err(self.would_recreate(comparison.differences));
                }
                (!comparison.differences.is_empty()).then_some(container)
            }
            None => {
                if let Err(error) = self.note_origin() {
                    // Only an evolve needs it, and says what is wrong.
                    tracing::warn!(%error, "the machine's history could not begin");
                }
                self.ensure_surroundings(engine).await?;
                init_home::prepare(self, engine, &plan).await?;
                self.find_ports(engine, &mut plan, &BTreeMap::new());
                engine.create_container(&plan).await?;
                is_new = true;
                None
            }
        };
        match old {
            Some(old) => self.recreate(engine, &old, plan, cancel, tell).await?,
            None => {
                phase(tell, "start");
                match self.start(engine).await {
                    Err(LifecycleError::PortTaken { found: true, .. }) if is_new || recreate => {
                        self.start_elsewhere(engine, plan, cancel, tell).await?;
                    }
                    started => started?,
                }
                self.wait_ready(engine, cancel, tell).await?;
                // Aside until the one in its place answers, if a recreation was cut off.
                self.remove_beside(engine, &self.names.placed(Placed::Old))
                    .await?;
            }
        }
        self.keep_ports(engine).await?;
        phase(tell, "ready");
        self.status(engine).await
    }

    /// Recreates a container that doesn't run because another program has a port which was found for
    /// it: nobody chose that port.
    async fn start_elsewhere(
        &self,
        engine: &Engine,
        mut plan: ContainerSpec,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<(), LifecycleError> {
        let Some(stopped) = self.ours(engine).await? else {
            return Err(self.not_running());
        };
        let named = self.spec.ports.all();
        for (port, named) in plan.ports.iter_mut().zip(named) {
            port.host = named;
        }
        self.recreate(engine, &stopped, plan, cancel, tell).await
    }

    /// Stops it politely; one that is not there is no failure.
    ///
    /// # Errors
    /// [`LifecycleError::Engine`], [`LifecycleError::Busy`].
    pub fn down<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<MachineStatus, LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            self.recover_locked(engine, &mut |_| {}).await?;
            self.recover_recreation(engine).await?;
            if self.ours(engine).await?.is_some() {
                engine.stop_container(&self.names.container, STOP_S).await?;
            }
            self.status(engine).await
        })
    }

    /// Stops and starts it, and waits until its kernel answers.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`] where there is no container.
    pub fn restart<'a>(
        &'a self,
        engine: &'a Engine,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<MachineStatus, LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            self.recover_locked(engine, &mut |_| {}).await?;
            self.recover_recreation(engine).await?;
            if self.ours(engine).await?.is_none() {
                return Err(self.not_running());
            }
            engine.stop_container(&self.names.container, STOP_S).await?;
            self.start(engine).await?;
            self.wait_ready(engine, cancel, &mut |_| {}).await?;
            self.status(engine).await
        })
    }

    /// Removes container and network, and with `home` the home volume.
    ///
    /// # Errors
    /// [`LifecycleError::Engine`], [`LifecycleError::Busy`].
    pub fn remove<'a>(
        &'a self,
        engine: &'a Engine,
        home: bool,
    ) -> BoxFuture<'a, Result<MachineStatus, LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            self.recover_locked(engine, &mut |_| {}).await?;
            if let Some(container) = self.ours(engine).await? {
                if container.is_running() {
                    engine.stop_container(&self.names.container, STOP_S).await?;
                }
                engine.remove_container(&self.names.container).await?;
            }
            for beside in [Placed::New, Placed::Old] {
                self.remove_beside(engine, &self.names.placed(beside))
                    .await?;
            }
            engine.remove_network(&self.names.network()).await?;
            if home {
                engine.remove_volume(&self.names.home_volume()).await?;
            }
            self.status(engine).await
        })
    }

    /// What a plan takes from this computer and the engine.
    pub(crate) async fn site(
        &self,
        engine: &Engine,
        image: &str,
        image_id: &str,
    ) -> Result<Site, LifecycleError> {
        let user_namespace = user_namespace(engine).await?;
        let seccomp = if engine.is_podman() {
            seccomp::file(&self.paths.machine_dir(&self.names.machine))?
        } else {
            seccomp::inline()
        };
        let socket = (self.spec.executor == Executor::Socket)
            .then(|| EngineSocket::find(&engine.info().endpoint, user_namespace.is_some()));
        let repo = self.ensure_repo()?;
        Ok(Site {
            history: self.shown_history(&repo)?,
            repo,
            image: image.into(),
            image_id: image_id.into(),
            seccomp,
            socket,
            podman: engine.is_podman(),
            user_namespace,
        })
    }

    pub(crate) async fn start(&self, engine: &Engine) -> Result<(), LifecycleError> {
        if self
            .ours(engine)
            .await?
            .is_some_and(|container| container.is_running())
        {
            return Ok(());
        }
        let (port, source) = match self.taken_port(engine, &[]) {
            Some(port) => (port, None),
            None => match engine.start_container(&self.names.container).await {
                Ok(()) => return Ok(()),
                Err(error) => match error.taken_port() {
                    Some(port) => (port, Some(error)),
                    None => return Err(error.into()),
                },
            },
        };
        Err(self.port_taken(engine, port, source).await)
    }

    /// Its container, where there is one; a stranger's of the same name is a failure.
    pub(crate) async fn ours(&self, engine: &Engine) -> Result<Option<Container>, LifecycleError> {
        let mut found = engine.container(&self.names.container).await?;
        if found.is_none() && self.spec.id() != self.spec.name && self.self_container.is_none() {
            found = self.take_new_name(engine).await?;
        }
        if self.self_container.is_some() {
            // Whoever made it set no labels of ours; its name is known from itself.
            return Ok(found);
        }
        match found {
            Some(container)
                if container.labels.get(label::MACHINE) != Some(&self.names.machine) =>
            {
                Err(LifecycleError::Foreign {
                    name: self.names.container.clone(),
                })
            }
            found => Ok(found),
        }
    }
}

/// Whether machines can run at this engine.
///
/// # Errors
/// [`LifecycleError::Far`], [`LifecycleError::Rootless`], [`LifecycleError::Engine`].
pub async fn suits(engine: &Engine) -> Result<(), LifecycleError> {
    user_namespace(engine).await.map(|_| ())
}

/// How the machine's user keeps their id with an engine that has a user namespace around all
/// containers; `None` where it has none.
async fn user_namespace(engine: &Engine) -> Result<Option<&'static str>, LifecycleError> {
    if !engine.is_local() {
        return Err(LifecycleError::Far {
            endpoint: engine.info().endpoint.clone(),
        });
    }
    match engine.is_rootless().await? {
        false => Ok(None),
        true if engine.is_podman() => Ok(Some("keep-id")),
        true => Err(LifecycleError::Rootless {
            engine: engine.info().name.clone(),
        }),
    }
}
