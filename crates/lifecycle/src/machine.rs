//! A machine's life: up, down, restart, removal, state, log.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use dock::{CancellationToken, Container, ContainerState, Dock};
use wire::machine::{Addresses, MachineState, MachineStatus, Progress};

use crate::{
    build::reused,
    context::Context,
    error::LifecycleError,
    http::{Ping, ping},
    paths::{Paths, make_dir, own},
    plan::{self, KERNEL_PORT, MCP_PORT, Names, STOP_S, VNC_PORT, label},
    ports::listening_process,
    spec::Spec,
};

/// How long the kernel may take to answer.
const READY: Duration = Duration::from_secs(90);
/// Between two looks at a machine that starts.
const LOOK: Duration = Duration::from_millis(150);

/// Hears each step of long work.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Which machine, and what it is made from.
#[derive(Clone, Debug, Default)]
pub struct MachineOptions {
    /// Prefix of every name.
    pub instance: Option<String>,
    /// Where settings and data lie, instead of the XDG folders.
    pub home: Option<PathBuf>,
    /// Folder with `body/Dockerfile`.
    pub template: PathBuf,
    /// Working copy at `/repo`, instead of a copy of the template.
    pub repo: Option<PathBuf>,
    /// `key=value` over the spec's file.
    pub overrides: Vec<String>,
}

/// A machine as its spec says now. Cheap: read it again for each operation.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) spec: Spec,
    pub(crate) names: Names,
    paths: Paths,
    pub(crate) template: PathBuf,
    repo: Option<PathBuf>,
}

