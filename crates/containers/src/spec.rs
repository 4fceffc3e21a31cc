//! A container that is asked for, as the engine takes it.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

use crate::{blueprint::no_health_check, image::ordered};

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

impl Bind {
    /// Whether [`words`](Self::words) can say it: a path with a colon would be read as several.
    fn has_words(&self) -> bool {
        !self.source.contains(':') && !self.target.contains(':')
    }

    /// As the engine takes what has no words. The engine makes no folder for it.
    fn mount(&self) -> Mount {
        let is_folder = self.source.starts_with('/');
        Mount {
            typ: Some(match is_folder {
                true => MountType::BIND,
                false => MountType::VOLUME,
            }),
            source: Some(self.source.clone()),
            target: Some(self.target.clone()),
            read_only: Some(self.read_only),
            ..Default::default()
        }
    }

    /// As the engine takes it.
    fn words(&self) -> String {
        let mode = if self.read_only { ":ro" } else { "" };
        format!("{}:{}{mode}", self.source, self.target)
    }
}

/// Folders and volumes as the engine takes them: in words, and those that have none.
pub(crate) fn binds_and_mounts(binds: &[Bind]) -> (Vec<String>, Option<Vec<Mount>>) {
    let (plain, odd): (Vec<&Bind>, Vec<&Bind>) = binds.iter().partition(|bind| bind.has_words());
    let mounts: Vec<Mount> = odd.into_iter().map(Bind::mount).collect();
    (
        plain.into_iter().map(Bind::words).collect(),
        (!mounts.is_empty()).then_some(mounts),
    )
}

/// When the engine starts a container by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restarts {
    /// Never.
    #[default]
    Never,
    /// When it ended, and when the engine starts, unless somebody stopped it.
    UnlessStopped,
    /// The same, and when the engine starts also where somebody stopped it.
    Always,
}

impl From<Restarts> for RestartPolicy {
    fn from(restarts: Restarts) -> Self {
        Self {
            name: Some(match restarts {
                Restarts::Never => RestartPolicyNameEnum::NO,
                Restarts::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
                Restarts::Always => RestartPolicyNameEnum::ALWAYS,
            }),
            maximum_retry_count: None,
        }
    }
}

/// What becomes of what a container writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logging {
    /// Files of 30 MB in all, which the engine keeps.
    #[default]
    File,
    /// Only who is attached sees it.
    None,
}

impl From<Logging> for HostConfigLogConfig {
    fn from(logging: Logging) -> Self {
        let sizes = [("max-size", "10m"), ("max-file", "3")];
        match logging {
            Logging::File => Self {
                typ: Some("json-file".into()),
                config: Some(
                    sizes
                        .map(|(name, value)| (name.into(), value.into()))
                        .into(),
                ),
            },
            Logging::None => Self {
                typ: Some("none".into()),
                config: None,
            },
        }
    }
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

impl Limits {
    /// Processors as the engine counts them.
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) fn nano_cpus(&self) -> Option<i64> {
        self.cpus.map(|cpus| (cpus * 1e9) as i64)
    }
}

/// A size as the engine takes it.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
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
    /// Program instead of the image's; the image's health check is not made then.
    pub entrypoint: Option<Vec<String>>,
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
    /// Folders and files of the host that have to be there. Of [`binds`](Self::binds) that are missing the
    /// engine makes folders, also when only a file of a stopped container is read.
    pub folders: Vec<Bind>,
    /// Volumes by name, each by its path inside. They stay as they are, whatever the image has there.
    pub volumes: BTreeMap<String, String>,
    /// Files of the engine's computer by their paths inside, which nobody can write there. The engine refuses
    /// one that it doesn't have, instead of making a folder in its place.
    pub files: BTreeMap<String, String>,
    /// tmpfs: path and options.
    pub tmpfs: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<PublishedPort>,
    /// The one network it joins.
    pub network: Option<String>,
    /// Whether the engine lays out no network at all: there is a namespace with `lo` alone, as with `none`,
    /// which takes far less time, and no `/etc/hosts` or `/etc/resolv.conf` but what is bound.
    pub without_network: bool,
    /// Names that it knows besides, each as `name:address`.
    pub hosts: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// When the engine starts it by itself.
    pub restarts: Restarts,
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
    /// What becomes of its output.
    pub logging: Logging,
    /// Whether its stdin is open, and stays so when who is attached goes.
    pub open_stdin: bool,
    /// Working folder of its first process, instead of the image's.
    pub working_dir: Option<String>,
    /// Another runtime of the engine, such as `runsc`.
    pub runtime: Option<String>,
    /// Whether it gets all graphics cards of the engine.
    pub gpus: bool,
}

