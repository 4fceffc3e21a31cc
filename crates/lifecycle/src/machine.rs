//! A machine as its spec says: its names, its state, its ports, its log. What
//! changes it is in `life`.

use std::path::{Path, PathBuf};

use containers::{Container, ContainerState, Engine, EngineChoice, EngineError, LogRange};
use futures_util::future::BoxFuture;
use machine_client::{Ping, ping};
use wire::machine::{Addresses, MachineState, MachineStatus, Progress};

use crate::{
    build::reused,
    error::LifecycleError,
    evolve::Current,
    machines::Machines,
    paths::Paths,
    plan::{KERNEL_PORT, MCP_PORT, Names, VNC_PORT, label},
    self_container::{EXECUTOR_DIR, SelfContainer},
    spec::Spec,
};

/// Hears each step of long work.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Which machine, and what it is made from.
#[derive(Clone, Debug, Default)]
pub struct MachineOptions {
    /// Its name; the first machine or the only one if `None`.
    pub machine: Option<String>,
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
    /// Whether overrides and those of the environment are for another machine, and not for this one.
    pub as_written: bool,
    /// At which container engine.
    pub engine: EngineChoice,
}

/// Where the APIs of a container that runs are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The container's id.
    pub container_id: String,
    /// Loopback port of the kernel API.
    pub kernel: Option<u16>,
    /// Loopback port of the MCP endpoint.
    pub mcp: Option<u16>,
}

/// A machine as its spec says now. Cheap: read it again for each operation.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) spec: Spec,
    pub(crate) names: Names,
    pub(crate) paths: Paths,
    pub(crate) template: PathBuf,
    pub(crate) repo: Option<PathBuf>,
    pub(crate) engine: EngineChoice,
    /// The generation that it is made of, where it is one's.
    pub(crate) current: Option<Current>,
    /// Where it is seen from inside.
    pub(crate) self_container: Option<SelfContainer>,
    options: MachineOptions,
}

impl Machine {
    /// Reads the spec, which is written on first use.
    ///
    /// # Errors
    /// [`LifecycleError::Spec`] naming line and field, [`LifecycleError::NoMachine`],
    /// [`LifecycleError::WhichMachine`], [`LifecycleError::File`].
    pub fn load(options: &MachineOptions) -> Result<Self, LifecycleError> {
        let paths = Paths::find(options.home.as_deref(), options.instance.as_deref());
        let (_, file) = Machines::of(options).find(options.machine.as_deref())?;
        let text = std::fs::read_to_string(&file).map_err(LifecycleError::file("read", &file))?;
        // Flags win over the environment, which wins over the file.
        let mut overrides = Vec::new();
        if !options.as_written {
            overrides = environment_overrides();
            overrides.extend(options.overrides.iter().cloned());
        }
        let spec = Spec::parse(&text, &file, &overrides)?;
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let mut machine = Self {
            names: Names::new(&spec, options.instance.as_deref()),
            spec,
            paths,
            template: absolute(&options.template),
            repo: options.repo.as_deref().map(absolute),
            engine: options.engine.clone(),
            current: None,
            self_container: None,
            options: options.clone(),
        };
        machine.read_current()?;
        Ok(machine)
    }

    /// One that is seen from inside: of its repo, not of a template.
    pub(crate) fn seen_from_inside(self_container: SelfContainer) -> Result<Self, LifecycleError> {
        let home = Path::new(EXECUTOR_DIR).join("engine");
        let mut machine = Self {
            spec: self_container.spec()?,
            names: self_container.names(),
            paths: Paths {
                config_dir: home.clone(),
                data_dir: home.clone(),
                user_home: home,
            },
            template: "/repo".into(),
            repo: Some("/repo".into()),
            engine: EngineChoice::default(),
            current: None,
            self_container: Some(self_container),
            options: MachineOptions::default(),
        };
        machine.read_current()?;
        Ok(machine)
    }

    fn read_current(&mut self) -> Result<(), LifecycleError> {
        let all = self.read_generations()?;
        self.current = all
            .current
            .and_then(|number| all.get(number))
            .map(|record| Current {
                image: record.image.clone(),
            });
        Ok(())
    }

    /// The same machine as spec and generations say now.
    pub(crate) fn reread(&self) -> Result<Self, LifecycleError> {
        Self::load(&self.options)
    }

    /// Its image: its generation's, else the template's.
    pub(crate) fn image(&self) -> String {
        match &self.current {
            Some(current) => current.image.clone(),
            None => self.names.image.clone(),
        }
    }

    /// Its spec.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The file with its spec.
    #[must_use]
    pub fn spec_file(&self) -> PathBuf {
        self.paths.spec_file(&self.names.name)
    }

    /// Refuses while somebody works on it: builds, starts, evolves.
    ///
    /// # Errors
    /// [`LifecycleError::Busy`], [`LifecycleError::File`].
    pub fn check_idle(&self) -> Result<(), LifecycleError> {
        self.lock().map(drop)
    }

