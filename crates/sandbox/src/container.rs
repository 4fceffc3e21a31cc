//! The container that a sandbox is: what it may do, and how it is found again.

use std::collections::BTreeMap;

use containers::{Bind, ContainerSpec, Engine, EngineError, Limits, Logging, NetworkSpec};
use init_client::{INIT_FOLDER, INIT_PROGRAM, InitFiles};
use wire::sandbox::{DiskKind, NetworkMode, SandboxId};

use crate::{disk, shape::Shape};

/// Labels of a sandbox's container, its network and its volume.
pub(crate) const KIND: &str = "vivarium.kind";
pub(crate) const KIND_SANDBOX: &str = "sandbox";
pub(crate) const KIND_INIT: &str = "sandbox-init";
const KIND_DISK: &str = "sandbox-disk";
pub(crate) const INSTANCE: &str = "vivarium.instance";
pub(crate) const OWNER: &str = "vivarium.owner";

/// Who everything runs as: `sandboxuser` of our image, a number without a name in others.
const USER: &str = "1000:1000";
/// The home.
pub(crate) const HOME: &str = "/home/sandboxuser";
/// Folders that can be written; the first is the home.
pub(crate) const WRITABLE: [&str; 4] = [HOME, "/home/user", "/workspace", "/tmp"];
/// What may be in /dev/shm, which counts against the memory too.
const SHM_BYTES: u64 = 16 << 20;
/// Files that a writable folder may have for each MiB of its size, and at least.
const FILES_PER_MB: u32 = 256;
const LEAST_FILES: u32 = 16_384;
/// Folders that an image declares as volumes and that are made harmless, at most.
const MOST_VOLUMES: usize = 32;

/// What all containers of one process are labelled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) instance: String,
}

impl Labels {
    /// Labels that every sandbox of this installation has, to find them by.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        self.of_kind(KIND_SANDBOX)
    }

    pub(crate) fn of_kind(&self, kind: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (KIND.to_owned(), kind.to_owned()),
            (INSTANCE.to_owned(), self.instance.clone()),
        ])
    }

    /// The name of something that sandboxes of this installation share.
    pub(crate) fn named(&self, what: &str) -> String {
        match self.instance.as_str() {
            "" => format!("vivarium-{what}"),
            instance => format!("{instance}-{what}"),
        }
    }

    /// Labels of the volumes of a process's sandboxes.
    pub(crate) fn of_disks(&self, owner: &str) -> BTreeMap<String, String> {
        let mut labels = self.of_kind(KIND_DISK);
        labels.insert(OWNER.to_owned(), owner.to_owned());
        labels
    }

    /// Labels of a process's sandboxes.
    pub(crate) fn owned(&self, owner: &str) -> BTreeMap<String, String> {
        let mut labels = self.all();
        labels.insert(OWNER.to_owned(), owner.to_owned());
        labels
    }
}

/// All that one container is made of.
pub(crate) struct Plan<'a> {
    pub(crate) id: &'a SandboxId,
    pub(crate) shape: &'a Shape,
    pub(crate) labels: &'a Labels,
    pub(crate) owner: &'a str,
    /// What it has of the volume with PID 1.
    pub(crate) init: &'a InitFiles,
    /// Folders that the image declares as volumes.
    pub(crate) image_volumes: &'a [String],
    pub(crate) is_podman: bool,
}

