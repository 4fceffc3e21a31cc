//! Finding the container engine: `DOCKER_HOST`, else the usual sockets.

use std::{io::ErrorKind, path::PathBuf, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker};
use wire::machine::EngineInfo;

use crate::error::DockError;

/// Seconds an ordinary request may take.
const REQUEST_TIMEOUT_S: u64 = 120;
/// How long the engine may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A container engine that answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dock {
    pub(crate) docker: Docker,
    info: EngineInfo,
}

impl Dock {
    /// Connects to `DOCKER_HOST` (unix://, tcp://), else to the first of the usual
    /// sockets that answers: Docker's, rootless Docker's, Podman's.
    ///
    /// # Errors
    /// [`DockError::Missing`], [`DockError::Denied`], or [`DockError::Address`] for other schemes.
    pub async fn connect() -> Result<Self, DockError> {
        if let Some(host) = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty())
        {
            return Self::connect_to(&host).await;
        }
        let mut first = None;
        for socket in usual_sockets() {
            match Self::connect_to(&socket).await {
                Ok(dock) => return Ok(dock),
                // A socket that may not be used says more than one that is not there.
                Err(error @ DockError::Denied { .. }) => return Err(error),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(DockError::Missing {
            endpoint: "the usual sockets".into(),
            source: None,
        }))
    }

    /// Connects to one address.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_to(endpoint: &str) -> Result<Self, DockError> {
        let docker = if let Some(path) = endpoint.strip_prefix("unix://") {
            check_socket(path, endpoint)?;
            Docker::connect_with_unix(endpoint, REQUEST_TIMEOUT_S, API_DEFAULT_VERSION)
        } else if endpoint.starts_with("tcp://") || endpoint.starts_with("http://") {
            Docker::connect_with_http(endpoint, REQUEST_TIMEOUT_S, API_DEFAULT_VERSION)
        } else {
            return Err(DockError::Address {
                endpoint: endpoint.into(),
            });
        };
        let missing = |source| DockError::Missing {
            endpoint: endpoint.into(),
            source,
        };
        let docker = docker.map_err(|error| missing(Some(error)))?;
        let version = match tokio::time::timeout(HELLO, docker.version()).await {
            Err(_) => return Err(missing(None)),
            Ok(Err(error)) => return Err(missing(Some(error))),
            Ok(Ok(version)) => version,
        };
        let podman = version
            .components
            .iter()
            .flatten()
            .any(|component| component.name.to_lowercase().contains("podman"));
        let info = EngineInfo {
            name: if podman { "Podman" } else { "Docker" }.into(),
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            endpoint: endpoint.into(),
        };
        Ok(Self { docker, info })
    }

    /// Name, versions, address.
    #[must_use]
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Whether it is Podman, whose API differs in small things.
    #[must_use]
    pub fn is_podman(&self) -> bool {
        self.info.name == "Podman"
    }

    /// Whether it still answers, within a few seconds.
    pub async fn answers(&self) -> bool {
        let pinged = tokio::time::timeout(HELLO, self.docker.ping()).await;
        matches!(pinged, Ok(Ok(_)))
    }

    /// The engine's root folder, whose disk the images fill.
    ///
    /// # Errors
    /// [`DockError`] where the engine does not answer.
    pub async fn root_dir(&self) -> Result<Option<PathBuf>, DockError> {
        let info = self.docker.info().await;
        let info =
            info.map_err(|error| DockError::from_bollard("ask the engine about itself", error))?;
        Ok(info.docker_root_dir.map(PathBuf::from))
    }
}

fn usual_sockets() -> Vec<String> {
    let mut sockets = vec!["unix:///var/run/docker.sock".to_owned()];
    if let Some(runtime) = std::env::var("XDG_RUNTIME_DIR")
        .ok()
        .filter(|dir| !dir.is_empty())
    {
        sockets.push(format!("unix://{runtime}/docker.sock"));
        sockets.push(format!("unix://{runtime}/podman/podman.sock"));
    }
    if let Ok(home) = std::env::var("HOME") {
        sockets.push(format!("unix://{home}/.docker/run/docker.sock"));
    }
    sockets.push("unix:///run/podman/podman.sock".into());
    sockets
}

/// Tells "not there" from "not allowed", which hyper's errors bury.
fn check_socket(path: &str, endpoint: &str) -> Result<(), DockError> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(DockError::Denied {
            endpoint: endpoint.into(),
            source: Some(error.into()),
        }),
        Err(error) => Err(DockError::Missing {
            endpoint: endpoint.into(),
            source: Some(error.into()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::failure::{Failure, FailureCode};

    #[tokio::test]
    async fn a_missing_socket_is_a_missing_engine() {
        let error = Dock::connect_to("unix:///nonexistent/docker.sock")
            .await
            .unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, FailureCode::EngineMissing);
        assert!(
            failure.message.contains("/nonexistent/docker.sock"),
            "{}",
            failure.message
        );
    }

    #[tokio::test]
    async fn other_schemes_are_refused() {
        let error = Dock::connect_to("ssh://host").await.unwrap_err();
        assert!(matches!(error, DockError::Address { .. }));
    }
}
