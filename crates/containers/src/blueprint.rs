//! A container as it is, to make another like it: of another image, everything else equal. What
//! the old image gave it (environment, labels, command) comes from the new one instead.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::{
        ContainerConfig, ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig,
        ImageConfig, MountPoint, NetworkConnectRequest, NetworkingConfig, PortBinding,
        RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions},
};
use futures_util::future::BoxFuture;

use crate::{
    connect::Engine,
    error::EngineError,
    spec::{Bind, binds_and_mounts},
};

/// How to make a container like one that is there.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Its name.
    pub name: String,
    /// Image name or id.
    pub image: String,
    body: ContainerCreateBody,
    /// Labels, those of its image among them.
    all_labels: BTreeMap<String, String>,
    /// What is mounted, with the sources on the engine's host.
    mounts: Vec<Bind>,
    /// Networks beyond the one it is created in: older engines take one then.
    more_networks: Vec<(String, EndpointSettings)>,
}

impl Engine {
    /// How to make a container like this one; `None` where it is not there.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn blueprint<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Blueprint>, EngineError>> {
        Box::pin(async move {
            let doing = || format!("inspect the container {name}");
            let found = self
                .docker
                .inspect_container(name, None::<InspectContainerOptions>)
                .await;
            let found = match found {
                Ok(found) => found,
                Err(error) => match EngineError::from_bollard(doing(), error) {
                    error if error.is_not_found() => return Ok(None),
                    error => return Err(error),
                },
            };
            let id = found.id.unwrap_or_default();
            let image_id = found.image.unwrap_or_default();
            // An image that lost its last name may be gone although a container is of it.
            let image = match self.docker.inspect_image(&image_id).await {
                Ok(image) => image.config.unwrap_or_default(),
                Err(error) => match EngineError::from_bollard(doing(), error) {
                    error if error.is_not_found() => ImageConfig::default(),
                    error => return Err(error),
                },
            };
            let config = found.config.unwrap_or_default();
            let network = found.network_settings.unwrap_or_default();
            let mut host = found.host_config.unwrap_or_default();
            pin_ports(&mut host, network.ports.as_ref());
            let short = id.get(..12).unwrap_or(&id).to_owned();
            let mut networks: Vec<(String, EndpointSettings)> = network
                .networks
                .unwrap_or_default()
                .into_iter()
                .map(|(name, endpoint)| (name, wanted(endpoint, &short)))
                .collect();
            networks.sort_by(|a, b| a.0.cmp(&b.0));
            // The first is the one that the container names as its own.
            let main = host.network_mode.clone().unwrap_or_default();
            let at = networks.iter().position(|(name, _)| *name == main);
            let first = at.map(|at| networks.remove(at));
            let shares = matches!(main.as_str(), "none" | "host") || main.starts_with("container:");
            if shares {
                networks.clear();
            }
            let named = config.image.clone().unwrap_or_else(|| image_id.clone());
            let all_labels = config.labels.clone().unwrap_or_default();
            let mut body = without_image(config, &image, &short);
            body.networking_config = first.filter(|_| !shares).map(|first| NetworkingConfig {
                endpoints_config: Some(HashMap::from([first])),
            });
            body.host_config = Some(host);
            let mounts = found.mounts.unwrap_or_default();
            Ok(Some(Blueprint {
                name: found
                    .name
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned(),
                image: named,
                body,
                all_labels: all_labels.into_iter().collect(),
                mounts: mounts.into_iter().filter_map(mounted).collect(),
                more_networks: networks,
            }))
        })
    }

    /// Creates a container after a blueprint; answers its id.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_conflict`] where the name is taken.
    pub fn create_like<'a>(
        &'a self,
        blueprint: &'a Blueprint,
    ) -> BoxFuture<'a, Result<String, EngineError>> {
        Box::pin(async move {
            let name = &blueprint.name;
            let failed =
                |error| EngineError::from_bollard(format!("create the container {name}"), error);
            let options = CreateContainerOptionsBuilder::new().name(name).build();
            let mut body = blueprint.body.clone();
            body.image = Some(blueprint.image.clone());
            let made = self.docker.create_container(Some(options), body).await;
            let id = made.map_err(failed)?.id;
            for (network, endpoint) in &blueprint.more_networks {
                let request = NetworkConnectRequest {
                    container: id.clone(),
                    endpoint_config: Some(endpoint.clone()),
                };
                let connected = self.docker.connect_network(network, request).await;
                if let Err(error) = connected.map_err(failed) {
                    self.remove_container(&id).await?;
                    return Err(error);
                }
            }
            Ok(id)
        })
    }
}

