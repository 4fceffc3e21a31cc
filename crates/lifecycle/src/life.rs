//! A machine's ups and downs: create, start, wait until it answers, stop, remove.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    time::Duration,
};

use dock::{CancellationToken, Container, ContainerState, Dock};
use wire::machine::MachineStatus;

use crate::{
    error::LifecycleError,
    handover,
    http::{Ping, ping},
    machine::{Machine, Tell, phase},
    paths::{make_dir_like_above, own_like_folder},
    plan::{self, EngineSocket, KERNEL_PORT, STOP_S, Site, label},
    ports::listening_process,
    seccomp,
    spec::Executor,
};

/// How long the kernel may take to answer.
pub(crate) const READY: Duration = Duration::from_secs(90);
/// Between two looks at a machine that starts.
const LOOK: Duration = Duration::from_millis(50);

impl Machine {
    /// Brings it up: image, container, and an answering kernel.
    ///
    /// The container is made anew where image or spec changed; home and mounts stay.
    ///
    /// # Errors
    /// All of [`LifecycleError`].
    pub async fn up(
        &self,
        dock: &Dock,
        rebuild: bool,
        cancel: &CancellationToken,
        tell: Tell<'_>,
    ) -> Result<MachineStatus, LifecycleError> {
        let _lock = self.lock()?;
        if self.recover_locked(dock, &mut |_| {}).await?.is_some() {
            phase(tell, "recover");
            // Another generation may be in place.
            let after = self.reread()?;
            return after.up_locked(dock, rebuild, cancel, tell).await;
        }
        self.up_locked(dock, rebuild, cancel, tell).await
    }

    async fn up_locked(
        &self,
        dock: &Dock,
        rebuild: bool,
        cancel: &CancellationToken,
        tell: Tell<'_>,
    ) -> Result<MachineStatus, LifecycleError> {
        self.make_private();
        let (machine, image_id) = self.ensure_image(dock, rebuild, cancel, tell).await?;
        machine.up_with(dock, &image_id, cancel, tell).await
    }

    async fn up_with(
        &self,
        dock: &Dock,
        image_id: &str,
        cancel: &CancellationToken,
        tell: Tell<'_>,
    ) -> Result<MachineStatus, LifecycleError> {
        phase(tell, "create");
        self.create(dock, image_id).await?;
        phase(tell, "start");
        self.start(dock).await?;
        self.wait_ready(dock, cancel).await?;
        phase(tell, "ready");
        self.status(dock).await
    }

    /// Stops it politely; one that is not there is no failure.
    ///
    /// # Errors
    /// [`LifecycleError::Dock`], [`LifecycleError::Busy`].
    pub async fn down(&self, dock: &Dock) -> Result<MachineStatus, LifecycleError> {
        let _lock = self.lock()?;
        self.recover_locked(dock, &mut |_| {}).await?;
        if self.ours(dock).await?.is_some() {
            dock.stop_container(&self.names.container, STOP_S).await?;
        }
        self.status(dock).await
    }

    /// Stops and starts it, and waits until its kernel answers.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`] where there is no container.
    pub async fn restart(
        &self,
        dock: &Dock,
        cancel: &CancellationToken,
    ) -> Result<MachineStatus, LifecycleError> {
        let _lock = self.lock()?;
        self.recover_locked(dock, &mut |_| {}).await?;
        if self.ours(dock).await?.is_none() {
            return Err(self.not_running());
        }
        dock.stop_container(&self.names.container, STOP_S).await?;
        self.start(dock).await?;
        self.wait_ready(dock, cancel).await?;
        self.status(dock).await
    }

    /// Removes container and network, and with `home` the home volume.
    ///
    /// # Errors
    /// [`LifecycleError::Dock`], [`LifecycleError::Busy`].
    pub async fn remove(&self, dock: &Dock, home: bool) -> Result<MachineStatus, LifecycleError> {
        let _lock = self.lock()?;
        self.recover_locked(dock, &mut |_| {}).await?;
        if let Some(container) = self.ours(dock).await? {
            if container.is_running() {
                dock.stop_container(&self.names.container, STOP_S).await?;
            }
            dock.remove_container(&self.names.container).await?;
        }
        dock.remove_network(&self.names.network()).await?;
        if home {
            dock.remove_volume(&self.names.home_volume()).await?;
        }
        self.status(dock).await
    }

