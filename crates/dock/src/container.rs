//! Containers: create, start, stop, remove, look, list.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    errors::Error as BollardError,
    models::{
        ChangeType, ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig,
        PortBinding, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions,
        StopContainerOptionsBuilder,
    },
};

use crate::{connect::Dock, error::DockError, image::ordered, time::unix_ms};

/// A folder of the host (or a volume's name) seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Absolute host path, or a volume's name.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// A container's port on the host's loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// On 127.0.0.1; 0 for any free one.
    pub host: u16,
    /// Inside.
    pub container: u16,
}

/// What a container may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Processors, 1.5 for one and a half.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Size of /dev/shm.
    pub shm_bytes: Option<u64>,
}

/// A container to create.
#[derive(Clone, Debug, Default)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// Image name or id.
    pub image: String,
    /// Its hostname.
    pub hostname: Option<String>,
    /// Command instead of the image's.
    pub command: Option<Vec<String>>,
    /// `uid:gid` of its first process, instead of the image's user.
    pub user: Option<String>,
    /// Groups that its processes are in besides: numbers.
    pub groups: Vec<u32>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment; nothing secret.
    pub environment: BTreeMap<String, String>,
    /// Folders and volumes.
    pub binds: Vec<Bind>,
    /// tmpfs: path and options.
    pub tmpfs: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<PublishedPort>,
    /// The one network it joins.
    pub network: Option<String>,
    /// Limits.
    pub limits: Limits,
    /// `unless-stopped` where true, else never.
    pub restarts: bool,
    /// Grace of a stop.
    pub stop_timeout_s: u32,
    /// `--security-opt`.
    pub security_options: Vec<String>,
    /// Drop all capabilities.
    pub drop_capabilities: bool,
    /// Capabilities given back or added.
    pub add_capabilities: Vec<String>,
    /// `--userns`: such as Podman's `keep-id`.
    pub user_namespace: Option<String>,
    /// Read-only root file system.
    pub read_only: bool,
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Created or ended.
    Stopped {
        /// How it ended; 0 where it never ran.
        exit_code: i64,
    },
    /// Its process ended, and the engine will start it again.
    Restarting {
        /// How it ended.
        exit_code: i64,
    },
    /// Its process runs.
    Running {
        /// Unix milliseconds.
        started_at_ms: u64,
    },
}

/// A container that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Id of its image.
    pub image_id: String,
    /// Labels.
    pub labels: HashMap<String, String>,
    /// State.
    pub state: ContainerState,
    /// Port inside → host port, for those that are published.
    pub ports: BTreeMap<u16, u16>,
}

impl Container {
    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }
}

impl Dock {
    /// Creates a container; answers its id.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words; [`DockError::is_conflict`] where the name is taken.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<String, DockError> {
        let options = CreateContainerOptionsBuilder::new()
            .name(&spec.name)
            .build();
        let made = self
            .docker
            .create_container(Some(options), create_body(spec))
            .await;
        made.map(|made| made.id).map_err(|error| {
            DockError::from_bollard(format!("create the container {}", spec.name), error)
        })
    }

    /// Starts a container; one that runs already is no failure.
    ///
    /// # Errors
    /// [`DockError`]; see [`DockError::taken_port`].
    pub async fn start_container(&self, name: &str) -> Result<(), DockError> {
        let started = self
            .docker
            .start_container(name, None::<StartContainerOptions>)
            .await;
        started
            .map_err(|error| DockError::from_bollard(format!("start the container {name}"), error))
    }

    /// SIGTERM, then SIGKILL after the grace period.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words.
    pub async fn stop_container(&self, name: &str, grace_s: u32) -> Result<(), DockError> {
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(grace_s).unwrap_or(i32::MAX))
            .build();
        let stopped = self.docker.stop_container(name, Some(options)).await;
        match stopped
            .map_err(|error| DockError::from_bollard(format!("stop the container {name}"), error))
        {
            // 304: it did not run.
            Err(DockError::Api { status: 304, .. }) => Ok(()),
            other => other,
        }
    }

    /// Kills and removes a container with its anonymous volumes; one that is not there is no failure.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words.
    pub async fn remove_container(&self, name: &str) -> Result<(), DockError> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let removed = self.docker.remove_container(name, Some(options)).await;
        match removed
            .map_err(|error| DockError::from_bollard(format!("remove the container {name}"), error))
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words; [`DockError::is_conflict`] where the name is taken.
    pub async fn rename_container(&self, name: &str, new: &str) -> Result<(), DockError> {
        let options = RenameContainerOptionsBuilder::new().name(new).build();
        let renamed = self.docker.rename_container(name, options).await;
        renamed.map_err(|error| {
            DockError::from_bollard(format!("rename the container {name} to {new}"), error)
        })
    }

    /// Paths that were added, changed or removed over a container's image, volumes left out.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words.
    pub async fn changed_files(&self, name: &str) -> Result<Vec<String>, DockError> {
        let found = self.docker.container_changes(name).await;
        let found = found.map_err(|error| {
            DockError::from_bollard(format!("see what changed in {name}"), error)
        })?;
        Ok(found
            .unwrap_or_default()
            .into_iter()
            .map(|change| match change.kind {
                ChangeType::_2 => format!("{} (removed)", change.path),
                _ => change.path,
            })
            .collect())
    }

    /// The container of that name or id; `None` where there is none.
    ///
    /// # Errors
    /// [`DockError`] where the engine does not answer.
    pub async fn container(&self, name: &str) -> Result<Option<Container>, DockError> {
        let found = self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await;
        match found {
            Ok(found) => Ok(Some(read(found))),
            Err(error) => {
                if let BollardError::JsonDataError { message, .. } = &error
                    && message.contains("`stopped`")
                    && let Some(found) = self.inspect_raw(name).await
                {
                    return Ok(Some(found.into()));
                }
                match DockError::from_bollard(format!("look at the container {name}"), error) {
                    error if error.is_not_found() => Ok(None),
                    error => Err(error),
                }
            }
        }
    }

    /// Names of all containers, stopped ones too, that have a label with that value.
    ///
    /// # Errors
    /// [`DockError`] where the engine does not answer.
    pub async fn containers_labelled(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<String>, DockError> {
        let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let found = self.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| DockError::from_bollard("list the containers", error))?;
        Ok(found
            .into_iter()
            .filter_map(|one| first_name(one.names))
            .collect())
    }

    /// Name of the running container that publishes a host port.
    ///
    /// # Errors
    /// [`DockError`] where the engine does not answer.
    pub async fn port_holder(&self, port: u16) -> Result<Option<String>, DockError> {
        let options = ListContainersOptionsBuilder::new().build();
        let found = self.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| DockError::from_bollard("list the containers", error))?;
        let holder = found.into_iter().find(|one| {
            one.ports
                .iter()
                .flatten()
                .any(|published| published.public_port == Some(port))
        });
        Ok(holder.and_then(|one| first_name(one.names)))
    }
}