impl Plan<'_> {
    /// As the engine takes it.
    pub(crate) fn container(&self) -> ContainerSpec {
        let limits = self.shape.limits;
        ContainerSpec {
            name: self.id.container(),
            image: self.shape.image.clone(),
            hostname: Some("sandbox".into()),
            entrypoint: Some(vec![INIT_PROGRAM.into()]),
            command: Some(Vec::new()),
            user: Some(USER.into()),
            working_dir: Some("/".into()),
            labels: self.labels.owned(self.owner),
            environment: BTreeMap::from([
                ("HOME".to_owned(), HOME.to_owned()),
                ("USER".to_owned(), "sandboxuser".to_owned()),
                ("LOGNAME".to_owned(), "sandboxuser".to_owned()),
            ]),
            binds: vec![Bind {
                source: self.init.volume.clone(),
                target: INIT_FOLDER.into(),
                read_only: true,
            }],
            // The engine writes none where it lays out no network.
            files: match &self.init.hosts {
                Some(hosts) if self.is_quick() => {
                    BTreeMap::from([("/etc/hosts".to_owned(), hosts.clone())])
                }
                _ => BTreeMap::new(),
            },
            volumes: match self.shape.disk {
                DiskKind::Memory => BTreeMap::new(),
                DiskKind::Volume => disk::volumes(self.id),
            },
            tmpfs: self.tmpfs(),
            network: Some(self.network_name()),
            without_network: self.is_quick(),
            limits: Limits {
                memory_bytes: Some(u64::from(limits.memory_mb) << 20),
                cpus: Some(limits.cpus),
                pids: Some(limits.pids),
                shm_bytes: Some(SHM_BYTES),
            },
            stop_timeout_s: 0,
            security_options: vec!["no-new-privileges".into()],
            drop_capabilities: true,
            read_only: true,
            logging: Logging::None,
            open_stdin: true,
            runtime: self.shape.runtime.clone(),
            gpus: self.shape.gpu,
            ..ContainerSpec::default()
        }
    }

    /// Whether the engine has no network to lay out, for which it takes more than half of a start
    /// (docs/decisions/0009).
    pub(crate) fn is_quick(&self) -> bool {
        let shape = self.shape;
        shape.network == NetworkMode::None && shape.runtime.is_none() && self.init.hosts.is_some()
    }

    /// The network to make for it, if it needs one.
    pub(crate) fn network(&self) -> Option<NetworkSpec> {
        let mode = self.shape.network;
        (mode != NetworkMode::None).then(|| NetworkSpec {
            name: self.network_name(),
            labels: match self.has_own_network() {
                true => self.labels.owned(self.owner),
                false => self.labels.of_kind("sandbox-network"),
            },
            is_internal: mode == NetworkMode::Isolated,
            keeps_apart: !self.is_podman,
        })
    }

    /// Whether its network goes with it. Docker keeps the containers of one network apart; it has
    /// addresses for some thirty networks only.
    pub(crate) fn has_own_network(&self) -> bool {
        self.is_podman && self.shape.network != NetworkMode::None
    }

    fn network_name(&self) -> String {
        let word = match self.shape.network {
            NetworkMode::None => return "none".into(),
            NetworkMode::Isolated => "isolated",
            NetworkMode::Internet => "internet",
        };
        match self.has_own_network() {
            true => self.id.container(),
            false => self.labels.named(&format!("sandboxes-{word}")),
        }
    }

    fn tmpfs(&self) -> BTreeMap<String, String> {
        let disk_mb = self.shape.limits.disk_mb;
        let options = format!("rw,exec,nosuid,nodev,size={disk_mb}m");
        let files = most_files(disk_mb);
        // Podman refuses these, and the folders are everybody's there.
        let (home, shared) = match self.is_podman {
            true => (String::from(",mode=1777"), String::from(",mode=1777")),
            false => (
                format!(",nr_inodes={files},uid=1000,gid=1000,mode=0755"),
                format!(",nr_inodes={files},mode=1777"),
            ),
        };
        let mut folders: BTreeMap<String, String> = BTreeMap::new();
        // A volume that the image declares would be on the engine's disk, without any limit.
        let volumes = self.image_volumes.iter().take(MOST_VOLUMES);
        let harmless = volumes.filter(|path| path.starts_with('/') && path.len() > 1);
        folders.extend(harmless.map(|path| (path.clone(), format!("{options}{shared}"))));
        if self.shape.disk == DiskKind::Volume {
            return folders;
        }
        for folder in WRITABLE {
            let rights = if folder == "/tmp" { &shared } else { &home };
            folders.insert(folder.into(), format!("{options}{rights}"));
        }
        if !self.is_podman {
            // The engine's own has a limit for its size and none for its files.
            let shared = format!(
                "rw,noexec,nosuid,nodev,size={SHM_BYTES},nr_inodes={LEAST_FILES},mode=1777"
            );
            folders.insert("/dev/shm".into(), shared);
        }
        folders
    }
}

/// How many files a folder of this size may have.
pub(crate) fn most_files(disk_mb: u32) -> u32 {
    disk_mb.saturating_mul(FILES_PER_MB).max(LEAST_FILES)
}

/// Removes a sandbox's container, its volumes, and the network that is its own.
pub(crate) async fn remove(
    engine: &Engine,
    id: &SandboxId,
    disk: DiskKind,
) -> Result<(), EngineError> {
    let name = id.container();
    engine.remove_container(&name).await?;
    if disk == DiskKind::Volume {
        disk::remove(engine, id).await?;
    }
    if engine.is_podman() {
        engine.remove_network(&name).await?;
    }
    Ok(())
}