    /// What a plan takes from this computer and the engine.
    pub(crate) async fn site(
        &self,
        dock: &Dock,
        image: &str,
        image_id: &str,
    ) -> Result<Site, LifecycleError> {
        let user_namespace = user_namespace(dock).await?;
        let seccomp = if dock.is_podman() {
            seccomp::file(&self.paths.machine_dir(&self.names.machine))?
        } else {
            seccomp::inline()
        };
        let socket = (self.spec.executor == Executor::Socket)
            .then(|| EngineSocket::find(&dock.info().endpoint, user_namespace.is_some()));
        let repo = self.ensure_repo()?;
        Ok(Site {
            repo,
            image: image.into(),
            image_id: image_id.into(),
            seccomp,
            socket,
            podman: dock.is_podman(),
            user_namespace,
        })
    }

    async fn create(&self, dock: &Dock, image_id: &str) -> Result<(), LifecycleError> {
        let existing = self.ours(dock).await?;
        let site = self.site(dock, &self.image(), image_id).await?;
        let plan = plan::container(&self.spec, &self.names, &self.paths, &site);
        self.paths.ensure_secrets(&self.names.machine)?;
        if existing.is_none()
            && let Err(error) = self.note_origin()
        {
            // Only an evolve needs it, and says what is wrong.
            tracing::warn!(%error, "the machine's history could not begin");
        }
        plan::make_sources(&self.spec, &self.paths)?;
        if site.socket.is_some() {
            self.give_certificates()?;
        }
        if let Some(container) = existing {
            let is_planned = container.labels.get(label::PLAN) == plan.labels.get(label::PLAN);
            if is_planned && (site.socket.is_none() || container.image_id == image_id) {
                return Ok(());
            }
            if container.is_running() {
                dock.stop_container(&self.names.container, STOP_S).await?;
            }
            dock.remove_container(&self.names.container).await?;
        }
        let labels = self.names.labels();
        dock.ensure_network(&self.names.network(), &labels).await?;
        dock.ensure_volume(&self.names.home_volume(), &labels)
            .await?;
        handover::prepare(self, dock, &plan).await?;
        dock.create_container(&plan).await?;
        Ok(())
    }

    pub(crate) async fn start(&self, dock: &Dock) -> Result<(), LifecycleError> {
        if self
            .ours(dock)
            .await?
            .is_some_and(|container| container.is_running())
        {
            return Ok(());
        }
        // The engine names any one of the taken ports; a look beforehand names the first.
        let ports = [
            self.spec.ports.kernel,
            self.spec.ports.mcp,
            self.spec.ports.vnc,
        ];
        let is_taken =
            |port: &u16| *port != 0 && std::net::TcpListener::bind(("127.0.0.1", *port)).is_err();
        // Inside, the ports of this computer are not ours to look at.
        let here = self.seat.is_none() && dock.info().endpoint.starts_with("unix://");
        let (port, source) = match ports.into_iter().find(|port| here && is_taken(port)) {
            Some(port) => (port, None),
            None => match dock.start_container(&self.names.container).await {
                Ok(()) => return Ok(()),
                Err(error) => match error.taken_port() {
                    Some(port) => (port, Some(error)),
                    None => return Err(error.into()),
                },
            },
        };
        let holder = match dock.port_holder(port).await {
            Ok(Some(container)) => Some(format!("the container {container}")),
            _ => listening_process(port),
        };
        Err(LifecycleError::PortTaken {
            port,
            holder,
            source,
        })
    }

    async fn wait_ready(
        &self,
        dock: &Dock,
        cancel: &CancellationToken,
    ) -> Result<(), LifecycleError> {
        self.wait_ready_for(dock, cancel, READY).await
    }

