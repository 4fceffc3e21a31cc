//! The container that an agent is: what it may do, and what it sees.

use containers::{Bind, ContainerSpec, Limits, Logging};
use init_client::{INIT_FOLDER, INIT_PROGRAM};
use wire::agent::{AgentId, AgentWorkspace};

use crate::{
    error::AgentError,
    labels::{About, Labels},
    workspace,
};

/// Who everything runs as.
pub(crate) const USER: &str = "agent";
/// Its home, on a volume of its own.
pub(crate) const HOME: &str = "/home/agent";
/// What it works on.
pub(crate) const WORKSPACE: &str = "/workspace";
/// In memory: the helper's socket, and keys until the tool has them. A tmpfs of our own would lose its mode
/// when its container starts again (runc gives it that of the folder below); this one is everybody's.
pub(crate) const RUN_FOLDER: &str = "/dev/shm/vivarium";
/// The helper's socket.
pub(crate) const SOCKET: &str = "/dev/shm/vivarium/agent.sock";
/// Keys, until the tool has them.
pub(crate) const KEYS_FILE: &str = "/dev/shm/vivarium/keys.json";
/// Where the helper keeps where the agent stands.
pub(crate) const STATE_FILE: &str = "/home/agent/.vivarium/state.json";
/// How long its tool may take to end when it is stopped, the helper's own grace and a little more.
pub(crate) const STOP_S: u32 = 10;

/// All that one container is made of.
pub(crate) struct Plan<'a> {
    pub(crate) about: &'a About,
    pub(crate) labels: &'a Labels,
    /// Volume with the helper.
    pub(crate) init_volume: &'a str,
    /// Folders that may be worked on in place.
    pub(crate) workspaces: &'a [std::path::PathBuf],
}

/// The volume of its home.
pub(crate) fn home_volume(id: &AgentId) -> String {
    format!("{}-home", id.container())
}

/// The volume of what it works on, if that isn't a folder of this computer.
pub(crate) fn work_volume(id: &AgentId) -> String {
    format!("{}-work", id.container())
}

/// The id that a volume's name has.
pub(crate) fn id_of_volume(name: &str) -> Option<AgentId> {
    AgentId::of_container(name.strip_suffix("-home")?)
}

impl Plan<'_> {
    /// The volumes that it needs.
    pub(crate) fn volumes(&self) -> Vec<String> {
        let id = &self.about.id;
        match self.about.made.workspace {
            AgentWorkspace::Volume | AgentWorkspace::Clone { .. } => {
                vec![home_volume(id), work_volume(id)]
            }
            AgentWorkspace::InPlace { .. } => vec![home_volume(id)],
        }
    }

    /// As the engine takes it.
    ///
    /// # Errors
    /// [`AgentError::Folder`] for what may not be seen.
    pub(crate) fn container(&self) -> Result<ContainerSpec, AgentError> {
        let made = &self.about.made;
        let limits = made.limits;
        let variables = [
            ("HOME", HOME),
            ("USER", USER),
            ("LOGNAME", USER),
            ("SHELL", "/bin/bash"),
            ("LANG", "C.UTF-8"),
        ];
        Ok(ContainerSpec {
            name: self.about.id.container(),
            image: made.image.clone(),
            hostname: Some("agent".into()),
            entrypoint: Some(vec![INIT_PROGRAM.into()]),
            command: Some(vec!["agent".into()]),
            user: Some(USER.into()),
            working_dir: Some(WORKSPACE.into()),
            labels: self.labels.write(self.about),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            binds: self.volumes_seen(),
            folders: self.folders()?,
            network: Some(self.labels.network()),
            // Where the engine runs on this computer, its name leads to this computer.
            hosts: match made.host_access {
                true => vec!["host.docker.internal:host-gateway".into()],
                false => Vec::new(),
            },
            limits: Limits {
                memory_bytes: Some(u64::from(limits.memory_mb) << 20),
                cpus: Some(limits.cpus),
                pids: Some(limits.pids),
                shm_bytes: None,
            },
            stop_timeout_s: STOP_S,
            security_options: vec!["no-new-privileges".into()],
            drop_capabilities: true,
            logging: Logging::File,
            gpus: made.gpu,
            ..ContainerSpec::default()
        })
    }

    /// Volumes, which begin with what the image has there.
    fn volumes_seen(&self) -> Vec<Bind> {
        let id = &self.about.id;
        let mut binds = vec![
            bind(self.init_volume.to_owned(), INIT_FOLDER, true),
            bind(home_volume(id), HOME, false),
        ];
        if !matches!(self.about.made.workspace, AgentWorkspace::InPlace { .. }) {
            binds.push(bind(work_volume(id), WORKSPACE, false));
        }
        binds
    }

    /// What it sees of this computer.
    fn folders(&self) -> Result<Vec<Bind>, AgentError> {
        let mut folders = Vec::new();
        if let AgentWorkspace::InPlace { path } = &self.about.made.workspace {
            let found = workspace::in_place(path, self.workspaces)?;
            let folder = found.folder.display().to_string();
            if found.has_git {
                let target = format!("{WORKSPACE}/.git");
                folders.push(bind(format!("{folder}/.git"), &target, true));
            }
            folders.push(bind(folder, WORKSPACE, false));
        }
        for mount in &self.about.made.mounts {
            let source = workspace::read_only(mount)?.display().to_string();
            folders.push(bind(source, &mount.target, true));
        }
        Ok(folders)
    }
}