fn first_name(names: Option<Vec<String>>) -> Option<String> {
    let name = names?.into_iter().next()?;
    Some(name.trim_start_matches('/').to_owned())
}

fn create_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let key = |port: &PublishedPort| format!("{}/tcp", port.container);
    let binds = spec.binds.iter().map(|bind| {
        let mode = if bind.read_only { ":ro" } else { "" };
        format!("{}:{}{mode}", bind.source, bind.target)
    });
    let published = spec.ports.iter().map(|port| {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".into()),
            host_port: Some(if port.host == 0 {
                String::new()
            } else {
                port.host.to_string()
            }),
        };
        (key(port), Some(vec![binding]))
    });
    let bytes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let log_options = [("max-size", "10m"), ("max-file", "3")];
    let host = HostConfig {
        binds: Some(binds.collect()),
        tmpfs: Some(ordered(&spec.tmpfs)),
        port_bindings: Some(published.collect()),
        network_mode: spec.network.clone(),
        memory: spec.limits.memory_bytes.map(bytes),
        // Without swap on top, or a limit of 4 GB lets 8 be used.
        memory_swap: spec.limits.memory_bytes.map(bytes),
        #[allow(clippy::cast_possible_truncation)]
        nano_cpus: spec.limits.cpus.map(|cpus| (cpus * 1e9) as i64),
        pids_limit: spec.limits.pids.map(i64::from),
        shm_size: spec.limits.shm_bytes.map(bytes),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(
                log_options
                    .map(|(name, value)| (name.into(), value.into()))
                    .into(),
            ),
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(if spec.restarts {
                RestartPolicyNameEnum::UNLESS_STOPPED
            } else {
                RestartPolicyNameEnum::NO
            }),
            maximum_retry_count: None,
        }),
        security_opt: Some(spec.security_options.clone()),
        cap_drop: spec.drop_capabilities.then(|| vec!["ALL".into()]),
        cap_add: Some(spec.add_capabilities.clone()),
        group_add: Some(spec.groups.iter().map(u32::to_string).collect()),
        userns_mode: spec.user_namespace.clone(),
        readonly_rootfs: Some(spec.read_only),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        cmd: spec.command.clone(),
        labels: Some(ordered(&spec.labels)),
        env: Some(
            spec.environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        exposed_ports: Some(spec.ports.iter().map(key).collect()),
        stop_timeout: Some(spec.stop_timeout_s.into()),
        host_config: Some(host),
        ..Default::default()
    }
}

fn read(found: ContainerInspectResponse) -> Container {
    let state = found.state.unwrap_or_default();
    // To the engine, one that waits for its next life runs.
    let state = if state.restarting == Some(true) {
        ContainerState::Restarting {
            exit_code: state.exit_code.unwrap_or_default(),
        }
    } else if state.running == Some(true) {
        ContainerState::Running {
            started_at_ms: state
                .started_at
                .as_deref()
                .and_then(unix_ms)
                .unwrap_or_default(),
        }
    } else {
        ContainerState::Stopped {
            exit_code: state.exit_code.unwrap_or_default(),
        }
    };
    let published = found
        .network_settings
        .and_then(|network| network.ports)
        .unwrap_or_default();
    let ports = published.into_iter().filter_map(|(inside, bindings)| {
        let inside = inside.strip_suffix("/tcp")?.parse().ok()?;
        let host = bindings?
            .into_iter()
            .find_map(|binding| binding.host_port?.parse().ok())?;
        Some((inside, host))
    });
    Container {
        id: found.id.unwrap_or_default(),
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        image_id: found.image.unwrap_or_default(),
        labels: found
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default(),
        state,
        ports: ports.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_published_on_loopback_only() {
        let spec = ContainerSpec {
            ports: vec![
                PublishedPort {
                    host: 0,
                    container: 8080,
                },
                PublishedPort {
                    host: 5900,
                    container: 5900,
                },
            ],
            ..Default::default()
        };
        let bindings = create_body(&spec)
            .host_config
            .unwrap()
            .port_bindings
            .unwrap();
        for binding in bindings.values().flatten().flatten() {
            assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
        }
        assert_eq!(
            bindings["8080/tcp"].as_ref().unwrap()[0]
                .host_port
                .as_deref(),
            Some("")
        );
    }
}
