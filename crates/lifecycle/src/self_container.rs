//! A machine seen from inside, through the container engine's socket in it: how it finds its own
//! container, and what is other there than at the host. It was made by somebody else (`docker
//! compose`, `docker run`), so that its successor is made like it and not from a spec.

use std::{collections::BTreeMap, path::Path};

use containers::{Blueprint, Engine};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{
    error::LifecycleError,
    evolve::{read_json, write_json},
    machine::Machine,
    plan::{Names, label},
    spec::{Executor, MountSpec, Profile, Spec},
};

/// Where such a machine keeps its runs and generations: on its `/data`, which outlives it.
pub(crate) const EXECUTOR_DIR: &str = "/data/evolve/executor";
/// The same below what is mounted at `/data`, where the host finds it.
pub(crate) const EXECUTOR_IN_DATA: &str = "evolve/executor";
/// Its first part, in which the machine keeps its own record too.
pub(crate) const DATA_EVOLVE: &str = "evolve";
/// The engine's socket inside.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";
/// Its working copy inside.
const REPO: &str = "/repo";
/// Settings, as `--set` of the command line takes them, with commas between.
pub(crate) const SETTINGS: &str = "VIVARIUM_SET";
/// What tells the rest of a machine's containers apart; nothing else may be named so.
const NAME_END: &str = "-host";
/// Compose's label of the image that a container is of.
const COMPOSE_IMAGE: &str = "com.docker.compose.image";

/// Which process of such a machine this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the machine: it ends with it, so that the swap is another's.
    Within,
    /// The container beside it that replaces it.
    Restarter,
}

/// What a machine knows of its own container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SelfContainer {
    /// Its container's name.
    pub container: String,
    /// The machine's name on labels.
    pub machine: String,
    /// Its instance.
    pub instance: String,
    /// The image that whoever made it names; `None` where that is not to follow its generations.
    pub image: Option<String>,
    /// Of its generations.
    pub repository: String,
    /// The user that it begins as; `None` for root.
    pub user: Option<String>,
    /// Mount points inside.
    pub mounts: Vec<String>,
    /// Settings of its owner.
    pub settings: Vec<String>,
    /// Which process this is.
    #[serde(skip, default = "restarter")]
    pub role: Role,
}

fn restarter() -> Role {
    Role::Restarter
}

impl SelfContainer {
    /// Its file, which a restarter reads.
    fn file() -> std::path::PathBuf {
        Path::new(EXECUTOR_DIR).join("machine.json")
    }

    pub(crate) fn names(&self) -> Names {
        Names {
            machine: self.machine.clone(),
            name: self.machine.clone(),
            instance: self.instance.clone(),
            container: self.container.clone(),
            stem: self.container.clone(),
            image: self.image.clone().unwrap_or_default(),
            repository: self.repository.clone(),
        }
    }

    /// As much of a spec as counts: mounts, how it is closed, how it evolves.
    pub(crate) fn spec(&self) -> Result<Spec, LifecycleError> {
        let mut spec = Spec::parse("", Path::new(SETTINGS), &self.settings)?;
        spec.executor = Executor::Socket;
        spec.profile = match self.user {
            Some(_) => Profile::Locked,
            None => Profile::Default,
        };
        let mounts = self.mounts.iter();
        let more = mounts.filter(|target| !["/root", REPO, SOCKET].contains(&target.as_str()));
        spec.mounts = more
            .map(|target| MountSpec {
                source: String::new(),
                target: target.clone(),
                read_only: false,
            })
            .collect();
        Ok(spec)
    }

    /// Names of the containers that replace it: two, so that one may be lost.
    pub(crate) fn restarters(&self) -> [String; 2] {
        restarters_of(&self.container)
    }
}

/// Names of the containers that replace the machine in this one.
pub(crate) fn restarters_of(container: &str) -> [String; 2] {
    let name = container.strip_suffix(NAME_END).unwrap_or(container);
    [format!("{name}-restarter"), format!("{name}-restarter-2")]
}

impl Machine {
    /// The machine that this process runs in.
    ///
    /// # Errors
    /// [`LifecycleError::NotInside`], [`LifecycleError::NotMounted`], [`LifecycleError::Engine`].
    pub fn itself<'a>(engine: &'a Engine) -> BoxFuture<'a, Result<Self, LifecycleError>> {
        Box::pin(async move {
            let id = own_id().ok_or(LifecycleError::NotInside)?;
            let own = engine.blueprint(&id).await?;
            let own = own.ok_or(LifecycleError::NotInside)?;
            let is_mounted = |target| own.mounts().iter().any(|mount| mount.target == target);
            for target in ["/data", REPO] {
                if !is_mounted(target) {
                    return Err(LifecycleError::NotMounted { target });
                }
            }
            let settings = std::env::var(SETTINGS).unwrap_or_default();
            let settings = settings.split(',').map(str::trim);
            let self_container = SelfContainer {
                settings: settings
                    .filter(|one| !one.is_empty())
                    .map(str::to_owned)
                    .collect(),
                user: own.user().filter(|user| *user != "0:0").map(str::to_owned),
                mounts: own
                    .mounts()
                    .iter()
                    .map(|mount| mount.target.clone())
                    .collect(),
                role: Role::Within,
                ..named(&own)
            };
            write_json(&SelfContainer::file(), &self_container)?;
            Self::seen_from_inside(self_container)
        })
    }

    /// The machine that a restarter was started for.
    ///
    /// # Errors
    /// [`LifecycleError::NotInside`] where no machine has said so.
    pub fn to_restart() -> Result<Self, LifecycleError> {
        let self_container: Option<SelfContainer> = read_json(&SelfContainer::file())?;
        Self::seen_from_inside(self_container.ok_or(LifecycleError::NotInside)?)
    }

    /// A container like the machine's own, of another image.
    pub(crate) async fn like(
        &self,
        engine: &Engine,
        self_container: &SelfContainer,
        container: &str,
        image: &str,
        image_id: &str,
    ) -> Result<Blueprint, LifecycleError> {
        let found = engine.blueprint(container).await?;
        let mut found = found.ok_or_else(|| self.not_running())?;
        found.name.clone_from(&self_container.container);
        image.clone_into(&mut found.image);
        for (name, value) in self.names.labels() {
            found.set_label(&name, &value);
        }
        if let Some(image) = &self_container.image {
            found.set_label(label::IMAGE, image);
        }
        if found.labels().contains_key(COMPOSE_IMAGE) {
            // By it compose sees that the container is of the image that its file names.
            found.set_label(COMPOSE_IMAGE, image_id);
        }
        Ok(found)
    }

    /// Gives the machine's image the name by which whoever made it knows it, so that the next one
    /// that they make is of this generation.
    pub(crate) async fn follow_image(
        &self,
        engine: &Engine,
        image_id: &str,
    ) -> Result<(), LifecycleError> {
        if let Some(image) = self
            .self_container
            .as_ref()
            .and_then(|self_container| self_container.image.as_ref())
        {
            let (repository, tag) = split_tag(image);
            engine.tag_image(image_id, repository, tag).await?;
        }
        Ok(())
    }
}