impl Machine {
    /// Reads the spec, which is written on first use.
    ///
    /// # Errors
    /// [`LifecycleError::Spec`] naming line and field, [`LifecycleError::File`].
    pub fn load(options: &MachineOptions) -> Result<Self, LifecycleError> {
        let paths = Paths::find(options.home.as_deref(), options.instance.as_deref());
        let file = paths.spec_file();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = Spec::default_text(options.instance.is_none());
                make_dir(&paths.config_dir, 0o755)?;
                std::fs::write(&file, &text).map_err(LifecycleError::file("write", &file))?;
                text
            }
            Err(error) => return Err(LifecycleError::file("read", &file)(error)),
        };
        // Flags win over the environment, which wins over the file.
        let mut overrides = environment_overrides();
        overrides.extend(options.overrides.iter().cloned());
        let spec = Spec::parse(&text, &file, &overrides)?;
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        Ok(Self {
            names: Names::new(&spec, options.instance.as_deref()),
            spec,
            paths,
            template: absolute(&options.template),
            repo: options.repo.as_deref().map(absolute),
        })
    }

    /// Its spec.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its instance's folders.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Name of its container.
    #[must_use]
    pub fn container_name(&self) -> &str {
        &self.names.container
    }

    /// Where its kernel's token lies.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.paths.token_file(&self.names.machine)
    }

    /// One of its secrets: `os_token`, `vnc_password`.
    ///
    /// # Errors
    /// [`LifecycleError::File`] where it was never up.
    pub fn secret(&self, name: &str) -> Result<String, LifecycleError> {
        self.paths.secret(&self.names.machine, name)
    }

    /// Its state now. A template that can't be read makes no image stale.
    ///
    /// # Errors
    /// [`LifecycleError::Dock`].
    pub async fn status(&self, dock: &Dock) -> Result<MachineStatus, LifecycleError> {
        let image = dock.image(&self.names.image).await?;
        let wanted = if reused() {
            None
        } else {
            self.inputs().ok().map(|(_, _, digest)| digest)
        };
        let image_stale = match (&image, &wanted) {
            (Some(image), Some(wanted)) => image.labels.get(label::INPUTS) != Some(wanted),
            _ => false,
        };
        let mut status = MachineStatus {
            name: self.names.machine.clone(),
            state: MachineState::Absent,
            image: self.names.image.clone(),
            image_present: image.is_some(),
            image_stale,
            container_id: None,
            started_at_ms: None,
            addresses: None,
            body_version: None,
        };
        let Some(container) = dock.container(&self.names.container).await? else {
            return Ok(status);
        };
        status.state = MachineState::Stopped;
        status.container_id = Some(container.id.clone());
        if let ContainerState::Running { started_at_ms } = container.state {
            status.state = MachineState::Starting;
            status.started_at_ms = Some(started_at_ms);
            status.addresses = addresses(&container);
            if let Some(&port) = container.ports.get(&KERNEL_PORT)
                && let Ping::Ready { version } = ping(port).await
            {
                status.state = MachineState::Running;
                status.body_version = version;
            }
        }
        Ok(status)
    }

    /// Loopback port of a port inside the running machine.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`].
    async fn port(&self, dock: &Dock, inside: u16) -> Result<u16, LifecycleError> {
        let container = dock.container(&self.names.container).await?;
        container
            .filter(Container::is_running)
            .and_then(|container| container.ports.get(&inside).copied())
            .ok_or_else(|| LifecycleError::NotRunning {
                name: self.names.container.clone(),
            })
    }

    /// Loopback port of its kernel API.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`].
    pub async fn kernel_port(&self, dock: &Dock) -> Result<u16, LifecycleError> {
        self.port(dock, KERNEL_PORT).await
    }

    /// Loopback port of its VNC server.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`].
    pub async fn vnc_port(&self, dock: &Dock) -> Result<u16, LifecycleError> {
        self.port(dock, VNC_PORT).await
    }

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
        let image_id = self.build(dock, rebuild, cancel, tell).await?;
        phase(tell, "create");
        self.create(dock, &image_id).await?;
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
        if self.ours(dock).await?.is_none() {
            return Err(LifecycleError::NotRunning {
                name: self.names.container.clone(),
            });
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

    /// Last lines of its container's log.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`] where there is no container.
    pub async fn logs(&self, dock: &Dock, tail: u32) -> Result<Vec<String>, LifecycleError> {
        match dock.logs(&self.names.container, tail).await {
            Err(error) if error.is_not_found() => Err(LifecycleError::NotRunning {
                name: self.names.container.clone(),
            }),
            other => Ok(other?),
        }
    }

    async fn create(&self, dock: &Dock, image_id: &str) -> Result<(), LifecycleError> {
        let existing = self.ours(dock).await?;
        let repo = self.ensure_repo()?;
        let plan = plan::container(&self.spec, &self.names, &self.paths, &repo, image_id);
        self.paths.ensure_secrets(&self.names.machine)?;
        plan::make_sources(&self.spec, &self.paths)?;
        if let Some(container) = existing {
            if container.labels.get(label::PLAN) == plan.labels.get(label::PLAN) {
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
        dock.create_container(&plan).await?;
        Ok(())
    }

    async fn start(&self, dock: &Dock) -> Result<(), LifecycleError> {
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
        let here = dock.info().endpoint.starts_with("unix://");
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
        let deadline = tokio::time::Instant::now() + READY;
        let cause = loop {
            let container = dock.container(&self.names.container).await?;
            let cause = match container
                .as_ref()
                .map(|container| (container.state, container.ports.get(&KERNEL_PORT)))
            {
                Some((ContainerState::Running { .. }, Some(&port))) => match ping(port).await {
                    Ping::Ready { .. } => return Ok(()),
                    Ping::NotYet { cause } => cause,
                },
                // The restart policy brings it back a moment later; a boot that ends is a failure now.
                Some((ContainerState::Stopped { exit_code }, _)) => {
                    break format!("it ended with exit status {exit_code}");
                }
                Some((ContainerState::Running { .. }, None)) => {
                    "its kernel port is not published".into()
                }
                None => break "its container is gone".into(),
            };
            if tokio::time::Instant::now() >= deadline {
                break format!("after {} s: {cause}", READY.as_secs());
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

    /// Its container, where there is one; a stranger's of the same name is a failure.
    async fn ours(&self, dock: &Dock) -> Result<Option<Container>, LifecycleError> {
        let found = dock.container(&self.names.container).await?;
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

    /// The folder behind `/repo`.
    fn ensure_repo(&self) -> Result<PathBuf, LifecycleError> {
        if let Some(repo) = &self.repo {
            return Ok(repo.clone());
        }
        let repo = self.paths.machine_dir(&self.names.machine).join("repo");
        if !repo.exists() {
            let parent = self.paths.machine_dir(&self.names.machine);
            make_dir(&parent, 0o755)?;
            // Aside first: a copy that was cut off is no working copy.
            let aside =
                tempfile::tempdir_in(&parent).map_err(LifecycleError::file("write to", &parent))?;
            if self.template.join("body/Dockerfile").is_file() {
                Context::whole(&self.template)?.copy_to(aside.path())?;
            }
            let aside = aside.keep();
            std::fs::rename(&aside, &repo).map_err(LifecycleError::file("create", &repo))?;
            own_all(&repo)?;
        }
        Ok(repo)
    }

    /// One run at a time, over all processes of this host.
    fn lock(&self) -> Result<File, LifecycleError> {
        let dir = self.paths.machine_dir(&self.names.machine);
        make_dir(&dir, 0o755)?;
        let path = dir.join("lock");
        let file = File::create(&path).map_err(LifecycleError::file("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(LifecycleError::Busy {
                name: self.names.container.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(LifecycleError::file("lock", &path)(error)),
        }
    }
}

/// `VIVARIUM_KERNEL_PORT`, `VIVARIUM_MCP_PORT`, `VIVARIUM_VNC_PORT`.
fn environment_overrides() -> Vec<String> {
    let port = |name: &str| {
        let value = std::env::var(format!("VIVARIUM_{}_PORT", name.to_ascii_uppercase())).ok()?;
        (!value.is_empty()).then(|| format!("ports.{name}={value}"))
    };
    ["kernel", "mcp", "vnc"]
        .into_iter()
        .filter_map(port)
        .collect()
}

pub(crate) fn phase(tell: Tell<'_>, name: &str) {
    tell(Progress::Phase { name: name.into() });
}

fn addresses(container: &Container) -> Option<Addresses> {
    let port = |inside| container.ports.get(&inside);
    Some(Addresses {
        kernel: format!("http://127.0.0.1:{}", port(KERNEL_PORT)?),
        mcp: format!("http://127.0.0.1:{}", port(MCP_PORT)?),
        vnc: format!("127.0.0.1:{}", port(VNC_PORT)?),
    })
}

fn own_all(folder: &Path) -> Result<(), LifecycleError> {
    own(folder)?;
    for child in std::fs::read_dir(folder).map_err(LifecycleError::file("read", folder))? {
        let child = child.map_err(LifecycleError::file("read", folder))?;
        let path = child.path();
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            own_all(&path)?;
        } else {
            own(&path)?;
        }
    }
    Ok(())
}
