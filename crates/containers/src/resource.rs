//! Networks and volumes.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{NetworkConnectRequest, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    InspectNetworkOptions, ListVolumesOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError, image::ordered};

/// Volumes by their names, each with its labels.
type VolumeLabels = BTreeMap<String, HashMap<String, String>>;

/// A bridge network to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Without a way out, and without an address of the engine's computer.
    pub is_internal: bool,
    /// Whether its containers can't reach each other. Podman doesn't know it.
    pub keeps_apart: bool,
}

impl Engine {
    /// Makes a bridge network unless one of that name is there.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn ensure_network<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let spec = NetworkSpec {
                name: name.into(),
                labels: labels.clone(),
                ..Default::default()
            };
            self.ensure_network_like(&spec).await
        })
    }

    /// Makes a bridge network unless one of that name is there, whatever it is like.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn ensure_network_like<'a>(
        &'a self,
        spec: &'a NetworkSpec,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let doing = || format!("create the network {}", spec.name);
            // Docker lets two networks share a name, so a look comes first.
            match self
                .docker
                .inspect_network(&spec.name, None::<InspectNetworkOptions>)
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) => match EngineError::from_bollard(doing(), error) {
                    error if error.is_not_found() => {}
                    error => return Err(error),
                },
            }
            let made = self.docker.create_network(network_request(spec)).await;
            match made.map_err(|error| EngineError::from_bollard(doing(), error)) {
                Err(error) if !error.is_conflict() => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Removes a network; one that is not there is no failure.
    ///
    /// # Errors
    /// [`EngineError`] where a container still uses it.
    pub fn remove_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let removed = self.docker.remove_network(name).await;
            match removed.map_err(|error| {
                EngineError::from_bollard(format!("remove the network {name}"), error)
            }) {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Makes a volume unless one of that name is there.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn ensure_volume<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let doing = || format!("create the volume {name}");
            // Podman refuses a second volume of the same name where Docker answers the first.
            match self.docker.inspect_volume(name).await {
                Ok(_) => return Ok(()),
                Err(error) => match EngineError::from_bollard(doing(), error) {
                    error if error.is_not_found() => {}
                    error => return Err(error),
                },
            }
            let request = VolumeCreateRequest {
                name: Some(name.into()),
                labels: Some(ordered(labels)),
                ..Default::default()
            };
            let made = self.docker.create_volume(request).await;
            made.map(|_| ())
                .map_err(|error| EngineError::from_bollard(doing(), error))
        })
    }

    /// Where a volume's files lie on the engine's computer; `None` if only its driver knows.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words, also if the volume isn't there.
    pub fn volume_folder<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, EngineError>> {
        Box::pin(async move {
            let found = self.docker.inspect_volume(name).await;
            let doing = || format!("inspect the volume {name}");
            let found = found.map_err(|error| EngineError::from_bollard(doing(), error))?;
            let is_folder = found.driver == "local" && found.mountpoint.starts_with('/');
            Ok(is_folder.then_some(found.mountpoint))
        })
    }

    /// Makes a volume with a limit for what is in it; whether the engine keeps to that limit. Docker does
    /// if its data is on XFS with project quotas.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn create_limited_volume<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
        limit_bytes: u64,
    ) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(async move {
            let request = |options: Option<HashMap<String, String>>| VolumeCreateRequest {
                name: Some(name.into()),
                labels: Some(ordered(labels)),
                driver_opts: options,
                ..Default::default()
            };
            let size = HashMap::from([("size".to_owned(), limit_bytes.to_string())]);
            if self.docker.create_volume(request(Some(size))).await.is_ok() {
                return Ok(true);
            }
            // It says in words of its version that it has no quotas; what else was wrong it says again.
            let made = self.docker.create_volume(request(None)).await;
            made.map(|_| false).map_err(|error| {
                EngineError::from_bollard(format!("create the volume {name}"), error)
            })
        })
    }

    /// Whether there is a network of that name or id.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn has_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(async move {
            let found = self
                .docker
                .inspect_network(name, None::<InspectNetworkOptions>)
                .await;
            match found {
                Ok(_) => Ok(true),
                Err(error) => {
                    match EngineError::from_bollard(format!("inspect the network {name}"), error) {
                        error if error.is_not_found() => Ok(false),
                        error => Err(error),
                    }
                }
            }
        })
    }

    /// Has a container join another network.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_not_found`] if there is no such network.
    pub fn join_network<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let request = NetworkConnectRequest {
                container: container.into(),
                endpoint_config: None,
            };
            let joined = self.docker.connect_network(network, request).await;
            joined.map_err(|error| {
                EngineError::from_bollard(format!("join the network {network}"), error)
            })
        })
    }

    /// Names and labels of all volumes that have all of these labels.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn labelled_volumes<'a>(
        &'a self,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<VolumeLabels, EngineError>> {
        Box::pin(async move {
            let words = labels.iter().map(|(name, value)| format!("{name}={value}"));
            let filters = HashMap::from([("label", words.collect::<Vec<_>>())]);
            let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
            let found = self.docker.list_volumes(Some(options)).await;
            let found =
                found.map_err(|error| EngineError::from_bollard("list the volumes", error))?;
            let volumes = found.volumes.unwrap_or_default().into_iter();
            Ok(volumes.map(|volume| (volume.name, volume.labels)).collect())
        })
    }

    /// Names of all volumes that have all of these labels.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn list_volumes<'a>(
        &'a self,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move { Ok(self.labelled_volumes(labels).await?.into_keys().collect()) })
    }

    /// Removes a volume and what is in it; one that is not there is no failure.
    ///
    /// # Errors
    /// [`EngineError`] where a container still uses it.
    pub fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let removed = self
                .docker
                .remove_volume(name, None::<RemoveVolumeOptions>)
                .await;
            match removed.map_err(|error| {
                EngineError::from_bollard(format!("remove the volume {name}"), error)
            }) {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            }
        })
    }
}

fn network_request(spec: &NetworkSpec) -> NetworkCreateRequest {
    let bridge = |option: &str, value: &str| {
        (
            format!("com.docker.network.bridge.{option}"),
            value.to_owned(),
        )
    };
    let mut options = HashMap::new();
    if spec.keeps_apart {
        options.extend([bridge("enable_icc", "false")]);
    }
    if spec.is_internal && spec.keeps_apart {
        // Without it the bridge has an address at which the engine's computer answers.
        options.extend([bridge("inhibit_ipv4", "true")]);
    }
    NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".into()),
        labels: Some(ordered(&spec.labels)),
        internal: spec.is_internal.then_some(true),
        options: (!options.is_empty()).then_some(options),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_network_has_neither_a_way_out_nor_neighbours() {
        let spec = NetworkSpec {
            name: "a".into(),
            is_internal: true,
            keeps_apart: true,
            ..Default::default()
        };
        let request = network_request(&spec);
        assert_eq!(request.internal, Some(true));
        let options = request.options.unwrap();
        assert_eq!(options["com.docker.network.bridge.enable_icc"], "false");
        assert_eq!(options["com.docker.network.bridge.inhibit_ipv4"], "true");
        let plain = network_request(&NetworkSpec::default());
        assert_eq!((plain.internal, plain.options), (None, None));
    }
}
