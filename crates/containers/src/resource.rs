//! Networks and volumes.

use std::collections::BTreeMap;

use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, RemoveVolumeOptions};
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError, image::ordered};

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
            let doing = || format!("create the network {name}");
            // Docker lets two networks share a name, so a look comes first.
            match self
                .docker
                .inspect_network(name, None::<InspectNetworkOptions>)
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) => match EngineError::from_bollard(doing(), error) {
                    error if error.is_not_found() => {}
                    error => return Err(error),
                },
            }
            let request = NetworkCreateRequest {
                name: name.into(),
                driver: Some("bridge".into()),
                labels: Some(ordered(labels)),
                ..Default::default()
            };
            let made = self.docker.create_network(request).await;
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