/// The id that a container's name has.
pub(crate) fn id_of(container: &str) -> Option<SandboxId> {
    container
        .strip_prefix(wire::sandbox::CONTAINER_PREFIX)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn planned(network: NetworkMode, is_podman: bool) -> (ContainerSpec, Option<NetworkSpec>) {
        let mut shape = Shape::from(&Settings::default().pool[0]);
        shape.network = network;
        planned_as(shape, is_podman)
    }

    fn planned_as(shape: Shape, is_podman: bool) -> (ContainerSpec, Option<NetworkSpec>) {
        let labels = Labels {
            instance: "a".into(),
        };
        let id = "x1".parse().unwrap();
        let plan = Plan {
            id: &id,
            shape: &shape,
            labels: &labels,
            owner: "seat",
            init: &InitFiles {
                volume: "v".into(),
                hosts: (!is_podman).then(|| "/volumes/v/hosts".into()),
            },
            image_volumes: &["/var/lib/data".to_owned()],
            is_podman,
        };
        (plan.container(), plan.network())
    }

    #[test]
    fn a_sandbox_has_nothing_that_the_contract_forbids() {
        let (spec, network) = planned(NetworkMode::None, false);
        assert_eq!(spec.name, "sandbox-session-x1");
        assert_eq!((spec.user.as_deref(), network), (Some("1000:1000"), None));
        assert!(spec.drop_capabilities && spec.add_capabilities.is_empty() && spec.read_only);
        assert_eq!(spec.security_options, ["no-new-privileges"]);
        assert_eq!(spec.network.as_deref(), Some("none"));
        assert!(spec.without_network);
        assert_eq!((spec.logging, spec.open_stdin), (Logging::None, true));
        assert_eq!(spec.limits.memory_bytes, Some(512 << 20));
        assert_eq!((spec.limits.cpus, spec.limits.pids), (Some(1.0), Some(256)));
        assert!(spec.ports.is_empty());
        let [init] = spec.binds.as_slice() else {
            panic!("{:?}", spec.binds)
        };
        assert!(init.read_only && !init.source.contains('/'));
        assert_eq!(spec.files["/etc/hosts"], "/volumes/v/hosts");
        for folder in WRITABLE.into_iter().chain(["/var/lib/data"]) {
            let options = &spec.tmpfs[folder];
            for option in ["size=256m", "nosuid", "nodev", "nr_inodes=65536"] {
                assert!(options.contains(option), "{folder}: {options}");
            }
        }
        let shared = &spec.tmpfs["/dev/shm"];
        for option in ["size=16777216", "noexec", "nodev", "nr_inodes=16384"] {
            assert!(shared.contains(option), "{shared}");
        }
        for (label, value) in [(KIND, "sandbox"), (INSTANCE, "a"), (OWNER, "seat")] {
            assert_eq!(spec.labels[label], value);
        }
    }

    #[test]
    fn on_a_disk_the_folders_are_volumes_of_its_own_and_nothing_else_changes() {
        let mut shape = Shape::from(&Settings::default().pool[0]);
        shape.disk = DiskKind::Volume;
        let (spec, _) = planned_as(shape, false);
        let (memory, _) = planned(NetworkMode::None, false);
        assert!(memory.volumes.is_empty());
        for folder in WRITABLE {
            assert!(spec.volumes[folder].starts_with("sandbox-session-x1-"));
            assert!(!spec.tmpfs.contains_key(folder));
        }
        assert!(spec.tmpfs.contains_key("/var/lib/data") && spec.read_only);
        assert_eq!((spec.binds, spec.user), (memory.binds, memory.user));
    }

    #[test]
    fn sandboxes_of_one_network_are_kept_apart_or_have_each_their_own() {
        let (spec, network) = planned(NetworkMode::Isolated, false);
        let network = network.unwrap();
        assert!(network.is_internal && network.keeps_apart);
        assert_eq!(spec.network.as_deref(), Some(network.name.as_str()));
        // Its names are the engine's.
        assert!(!spec.without_network && spec.files.is_empty());
        assert_eq!(network.name, "a-sandboxes-isolated");
        let (spec, network) = planned(NetworkMode::Internet, true);
        let network = network.unwrap();
        assert!(!network.is_internal && !network.keeps_apart);
        assert_eq!(network.name, "sandbox-session-x1");
        assert_eq!(spec.network.as_deref(), Some("sandbox-session-x1"));
    }

    #[test]
    fn only_names_of_ours_have_an_id() {
        assert_eq!(id_of("sandbox-session-x1"), Some("x1".parse().unwrap()));
        assert_eq!(id_of("sandbox-session-X"), None);
        assert_eq!(id_of("other"), None);
    }
}
