//! From a spec to the container that the engine is asked for.

mod names;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use containers::{Bind, ContainerSpec, Limits, PublishedPort, Restarts};

use crate::{
    error::LifecycleError,
    paths::{MACHINE_UID, Paths, machine_ids, make_dir, own},
    self_container,
    spec::{Executor, Profile, Spec},
};

pub(crate) use names::{Names, Placed, label};

/// Ports inside.
pub(crate) const KERNEL_PORT: u16 = 8080;
/// MCP inside.
pub(crate) const MCP_PORT: u16 = 8765;
/// VNC inside.
pub(crate) const VNC_PORT: u16 = 5900;
/// All of them, in the order of the spec.
pub(crate) const PORTS: [u16; 3] = [KERNEL_PORT, MCP_PORT, VNC_PORT];
/// The engine's socket, inside and as it usually is on the host.
const SOCKET: &str = "/var/run/docker.sock";
/// Where a machine sees the history of its repo, which it can't write to.
pub(crate) const HISTORY: &str = "/var/lib/vivarium/history.git";
/// Grace of a stop.
pub(crate) const STOP_S: u32 = 10;

/// What a plan takes from its surroundings rather than from the spec.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Working copy behind `/repo`.
    pub repo: PathBuf,
    /// The history of its files, if the machine is to see it.
    pub history: Option<PathBuf>,
    /// The image's name.
    pub image: String,
    /// Pins what runs; part of the plan's digest.
    pub image_id: String,
    /// Our seccomp profile as the engine takes it: JSON, or a path.
    pub seccomp: String,
    /// The engine's socket, where the machine gets it.
    pub socket: Option<EngineSocket>,
    /// Whether the engine is Podman.
    pub podman: bool,
    /// Of a rootless engine: how the container's ids are mapped.
    pub user_namespace: Option<&'static str>,
}

/// The engine's socket as a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineSocket {
    /// On the engine's host.
    pub path: String,
    /// The group that may use it.
    pub group: u32,
}

impl EngineSocket {
    /// The socket at the engine's address. Where the engine runs in a virtual machine (macOS,
    /// Windows), the address here is not the path there: then it is the usual one. In a rootless
    /// engine's containers its owner's own group is root's.
    pub(crate) fn find(endpoint: &str, rootless: bool) -> Self {
        let here = endpoint
            .strip_prefix("unix://")
            .filter(|_| cfg!(target_os = "linux"))
            .and_then(|path| Some((path, std::fs::metadata(path).ok()?.gid())));
        let (path, group) = here.unwrap_or((SOCKET, 0));
        Self {
            path: path.into(),
            group: if rootless { 0 } else { group },
        }
    }
}