    /// Waits so long until its kernel answers; one that ended is stopped for good.
    pub(crate) async fn wait_ready_for(
        &self,
        dock: &Dock,
        cancel: &CancellationToken,
        limit: Duration,
    ) -> Result<(), LifecycleError> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut first_life_ms = None;
        let cause = loop {
            let container = dock.container(&self.names.container).await?;
            let Some(container) = container else {
                break "its container is gone".into();
            };
            let cause = match container.state {
                // The restart policy brings it back a moment later; a boot that ends is a failure now.
                ContainerState::Stopped { exit_code }
                | ContainerState::Restarting { exit_code } => {
                    self.keep_down(dock).await;
                    break format!("it ended with exit status {exit_code}");
                }
                // Podman has it back before anybody could look.
                ContainerState::Running { started_at_ms }
                    if *first_life_ms.get_or_insert(started_at_ms) != started_at_ms =>
                {
                    self.keep_down(dock).await;
                    break "it ended, and was started again".into();
                }
                ContainerState::Running { .. } if self.seat.is_some() => {
                    if self.inside(dock, &container.id).answers().await {
                        return Ok(());
                    }
                    "its kernel does not answer".into()
                }
                ContainerState::Running { .. } => match container.ports.get(&KERNEL_PORT) {
                    Some(&port) => match ping(port).await {
                        Ping::Ready { .. } => return Ok(()),
                        Ping::NotYet { cause } => cause,
                    },
                    None => "its kernel port is not published".into(),
                },
            };
            if tokio::time::Instant::now() >= deadline {
                break format!("after {} s: {cause}", limit.as_secs());
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(LifecycleError::Cancelled),
                () = tokio::time::sleep(LOOK) => {}
            }
        };
        Err(LifecycleError::Unhealthy {
            name: self.names.container.clone(),
            cause,
            log: dock
                .logs(&self.names.container, 40)
                .await
                .unwrap_or_default(),
        })
    }

    /// Stops one that ended by itself, or it would be started for ever.
    async fn keep_down(&self, dock: &Dock) {
        let stopped = dock.stop_container(&self.names.container, STOP_S).await;
        if let Err(error) = stopped {
            tracing::warn!(%error, "a machine that ended could not be kept from its next life");
        }
    }

    /// Its container, where there is one; a stranger's of the same name is a failure.
    pub(crate) async fn ours(&self, dock: &Dock) -> Result<Option<Container>, LifecycleError> {
        let found = dock.container(&self.names.container).await?;
        if self.seat.is_some() {
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

    /// One run at a time, over all processes of this host.
    pub(crate) fn lock(&self) -> Result<Lock, LifecycleError> {
        let is_shared = self.seat.is_none() && plan::data_source(&self.spec, &self.paths).is_some();
        let dir = if self.seat.is_some() || is_shared {
            self.evolve_dir()
        } else {
            self.paths.machine_dir(&self.names.machine)
        };
        if is_shared {
            plan::make_sources(&self.spec, &self.paths)?;
        }
        make_dir_like_above(&dir)?;
        let path = dir.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path);
        let mut file = file.map_err(LifecycleError::file("create", &path))?;
        own_like_folder(&path)?;
        match file.try_lock() {
            Ok(()) => {
                // Who holds it, for the sentence of those who may not. A full disk keeps nobody
                // from bringing a machine back.
                let held = file
                    .set_len(0)
                    .and_then(|()| writeln!(file, "{}", std::process::id()));
                if let Err(error) = held {
                    tracing::debug!(%error, "who holds the machine can't be written");
                }
                Ok(Lock(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Err(LifecycleError::Busy {
                    name: self.names.container.clone(),
                    holder: holder.trim().parse().ok(),
                })
            }
            Err(TryLockError::Error(error)) => Err(LifecycleError::file("lock", &path)(error)),
        }
    }
}

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// By itself it would go with the last copy of the file, and a process that is just being
    /// started has one for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Whether machines can run at this engine.
///
/// # Errors
/// [`LifecycleError::Far`], [`LifecycleError::Rootless`], [`LifecycleError::Dock`].
pub async fn suits(dock: &Dock) -> Result<(), LifecycleError> {
    user_namespace(dock).await.map(|_| ())
}

/// How the machine's user keeps their id with an engine that has a user namespace around all
/// containers; `None` where it has none.
async fn user_namespace(dock: &Dock) -> Result<Option<&'static str>, LifecycleError> {
    if !dock.is_local() {
        return Err(LifecycleError::Far {
            endpoint: dock.info().endpoint.clone(),
        });
    }
    match dock.is_rootless().await? {
        false => Ok(None),
        true if dock.is_podman() => Ok(Some("keep-id")),
        true => Err(LifecycleError::Rootless {
            engine: dock.info().name.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MachineOptions;

    #[test]
    fn a_second_run_is_told_who_holds_the_machine() {
        let home = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        let machine = Machine::load(&options).unwrap();
        let held = machine.lock().unwrap();
        let refused = machine.lock().unwrap_err();
        let us = Some(std::process::id());
        assert!(matches!(refused, LifecycleError::Busy { holder, .. } if holder == us));
        drop(held);
        machine.lock().unwrap();
    }
}
