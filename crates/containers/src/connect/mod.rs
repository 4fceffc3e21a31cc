//! Reaching a container engine: by hand, or found as Docker's own client finds it.
//!
//! - `choice`: which engine is meant, and the connection that is kept
//! - `address`, `context`: what people, `DOCKER_HOST` and Docker's contexts say
//! - `ssh`, `raw`: engines behind ssh, and answers that bollard's types don't know

mod address;
mod choice;
mod context;
mod raw;
mod ssh;

use std::{io::ErrorKind, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error as BollardError};
use futures_util::future::BoxFuture;
use wire::machine::EngineInfo;

pub use self::choice::EngineChoice;
use self::{
    address::{Address, Certificates},
    ssh::Words,
};
use crate::error::EngineError;

/// Seconds an ordinary request may take.
const REQUEST_TIMEOUT_S: u64 = 120;
/// How long the engine may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A container engine that answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) docker: Docker,
    info: EngineInfo,
    address: Address,
}

impl Engine {
    /// Connects to the engine that is found by itself.
    ///
    /// # Errors
    /// As [`EngineChoice::connect`].
    pub fn connect() -> BoxFuture<'static, Result<Self, EngineError>> {
        Box::pin(async move { EngineChoice::default().connect().await })
    }

    /// Connects to one address; `chosen_by` says why to this one.
    async fn reach(
        address: &Address,
        endpoint: &str,
        chosen_by: &str,
    ) -> Result<Self, EngineError> {
        let shown = format!("{endpoint} ({chosen_by})");
        let words = Words::default();
        let docker = client(address, &shown, &words)?;
        let version = match tokio::time::timeout(HELLO, docker.version()).await {
            Ok(Ok(version)) => version,
            answered => {
                return Err(match (address, words.last().await) {
                    (Address::Ssh(_), Some(words)) => EngineError::Ssh {
                        endpoint: shown,
                        words,
                    },
                    _ => refusal(shown, answered.ok().and_then(Result::err)),
                });
            }
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
            chosen_by: chosen_by.into(),
        };
        Ok(Self {
            docker,
            info,
            address: address.clone(),
        })
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

    /// Whether the engine sees this computer's folders, and publishes ports on its loopback: by
    /// its address, as virtual machines of Docker Desktop and the like share both.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.address.is_local()
    }

    /// Whether it runs without root, with a user namespace around all containers.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn is_rootless<'a>(&'a self) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(async move {
            // Older Podman does not tell; its socket is its user's.
            if let Address::Unix { path } = &self.address
                && self.is_podman()
            {
                let owner = std::fs::metadata(path).map(|found| found.uid());
                return Ok(owner.is_ok_and(|owner| owner != 0));
            }
            let info = self.docker.info().await;
            let info = info.map_err(|error| {
                EngineError::from_bollard("read the engine's information", error)
            })?;
            let options = info.security_options.unwrap_or_default();
            Ok(options.iter().any(|option| option == "name=rootless"))
        })
    }

    /// Whether it still answers, within a few seconds.
    pub fn answers<'a>(&'a self) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let pinged = tokio::time::timeout(HELLO, self.docker.ping()).await;
            matches!(pinged, Ok(Ok(_)))
        })
    }

    /// The engine's root folder, whose disk the images fill.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn root_dir<'a>(&'a self) -> BoxFuture<'a, Result<Option<PathBuf>, EngineError>> {
        Box::pin(async move {
            let info = self.docker.info().await;
            let info = info.map_err(|error| {
                EngineError::from_bollard("read the engine's information", error)
            })?;
            Ok(info.docker_root_dir.map(PathBuf::from))
        })
    }
}

fn client(address: &Address, shown: &str, words: &Words) -> Result<Docker, EngineError> {
    let docker = match address {
        Address::Unix { path } => {
            check_socket(path, shown)?;
            let path = path.display().to_string();
            Docker::connect_with_unix(&path, REQUEST_TIMEOUT_S, API_DEFAULT_VERSION)
        }
        Address::Tcp {
            authority,
            tls: None,
        } => {
            let url = format!("tcp://{authority}");
            Docker::connect_with_http(&url, REQUEST_TIMEOUT_S, API_DEFAULT_VERSION)
        }
        Address::Tcp {
            authority,
            tls: Some(certificates),
        } => encrypted(authority, certificates, shown)?,
        Address::Ssh(to) => ssh::client(to.clone(), REQUEST_TIMEOUT_S, words),
    };
    docker.map_err(|error| refusal(shown.into(), Some(error)))
}

/// Engines that speak TLS want to see a certificate too: all three files are needed.
fn encrypted(
    authority: &str,
    certificates: &Certificates,
    shown: &str,
) -> Result<Result<Docker, BollardError>, EngineError> {
    let file = |name: &str| {
        let path = certificates.folder.join(name);
        match std::fs::read(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(EngineError::Tls {
                endpoint: shown.into(),
                cause: format!("{}: {error}", path.display()),
            }),
        }
    };
    let (ca, certificate, key) = (file("ca.pem")?, file("cert.pem")?, file("key.pem")?);
    Ok(Docker::connect_with_ssl(
        &format!("tcp://{authority}"),
        &key,
        &certificate,
        &ca,
        REQUEST_TIMEOUT_S,
        API_DEFAULT_VERSION,
    ))
}

/// What it means that an engine said no hello; `None` where it said nothing in time.
fn refusal(endpoint: String, error: Option<BollardError>) -> EngineError {
    let told = error.as_ref().map(|error| crate::error::deepest(error));
    match (error, told) {
        (Some(BollardError::DockerResponseServerError { message, .. }), _) => {
            EngineError::Strange {
                endpoint,
                words: message.trim().into(),
            }
        }
        (Some(BollardError::JsonDataError { message, .. }), _) => EngineError::Strange {
            endpoint,
            words: message,
        },
        (_, Some(told)) if told.contains("certificate") || told.contains("TLS") => {
            EngineError::Tls {
                endpoint,
                cause: told,
            }
        }
        (_, told) => EngineError::Missing {
            endpoint,
            cause: told.unwrap_or_else(|| format!("no response within {} s", HELLO.as_secs())),
        },
    }
}

/// Tells "not there" from "not allowed", which hyper's errors bury.
fn check_socket(path: &std::path::Path, shown: &str) -> Result<(), EngineError> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(EngineError::Denied {
            endpoint: shown.into(),
            cause: error.to_string(),
        }),
        Err(error) => Err(EngineError::Missing {
            endpoint: shown.into(),
            cause: error.to_string(),
        }),
    }
}