/// The container of a machine.
pub(crate) fn container(spec: &Spec, names: &Names, paths: &Paths, site: &Site) -> ContainerSpec {
    let (uid, gid) = machine_ids();
    let repo = &site.repo;
    let mut environment: BTreeMap<String, String> = [
        ("BROWSER_USE_HEADLESS", "false".to_owned()),
        ("FILESYSTEM_ROOT", "/root".into()),
        ("HOST_HOME", paths.user_home.display().to_string()),
        ("HOST_PWD", repo.display().to_string()),
        ("VIVARIUM_UID", uid.to_string()),
        ("VIVARIUM_GID", gid.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // PID 1 begins as root and takes its groups from here when it becomes the machine's user.
    if let Some(socket) = &site.socket {
        environment.insert("VIVARIUM_GROUPS".into(), socket.group.to_string());
    }
    if site.socket.is_some() {
        // It carries its evolves out itself, as its owner wants them.
        environment.extend(self_container::settings(spec));
    }
    environment.extend(spec.environment.clone());
    let bind = |source: String, target: &str, read_only| Bind {
        source,
        target: target.into(),
        read_only,
    };
    let mut binds = vec![
        bind(names.home_volume(), "/root", false),
        bind(repo.display().to_string(), "/repo", false),
        bind(
            paths.secrets_dir(&names.machine).display().to_string(),
            "/run/secrets",
            true,
        ),
    ];
    if let Some(history) = &site.history {
        binds.push(bind(history.display().to_string(), HISTORY, true));
    }
    binds.extend(
        spec.mounts
            .iter()
            .map(|mount| bind(expand(&mount.source, paths), &mount.target, mount.read_only)),
    );
    if let Some(socket) = &site.socket {
        binds.push(bind(socket.path.clone(), SOCKET, false));
    }
    let locked = spec.profile == Profile::Locked;
    if handed_over(spec) {
        let dir = paths.machine_dir(&names.machine);
        for file in USER_FILES {
            let source = dir.join(file).display().to_string();
            binds.push(bind(source, &format!("/etc/{file}"), true));
        }
    }
    let (mut tmpfs, mut security_options) = (tmpfs(), Vec::new());
    if locked {
        tmpfs = locked_tmpfs(uid, gid, site.podman, &binds);
        security_options.push("no-new-privileges".to_owned());
    }
    let mut add_capabilities = Vec::new();
    if spec.criu {
        security_options.push("seccomp=unconfined".into());
        add_capabilities.extend(["SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"].map(str::to_owned));
    } else {
        security_options.push(format!("seccomp={}", site.seccomp));
    }
    let port = |host, container| PublishedPort { host, container };
    let mut plan = ContainerSpec {
        name: names.container.clone(),
        image: site.image.clone(),
        hostname: Some(names.name.clone()),
        entrypoint: None,
        command: None,
        // Without capabilities nobody could drop from root to the machine's user later.
        // With the user's own id kept, Podman would begin as that user too.
        user: if locked {
            Some(format!("{uid}:{gid}"))
        } else {
            site.user_namespace.map(|_| "0:0".to_owned())
        },
        groups: site.socket.iter().map(|socket| socket.group).collect(),
        labels: names.labels(),
        environment,
        binds,
        tmpfs,
        ports: vec![
            port(spec.ports.kernel, KERNEL_PORT),
            port(spec.ports.mcp, MCP_PORT),
            port(spec.ports.vnc, VNC_PORT),
        ],
        network: Some(names.network()),
        limits: Limits {
            memory_bytes: spec.memory_bytes(),
            cpus: (spec.limits.cpus > 0.0).then_some(spec.limits.cpus),
            pids: Some(spec.limits.pids),
            shm_bytes: spec.shm_bytes(),
        },
        restarts: Restarts::UnlessStopped,
        stop_timeout_s: STOP_S,
        security_options,
        drop_capabilities: locked,
        add_capabilities,
        user_namespace: site.user_namespace.map(str::to_owned),
        read_only: locked,
        ..ContainerSpec::default()
    };
    let digest = digest(&plan, &site.image_id);
    plan.labels.insert(label::PLAN.into(), digest);
    plan
}

/// Digest of a plan. Limits that the engine can change are looked at beside it.
pub(crate) fn digest(plan: &ContainerSpec, image_id: &str) -> String {
    let fixed = Limits {
        shm_bytes: plan.limits.shm_bytes,
        ..Limits::default()
    };
    digest_with_limits(plan, image_id, &fixed)
}

/// The plan of a version that did not show machines their history.
pub(crate) fn without_history(plan: &ContainerSpec) -> ContainerSpec {
    let mut plan = plan.clone();
    plan.binds.retain(|bind| bind.target != HISTORY);
    plan
}

/// Digest of a plan, as if it had these limits. Versions up to 0.1 had all limits in the label, so
/// a container of theirs is known by the limits that it has.
pub(crate) fn digest_with_limits(plan: &ContainerSpec, image_id: &str, limits: &Limits) -> String {
    let mut plan = plan.clone();
    plan.labels.remove(label::PLAN);
    plan.limits = *limits;
    // A new name alone makes no other container: it counts as having its first one.
    let first = |label| plan.labels.get(label).cloned();
    if let (Some(id), Some(instance)) = (first(label::MACHINE), first(label::INSTANCE)) {
        plan.name = match instance.as_str() {
            "" => id.clone(),
            instance => format!("{instance}-{id}"),
        };
        plan.hostname = Some(id);
    }
    // Which image it is counts, and not what it is called: a generation of it has a name of its own.
    // A machine that replaces itself keeps the label, and its image is looked at beside it.
    plan.image = if plan.binds.iter().any(|bind| bind.target == SOCKET) {
        String::new()
    } else {
        image_id.to_owned()
    };
    let digest = blake3::hash(as_text(&plan).as_bytes());
    digest.to_hex().to_string()
}

/// A plan as text, without the fields that only sandboxes use: machines of earlier versions are known
/// by a digest that doesn't have them.
fn as_text(plan: &ContainerSpec) -> String {
    let text = format!("{plan:?}");
    match text.rsplit_once(", logging: ") {
        Some((of_machines, _)) => format!("{of_machines} }}"),
        None => text,
    }
}

/// Files that know the machine's user by name.
pub(crate) const USER_FILES: [&str; 2] = ["passwd", "group"];

/// Whether home and user are prepared before the machine's life: it begins without root, as another
/// user than the image's.
pub(crate) fn handed_over(spec: &Spec) -> bool {
    spec.profile == Profile::Locked && machine_ids().0 != MACHINE_UID
}

/// Name of the container that prepares them.
pub(crate) fn init_home_name(names: &Names) -> String {
    format!("{}-handover", names.container)
}

/// The container that prepares them, as root, and ends.
pub(crate) fn init_home(names: &Names, plan: &ContainerSpec) -> ContainerSpec {
    let is_home = |bind: &&Bind| bind.target == "/root";
    ContainerSpec {
        name: init_home_name(names),
        image: plan.image.clone(),
        command: Some(vec!["home".into()]),
        user: Some("0:0".into()),
        labels: names.labels(),
        environment: plan.environment.clone(),
        binds: plan.binds.iter().filter(is_home).cloned().collect(),
        network: plan.network.clone(),
        user_namespace: plan.user_namespace.clone(),
        ..ContainerSpec::default()
    }
}

/// What is fresh at each start: PID 1 begins as root and gives out folders itself.
fn tmpfs() -> BTreeMap<String, String> {
    BTreeMap::from([("/run".to_owned(), "mode=755,exec".to_owned())])
}

/// What must be writable under a read-only root, owned from the start by whom it is for.
fn locked_tmpfs(uid: u32, gid: u32, podman: bool, binds: &[Bind]) -> BTreeMap<String, String> {
    // Podman knows no owner of a tmpfs, where nobody else is anyway, and would make it like the
    // image's folder.
    let (shared, private) = if podman {
        let both = "mode=1777,exec,notmpcopyup".to_owned();
        (both.clone(), both)
    } else {
        let private = format!("mode=755,exec,uid={uid},gid={gid}");
        ("mode=1777,exec".to_owned(), private)
    };
    let mut tmpfs: BTreeMap<String, String> = [
        ("/run", &private),
        ("/tmp", &shared),
        ("/tmp/.X11-unix", &shared),
        ("/var/tmp", &shared),
    ]
    .map(|(path, options)| (path.to_owned(), options.clone()))
    .into();
    if podman {
        // Under a read-only root it puts a /run of root's own over ours.
        tmpfs.insert("/run/vivarium".into(), private.clone());
    }
    if !binds.iter().any(|bind| bind.target == "/data") {
        tmpfs.insert("/data".into(), private);
    }
    tmpfs
}

/// Makes the host's folders before the engine would, as root: those of the spec as it is written
/// on first use. A path that somebody typed and that is not there is more likely a mistake.
///
/// # Errors
/// [`LifecycleError::NoSource`], [`LifecycleError::File`].
pub(crate) fn make_sources(spec: &Spec, paths: &Paths) -> Result<(), LifecycleError> {
    let usual = Spec::default().mounts;
    for mount in &spec.mounts {
        let source = expand(&mount.source, paths);
        let source = Path::new(&source);
        // A file can be mounted too; only what is missing is made.
        if source.exists() {
            continue;
        }
        if !usual.iter().any(|usual| usual.source == mount.source) {
            return Err(LifecycleError::NoSource {
                path: source.to_owned(),
                target: mount.target.clone(),
            });
        }
        // Snapshots and runs may hold keys.
        let mode = if mount.target == "/data" {
            0o700
        } else {
            0o755
        };
        if make_dir(source, mode)? {
            own(source)?;
        }
    }
    Ok(())
}

/// The folder at `/data` of a machine that carries its evolves out itself: its record of them is in
/// there, for itself as for the host.
pub(crate) fn data_source(spec: &Spec, paths: &Paths) -> Option<PathBuf> {
    data_folder(spec, paths).filter(|_| spec.executor == Executor::Socket)
}

/// The folder at a machine's `/data`, if it may write there.
pub(crate) fn data_folder(spec: &Spec, paths: &Paths) -> Option<PathBuf> {
    let mut mounts = spec.mounts.iter();
    let data = mounts.find(|mount| mount.target == "/data" && !mount.read_only)?;
    Some(expand(&data.source, paths).into())
}

/// A mount's source, with `~` for the home.
pub(crate) fn expand(source: &str, paths: &Paths) -> String {
    match source.strip_prefix("~/") {
        Some(rest) => paths.user_home.join(rest).display().to_string(),
        None => source.into(),
    }
}
