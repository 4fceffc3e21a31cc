//! Containers: create, start, stop, remove, look, list.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    errors::Error as BollardError,
    models::{ChangeType, ContainerInspectResponse, ContainerUpdateBody},
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions,
        StopContainerOptionsBuilder,
    },
};
use futures_util::future::BoxFuture;

use crate::{
    blueprint::mounted,
    connect::Engine,
    error::EngineError,
    spec::{Bind, ContainerSpec, Limits, Restarts, create_body, signed},
    time::unix_ms,
};

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
#[derive(Clone, Debug, PartialEq)]
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
    /// Whether its processes are frozen.
    pub is_paused: bool,
    /// Port inside → host port, for those that are published.
    pub ports: BTreeMap<u16, u16>,
    /// Folders and volumes that it was made with.
    pub mounts: Vec<Bind>,
    /// Limits that it has now.
    pub limits: Limits,
}

impl Container {
    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }
}

impl Engine {
    /// Creates a container; answers its id.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_conflict`] where the name is taken.
    pub fn create_container<'a>(
        &'a self,
        spec: &'a ContainerSpec,
    ) -> BoxFuture<'a, Result<String, EngineError>> {
        Box::pin(async move {
            let options = CreateContainerOptionsBuilder::new()
                .name(&spec.name)
                .build();
            let made = self
                .docker
                .create_container(Some(options), create_body(spec))
                .await;
            made.map(|made| made.id).map_err(|error| {
                EngineError::from_bollard(format!("create the container {}", spec.name), error)
            })
        })
    }

    /// Starts a container; one that runs already is no failure.
    ///
    /// # Errors
    /// [`EngineError`]; see [`EngineError::taken_port`].
    pub fn start_container<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let started = self
                .docker
                .start_container(name, None::<StartContainerOptions>)
                .await;
            started.map_err(|error| {
                EngineError::from_bollard(format!("start the container {name}"), error)
            })
        })
    }

    /// SIGTERM, then SIGKILL after the grace period.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn stop_container<'a>(
        &'a self,
        name: &'a str,
        grace_s: u32,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = StopContainerOptionsBuilder::new()
                .t(i32::try_from(grace_s).unwrap_or(i32::MAX))
                .build();
            let stopped = self.docker.stop_container(name, Some(options)).await;
            match stopped.map_err(|error| {
                EngineError::from_bollard(format!("stop the container {name}"), error)
            }) {
                // 304: it did not run.
                Err(EngineError::Api { status: 304, .. }) => Ok(()),
                other => other,
            }
        })
    }

    /// Kills and removes a container with its anonymous volumes; one that is not there is no failure.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn remove_container<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            let removed = self.docker.remove_container(name, Some(options)).await;
            match removed.map_err(|error| {
                EngineError::from_bollard(format!("remove the container {name}"), error)
            }) {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_conflict`] where the name is taken.
    pub fn rename_container<'a>(
        &'a self,
        name: &'a str,
        new: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = RenameContainerOptionsBuilder::new().name(new).build();
            let renamed = self.docker.rename_container(name, options).await;
            renamed.map_err(|error| {
                EngineError::from_bollard(format!("rename the container {name} to {new}"), error)
            })
        })
    }

    /// Changes when the engine starts it by itself.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn set_restarts<'a>(
        &'a self,
        name: &'a str,
        restarts: Restarts,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let update = ContainerUpdateBody {
                restart_policy: Some(restarts.into()),
                ..Default::default()
            };
            let updated = self.docker.update_container(name, update).await;
            updated.map(|_| ()).map_err(|error| {
                EngineError::from_bollard(format!("change the restart policy of {name}"), error)
            })
        })
    }

    /// Changes the limits of memory, processors and processes of a container that may run and has
    /// the limits `now`; /dev/shm stays as it is.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn set_limits<'a>(
        &'a self,
        name: &'a str,
        now: &'a Limits,
        wanted: &'a Limits,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            // To the engine, 0 and what is left out are no change, and less than nothing is refused:
            // a limit is taken away by giving all that there is.
            let all = self.most().await?;
            let memory = match (wanted.memory_bytes, now.memory_bytes) {
                (None, Some(_)) => all.memory_bytes,
                (wanted, _) => wanted,
            };
            let memory = memory.map(signed);
            let nano_cpus = match (wanted.nano_cpus(), now.cpus) {
                (None, Some(_)) => all.nano_cpus(),
                (wanted, _) => wanted,
            };
            let pids = wanted.pids.filter(|pids| *pids > 0).map(i64::from);
            let update = ContainerUpdateBody {
                memory,
                memory_swap: memory,
                nano_cpus,
                pids_limit: pids.or(now.pids.map(|_| -1)),
                ..Default::default()
            };
            let updated = self.docker.update_container(name, update).await;
            updated.map(|_| ()).map_err(|error| {
                EngineError::from_bollard(format!("change the limits of {name}"), error)
            })
        })
    }

    /// Memory and processors of the engine's host.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn most<'a>(&'a self) -> BoxFuture<'a, Result<Limits, EngineError>> {
        Box::pin(async move {
            let info = self.docker.info().await;
            let info = info.map_err(|error| {
                EngineError::from_bollard("read the engine's information", error)
            })?;
            #[allow(clippy::cast_precision_loss)]
            Ok(Limits {
                memory_bytes: info.mem_total.and_then(|bytes| bytes.try_into().ok()),
                cpus: info.ncpu.map(|count| count as f64),
                ..Limits::default()
            })
        })
    }

    /// Paths that were added, changed or removed over a container's image, volumes left out.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::TooLarge`] if there are very many.
    pub fn changed_files<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            let found = match self.changes_raw(name).await? {
                Some(found) => found,
                // It also has the words for what is wrong.
                None => {
                    let found = self.docker.container_changes(name).await;
                    let failed = |error| {
                        EngineError::from_bollard(
                            format!("list the changed files in {name}"),
                            error,
                        )
                    };
                    found.map_err(failed)?.unwrap_or_default()
                }
            };
            Ok(found
                .into_iter()
                .map(|change| match change.kind {
                    ChangeType::_2 => format!("{} (removed)", change.path),
                    _ => change.path,
                })
                .collect())
        })
    }

    /// The container of that name or id; `None` where there is none.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn container<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Container>, EngineError>> {
        Box::pin(async move {
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
                    match EngineError::from_bollard(format!("inspect the container {name}"), error)
                    {
                        error if error.is_not_found() => Ok(None),
                        error => Err(error),
                    }
                }
            }
        })
    }

    /// Names of all containers, stopped ones too, that have a label with that value.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn containers_labelled<'a>(
        &'a self,
        label: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            let found = self.docker.list_containers(Some(options)).await;
            let found =
                found.map_err(|error| EngineError::from_bollard("list the containers", error))?;
            Ok(found
                .into_iter()
                .filter_map(|one| first_name(one.names))
                .collect())
        })
    }

    /// Name of the running container that publishes a host port.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn port_holder<'a>(
        &'a self,
        port: u16,
    ) -> BoxFuture<'a, Result<Option<String>, EngineError>> {
        Box::pin(async move {
            let options = ListContainersOptionsBuilder::new().build();
            let found = self.docker.list_containers(Some(options)).await;
            let found =
                found.map_err(|error| EngineError::from_bollard("list the containers", error))?;
            let holder = found.into_iter().find(|one| {
                one.ports
                    .iter()
                    .flatten()
                    .any(|published| published.public_port == Some(port))
            });
            Ok(holder.and_then(|one| first_name(one.names)))
        })
    }
}

fn first_name(names: Option<Vec<String>>) -> Option<String> {
    let name = names?.into_iter().next()?;
    Some(name.trim_start_matches('/').to_owned())
}

fn read(found: ContainerInspectResponse) -> Container {
    let state = found.state.unwrap_or_default();
    let is_paused = state.paused == Some(true);
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
    let host = found.host_config.unwrap_or_default();
    let positive = |limit: Option<i64>| limit.filter(|limit| *limit > 0);
    #[allow(clippy::cast_precision_loss)]
    let limits = Limits {
        memory_bytes: positive(host.memory).and_then(|bytes| bytes.try_into().ok()),
        cpus: positive(host.nano_cpus).map(|nano_cpus| nano_cpus as f64 / 1e9),
        pids: positive(host.pids_limit).and_then(|pids| pids.try_into().ok()),
        shm_bytes: positive(host.shm_size).and_then(|bytes| bytes.try_into().ok()),
    };
    let mounts = found.mounts.unwrap_or_default();
    Container {
        mounts: mounts.into_iter().filter_map(mounted).collect(),
        limits,
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
        is_paused,
        ports: ports.collect(),
    }
}