    /// Its instance's folders.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Its id, by which its folder is called; it stays when the machine is renamed.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.names.machine
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
    /// [`LifecycleError::Engine`], [`LifecycleError::Foreign`].
    pub fn status<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<MachineStatus, LifecycleError>> {
        Box::pin(async move {
            let image = engine.image(&self.image()).await?;
            let wanted = if reused() || self.current.is_some() {
                None
            } else {
                self.inputs().ok().map(|(_, _, digest)| digest)
            };
            let image_stale = match (&image, &wanted) {
                (Some(image), Some(wanted)) => image.labels.get(label::INPUTS) != Some(wanted),
                _ => false,
            };
            let mut status = MachineStatus {
                name: self.names.name.clone(),
                state: MachineState::Absent,
                image: self.image(),
                image_present: image.is_some(),
                image_stale,
                container_id: None,
                started_at_ms: None,
                addresses: None,
                body_version: None,
                warnings: self.spec.warnings(),
            };
            let Some(container) = self.ours(engine).await? else {
                return Ok(status);
            };
            status.state = match container.state {
                ContainerState::Stopped { .. } => MachineState::Stopped,
                ContainerState::Restarting { .. } | ContainerState::Running { .. } => {
                    MachineState::Starting
                }
            };
            status.container_id = Some(container.id.clone());
            if container.is_paused {
                status.state = MachineState::Paused;
            }
            if let ContainerState::Running { started_at_ms } = container.state {
                status.started_at_ms = Some(started_at_ms);
                status.addresses = addresses(&container);
                // One that is paused would take the question and never answer.
                if !container.is_paused
                    && let Some(&port) = container.ports.get(&KERNEL_PORT)
                    && let Ping::Ready { version } = ping(port).await
                {
                    status.state = MachineState::Running;
                    status.body_version = version;
                }
            }
            Ok(status)
        })
    }

    /// Loopback port of a port inside the running machine.
    ///
    /// # Errors
    /// As [`running`](Self::running).
    async fn port(&self, engine: &Engine, inside: u16) -> Result<u16, LifecycleError> {
        let container = self.running(engine).await?;
        let port = container.ports.get(&inside).copied();
        port.ok_or_else(|| self.not_running())
    }

    /// Its container, which can be spoken to.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`], [`LifecycleError::Paused`].
    pub(crate) async fn running(&self, engine: &Engine) -> Result<Container, LifecycleError> {
        let container = self.ours(engine).await?.filter(Container::is_running);
        let container = container.ok_or_else(|| self.not_running())?;
        self.check_paused(&container)?;
        Ok(container)
    }

    /// Refuses what would wait for a paused machine without an end.
    pub(crate) fn check_paused(&self, container: &Container) -> Result<(), LifecycleError> {
        if container.is_paused {
            return Err(LifecycleError::Paused {
                name: self.names.container.clone(),
            });
        }
        Ok(())
    }

    pub(crate) fn not_running(&self) -> LifecycleError {
        LifecycleError::NotRunning {
            name: self.names.container.clone(),
        }
    }

    /// Loopback port of its kernel API.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`], [`LifecycleError::Paused`].
    pub fn kernel_port<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<u16, LifecycleError>> {
        Box::pin(async move { self.port(engine, KERNEL_PORT).await })
    }

    /// The container that runs, and the loopback ports of its APIs.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`], [`LifecycleError::Paused`].
    pub fn published<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<Published, LifecycleError>> {
        Box::pin(async move {
            let container = self.running(engine).await?;
            Ok(Published {
                kernel: container.ports.get(&KERNEL_PORT).copied(),
                mcp: container.ports.get(&MCP_PORT).copied(),
                container_id: container.id,
            })
        })
    }

    /// Loopback port of its VNC server.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`], [`LifecycleError::Paused`].
    pub fn vnc_port<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<u16, LifecycleError>> {
        Box::pin(async move { self.port(engine, VNC_PORT).await })
    }

    /// Last lines of its container's log.
    ///
    /// # Errors
    /// [`LifecycleError::NotRunning`] where there is no container, or one that is being removed.
    pub fn logs<'a>(
        &'a self,
        engine: &'a Engine,
        range: impl Into<LogRange>,
    ) -> BoxFuture<'a, Result<Vec<String>, LifecycleError>> {
        let range = range.into();
        Box::pin(async move { self.log(engine.logs(&self.names.container, range).await) })
    }

    /// Tells the last lines of its container's log, then each new one, until the container stops.
    /// Dropping the future ends it.
    ///
    /// # Errors
    /// As [`logs`](Self::logs).
    pub fn follow_logs<'a>(
        &'a self,
        engine: &'a Engine,
        range: LogRange,
        tell: &'a mut (dyn FnMut(String) + Send),
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        let name = &self.names.container;
        Box::pin(async move { self.log(engine.follow_logs(name, range, tell).await) })
    }

    fn log<T>(&self, read: Result<T, EngineError>) -> Result<T, LifecycleError> {
        match read {
            Err(error) if error.is_not_found() || error.is_conflict() => Err(self.not_running()),
            other => Ok(other?),
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

pub(crate) fn phase(tell: OnProgress<'_>, name: &str) {
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