pub(crate) fn create_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let key = |port: &PublishedPort| format!("{}/tcp", port.container);
    let (binds, mounts) = binds_and_mounts(&spec.binds);
    let volumes = spec.volumes.iter().map(|(target, name)| Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.clone()),
        target: Some(target.clone()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    });
    let files = spec.files.iter().map(|(target, source)| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.clone()),
        target: Some(target.clone()),
        read_only: Some(true),
        ..Default::default()
    });
    let mounts = mounts.into_iter().flatten().chain(volumes).chain(files);
    let folders = spec.folders.iter().map(Bind::mount);
    let mounts: Vec<Mount> = mounts.chain(folders).collect();
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
    let host = HostConfig {
        binds: Some(binds),
        mounts: (!mounts.is_empty()).then_some(mounts),
        tmpfs: Some(ordered(&spec.tmpfs)),
        port_bindings: Some(published.collect()),
        network_mode: spec.network.clone(),
        extra_hosts: (!spec.hosts.is_empty()).then(|| spec.hosts.clone()),
        memory: spec.limits.memory_bytes.map(signed),
        // Without swap on top, or a limit of 4 GB lets 8 be used.
        memory_swap: spec.limits.memory_bytes.map(signed),
        nano_cpus: spec.limits.nano_cpus(),
        pids_limit: spec.limits.pids.map(i64::from),
        shm_size: spec.limits.shm_bytes.map(signed),
        log_config: Some(spec.logging.into()),
        restart_policy: Some(spec.restarts.into()),
        security_opt: Some(spec.security_options.clone()),
        cap_drop: spec.drop_capabilities.then(|| vec!["ALL".into()]),
        cap_add: Some(spec.add_capabilities.clone()),
        group_add: Some(spec.groups.iter().map(u32::to_string).collect()),
        userns_mode: spec.user_namespace.clone(),
        readonly_rootfs: Some(spec.read_only),
        runtime: spec.runtime.clone(),
        device_requests: spec.gpus.then(|| vec![every_gpu()]),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        healthcheck: spec.entrypoint.as_ref().map(|_| no_health_check()),
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.command.clone(),
        labels: Some(ordered(&spec.labels)),
        env: Some(
            spec.environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        exposed_ports: Some(spec.ports.iter().map(key).collect()),
        working_dir: spec.working_dir.clone(),
        open_stdin: spec.open_stdin.then_some(true),
        stdin_once: spec.open_stdin.then_some(false),
        attach_stdin: spec.open_stdin.then_some(true),
        stop_timeout: Some(spec.stop_timeout_s.into()),
        network_disabled: spec.without_network.then_some(true),
        host_config: Some(host),
        ..Default::default()
    }
}

/// All graphics cards, as `docker run --gpus all` asks for them.
fn every_gpu() -> DeviceRequest {
    DeviceRequest {
        count: Some(-1),
        capabilities: Some(vec![vec!["gpu".into()]]),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_colon_is_one_path() {
        let bind = |source: &str, read_only| Bind {
            source: source.into(),
            target: "/repo".into(),
            read_only,
        };
        let spec = ContainerSpec {
            binds: vec![bind("/a:b", true), bind("/c", true)],
            ..Default::default()
        };
        let host = create_body(&spec).host_config.unwrap();
        assert_eq!(host.binds, Some(vec!["/c:/repo:ro".to_owned()]));
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].source.as_deref(), Some("/a:b"));
        assert_eq!(mounts[0].typ, Some(MountType::BIND));
        assert_eq!(mounts[0].read_only, Some(true));
    }

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

    #[test]
    fn an_attached_container_keeps_its_stdin_and_writes_no_log() {
        let spec = ContainerSpec {
            open_stdin: true,
            logging: Logging::None,
            gpus: true,
            ..Default::default()
        };
        let body = create_body(&spec);
        assert_eq!(
            (body.open_stdin, body.stdin_once),
            (Some(true), Some(false))
        );
        let host = body.host_config.unwrap();
        assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
        assert_eq!(host.device_requests.unwrap()[0].count, Some(-1));
        let plain = create_body(&ContainerSpec::default());
        assert_eq!(plain.open_stdin, None);
        let log = plain.host_config.unwrap().log_config.unwrap();
        assert_eq!(log.typ.as_deref(), Some("json-file"));
        assert_eq!(log.config.unwrap()["max-file"], "3");
    }
}