impl Blueprint {
    /// What it mounts: volumes by their names, folders by their paths on the engine's host.
    #[must_use]
    pub fn mounts(&self) -> &[Bind] {
        &self.mounts
    }

    /// Its own labels, those of its image left out.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.body.labels.clone().unwrap_or_default();
        labels.into_iter().collect()
    }

    /// All labels that the container has, whoever set them.
    #[must_use]
    pub fn all_labels(&self) -> &BTreeMap<String, String> {
        &self.all_labels
    }

    /// The user that its processes begin as, where the container says one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.body.user.as_deref().filter(|user| !user.is_empty())
    }

    /// Sets a label.
    pub fn set_label(&mut self, name: &str, value: &str) {
        let labels = self.body.labels.get_or_insert_default();
        labels.insert(name.to_owned(), value.to_owned());
    }

    /// Sets a variable of its environment.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let environment = self.body.env.get_or_insert_default();
        environment.retain(|one| one.split_once('=').is_none_or(|(known, _)| known != name));
        environment.push(format!("{name}={value}"));
    }

    /// Publishes a port on any free one instead; answers whether it was published.
    pub fn free_port(&mut self, port: u16) -> bool {
        let wanted = port.to_string();
        let mut found = false;
        let host = self.body.host_config.get_or_insert_default();
        for binding in host.port_bindings.iter_mut().flatten() {
            for binding in binding.1.iter_mut().flatten() {
                if binding.host_port.as_ref() == Some(&wanted) {
                    binding.host_port = Some(String::new());
                    found = true;
                }
            }
        }
        found
    }

    /// Turns it into one to try an image with: no published ports, no fixed addresses, no labels
    /// but these, never started again by the engine, and these mounts alone.
    pub fn for_trial(&mut self, labels: &BTreeMap<String, String>, mounts: &[Bind]) {
        self.body.labels = Some(crate::image::ordered(labels));
        self.body.exposed_ports = None;
        self.body.healthcheck = None;
        let host = self.body.host_config.get_or_insert_default();
        host.port_bindings = None;
        host.publish_all_ports = None;
        host.restart_policy = Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        });
        let (binds, odd) = binds_and_mounts(mounts);
        host.mounts = odd;
        host.binds = Some(binds);
        self.mounts = mounts.to_vec();
        self.more_networks.clear();
        let networks = self.body.networking_config.iter_mut();
        for endpoint in networks.flat_map(|one| one.endpoints_config.iter_mut().flatten()) {
            *endpoint.1 = EndpointSettings::default();
        }
    }
}

/// A health check that is none, for a container that runs another program than its image's.
pub(crate) fn no_health_check() -> HealthConfig {
    HealthConfig {
        test: Some(vec!["NONE".into()]),
        ..Default::default()
    }
}

/// A port that the engine chose stays the same.
fn pin_ports(host: &mut HostConfig, published: Option<&bollard::models::PortMap>) {
    let Some(published) = published else { return };
    for (port, bindings) in host.port_bindings.iter_mut().flatten() {
        let now = published.get(port).and_then(Option::as_ref);
        for (index, binding) in bindings.iter_mut().flatten().enumerate() {
            let any = |port: &String| port.is_empty() || port == "0";
            if binding.host_port.as_ref().is_none_or(any)
                && let Some(PortBinding { host_port, .. }) = now.and_then(|now| now.get(index))
            {
                binding.host_port.clone_from(host_port);
            }
        }
    }
}

/// What was asked for of a network, without what the engine gave.
fn wanted(endpoint: EndpointSettings, short_id: &str) -> EndpointSettings {
    let aliases = endpoint.aliases.map(|mut aliases| {
        aliases.retain(|alias| alias != short_id);
        aliases
    });
    EndpointSettings {
        aliases,
        ipam_config: endpoint.ipam_config,
        links: endpoint.links,
        driver_opts: endpoint.driver_opts,
        gw_priority: endpoint.gw_priority,
        ..Default::default()
    }
}

pub(crate) fn mounted(mount: MountPoint) -> Option<Bind> {
    let source = match mount.typ.as_deref() {
        Some("volume") => mount.name?,
        _ => mount.source?,
    };
    Some(Bind {
        source,
        target: mount.destination?,
        read_only: mount.rw == Some(false),
    })
}