/// Names by its labels, where it is a machine of Vivarium's, else by its container's.
fn named(own: &Blueprint) -> SelfContainer {
    // A label that the image has too counts: ours has the machine's name as well.
    let labels = own.all_labels();
    let label = |name: &str| labels.get(name).cloned();
    let made_by_us = labels.contains_key(label::PLAN);
    let image = label(label::IMAGE).unwrap_or_else(|| own.image.clone());
    let is_id = image.starts_with("sha256:") || image.is_empty();
    let (repository, _) = split_tag(&image);
    SelfContainer {
        container: own.name.clone(),
        machine: label(label::MACHINE)
            .filter(|_| made_by_us)
            .unwrap_or_else(|| format!("self-made-{}", own.name)),
        instance: label(label::INSTANCE)
            .filter(|_| made_by_us)
            .unwrap_or_default(),
        repository: if is_id {
            "os".into()
        } else {
            repository.into()
        },
        image: Some(image).filter(|_| !made_by_us && !is_id),
        user: None,
        mounts: Vec::new(),
        settings: Vec::new(),
        role: Role::Within,
    }
}

/// Repository and tag; a colon before the last slash is a registry's port.
fn split_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

/// The container that this process is in: its id stands in the paths of the files that the engine
/// mounts into it.
fn own_id() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    id_in(&mounts)
}

fn id_in(mounts: &str) -> Option<String> {
    let of_engine = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    let sources = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let source = words.nth(3)?;
        of_engine.contains(&words.next()?).then_some(source)
    });
    let is_id = |part: &&str| part.len() == 64 && part.chars().all(|c| c.is_ascii_hexdigit());
    let mut ids = sources.filter_map(|source| source.split('/').find(is_id));
    ids.next().map(str::to_owned)
}

/// What a machine is told of its own settings by the host that made it.
pub(crate) fn settings(spec: &Spec) -> BTreeMap<String, String> {
    let evolve = &spec.evolve;
    let pairs = [
        format!("generations_to_keep={}", spec.generations_to_keep),
        format!("base={}", spec.base),
        format!("evolve.needs_yes={}", evolve.needs_yes),
        format!("evolve.prove_s={}", evolve.prove_s),
        format!("evolve.settle_s={}", evolve.settle_s),
        format!("evolve.steady_s={}", evolve.steady_s),
        format!("evolve.generations_size={}", evolve.generations_size),
    ];
    BTreeMap::from([(SETTINGS.to_owned(), pairs.join(","))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_finds_its_own_id() {
        let id = "0123456789abcdef".repeat(4);
        let mounts = format!(
            "1 2 0:5 / /proc rw - proc proc rw\n\
             3 2 8:1 /lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda rw\n"
        );
        assert_eq!(id_in(&mounts), Some(id));
        assert_eq!(
            id_in("1 2 8:1 /etc/hostname /etc/hostname rw - ext4 x rw"),
            None
        );
    }

    #[test]
    fn a_tag_is_told_from_a_registrys_port() {
        assert_eq!(split_tag("os"), ("os", "latest"));
        assert_eq!(split_tag("os:gen-4"), ("os", "gen-4"));
        assert_eq!(split_tag("here:5000/os"), ("here:5000/os", "latest"));
    }

    #[test]
    fn its_restarters_are_named_after_it() {
        let self_container = |container: &str| SelfContainer {
            container: container.into(),
            machine: String::new(),
            instance: String::new(),
            image: None,
            repository: "os".into(),
            user: None,
            mounts: vec!["/data".into(), "/root".into()],
            settings: vec!["evolve.prove_s=7".into()],
            role: Role::Within,
        };
        assert_eq!(
            self_container("os-host").restarters(),
            ["os-restarter", "os-restarter-2"]
        );
        assert_eq!(self_container("a").restarters()[0], "a-restarter");
        let spec = self_container("a").spec().unwrap();
        assert_eq!(spec.evolve.prove_s, 7);
        assert_eq!(spec.mounts.len(), 1);
    }
}