fn bind(source: String, target: &str, read_only: bool) -> Bind {
    Bind {
        source,
        target: target.to_owned(),
        read_only,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::tests::about;

    fn planned(about: &About, workspaces: &[std::path::PathBuf]) -> ContainerSpec {
        let labels = Labels {
            instance: "x".into(),
        };
        let plan = Plan {
            about,
            labels: &labels,
            init_volume: "v",
            workspaces,
        };
        plan.container().unwrap()
    }

    #[test]
    fn an_agent_has_no_rights_that_it_does_not_need() {
        let spec = planned(&about(), &[]);
        assert_eq!(spec.user.as_deref(), Some("agent"));
        assert!(spec.drop_capabilities && spec.add_capabilities.is_empty());
        assert_eq!(spec.security_options, ["no-new-privileges"]);
        assert_eq!(spec.limits.memory_bytes, Some(4 << 30));
        assert_eq!(
            (spec.limits.cpus, spec.limits.pids),
            (Some(2.0), Some(2048))
        );
        assert_eq!(spec.network.as_deref(), Some("x-tmux-agents"));
        assert!(spec.hosts.is_empty() && spec.ports.is_empty());
        assert!(!spec.environment.keys().any(|name| name.contains("KEY")));
        let read_only: Vec<&str> = spec
            .binds
            .iter()
            .filter(|bind| bind.read_only)
            .map(|bind| bind.target.as_str())
            .collect();
        assert_eq!(read_only, ["/.vivarium"]);
    }

    #[test]
    fn a_folder_in_place_keeps_its_repository_from_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        let mut about = about();
        about.made.workspace = AgentWorkspace::InPlace {
            path: root.display().to_string(),
        };
        about.made.host_access = true;
        let spec = planned(&about, std::slice::from_ref(&root));
        let find = |target: &str| {
            let bind = spec.folders.iter().find(|bind| bind.target == target);
            bind.unwrap().clone()
        };
        assert!(!find("/workspace").read_only);
        assert!(find("/workspace/.git").read_only);
        assert_eq!(spec.hosts, ["host.docker.internal:host-gateway"]);
    }

    #[test]
    fn names_of_volumes_lead_back_to_their_agent() {
        let id = about().id;
        assert_eq!(id_of_volume(&home_volume(&id)), Some(id.clone()));
        assert_eq!(id_of_volume(&work_volume(&id)), None);
        assert_eq!(id_of_volume("tmux-agent--home"), None);
    }
}