/// The container's configuration without what it has from its image.
fn without_image(
    config: ContainerConfig,
    image: &ImageConfig,
    short_id: &str,
) -> ContainerCreateBody {
    fn own<T: PartialEq>(ours: Option<T>, image: &Option<T>) -> Option<T> {
        if ours == *image { None } else { ours }
    }
    let of_image = image.env.clone().unwrap_or_default();
    let env = config.env.map(|mut env| {
        env.retain(|one| !of_image.contains(one));
        env
    });
    let image_labels = image.labels.clone().unwrap_or_default();
    let labels = config.labels.map(|mut labels| {
        labels.retain(|name, value| image_labels.get(name) != Some(value));
        labels
    });
    let exposed = image.exposed_ports.clone().unwrap_or_default();
    let exposed_ports = config.exposed_ports.map(|mut ports| {
        ports.retain(|port| !exposed.contains(port));
        ports
    });
    // An entry point of the container's own takes the image's command away.
    let own_entry = config.entrypoint != image.entrypoint;
    ContainerCreateBody {
        // The engine names it by its id where nobody else does.
        hostname: config.hostname.filter(|name| name != short_id),
        domainname: config.domainname,
        user: own(config.user, &image.user),
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        exposed_ports,
        env,
        cmd: if own_entry {
            config.cmd
        } else {
            own(config.cmd, &image.cmd)
        },
        entrypoint: own(config.entrypoint, &image.entrypoint),
        healthcheck: own(config.healthcheck, &image.healthcheck),
        volumes: own(config.volumes, &image.volumes),
        working_dir: own(config.working_dir, &image.working_dir),
        labels,
        stop_signal: own(config.stop_signal, &image.stop_signal),
        stop_timeout: config.stop_timeout,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn what_the_image_gave_is_left_to_the_next_image() {
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            Some(pairs.map(|&(a, b)| (a.into(), b.into())).collect())
        };
        let image = ImageConfig {
            env: strings(&["PATH=/bin", "LANG=C"]),
            cmd: strings(&["serve"]),
            labels: labels(&[("stage", "os"), ("number", "1")]),
            ..Default::default()
        };
        let config = ContainerConfig {
            hostname: Some("0123456789ab".into()),
            env: strings(&["PATH=/bin", "LANG=de", "OWN=1"]),
            cmd: strings(&["serve"]),
            labels: labels(&[
                ("stage", "os"),
                ("number", "1"),
                ("com.docker.compose.project", "p"),
            ]),
            ..Default::default()
        };
        let body = without_image(config, &image, "0123456789ab");
        assert_eq!(body.env, strings(&["LANG=de", "OWN=1"]));
        assert_eq!((body.cmd, body.hostname), (None, None));
        assert_eq!(body.labels, labels(&[("com.docker.compose.project", "p")]));
    }

    #[test]
    fn a_trial_has_nothing_that_it_could_harm() {
        let mut host = HostConfig::default();
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".into()),
            host_port: Some(String::new()),
        };
        host.port_bindings = Some([("80/tcp".to_owned(), Some(vec![binding]))].into());
        let chosen = PortBinding {
            host_ip: Some("127.0.0.1".into()),
            host_port: Some("49153".into()),
        };
        let published = [("80/tcp".to_owned(), Some(vec![chosen]))].into();
        pin_ports(&mut host, Some(&published));
        let mut blueprint = Blueprint {
            name: "a".into(),
            image: "b".into(),
            body: ContainerCreateBody {
                host_config: Some(host),
                labels: Some([("com.docker.compose.project".into(), "p".into())].into()),
                ..Default::default()
            },
            all_labels: BTreeMap::new(),
            mounts: Vec::new(),
            more_networks: Vec::new(),
        };
        assert!(!blueprint.clone().free_port(80));
        assert!(blueprint.clone().free_port(49153));
        let repo = Bind {
            source: "/r".into(),
            target: "/repo".into(),
            read_only: true,
        };
        blueprint.for_trial(&BTreeMap::new(), std::slice::from_ref(&repo));
        let host = blueprint.body.host_config.unwrap();
        assert_eq!(host.port_bindings, None);
        assert_eq!(host.binds, strings(&["/r:/repo:ro"]));
        assert_eq!(blueprint.body.labels, Some(HashMap::new()));
    }
}
