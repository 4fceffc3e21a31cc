//! Looks at a container past bollard: Podman has a state that its types don't know (`stopped`: ended,
//! and not cleaned up yet), for which they refuse the whole answer; and it reads lists as long as they
//! come, though what runs in a container decides how many files it changes.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    time::Duration,
};

use bollard::models::FilesystemChange;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpStream, UnixStream};

use super::{Engine, address::Address, ssh};
use crate::{
    container::{Container, ContainerState},
    error::EngineError,
    spec::Limits,
};

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The most that it may have.
const INSPECTED_BYTES: usize = 16 << 20;
/// The same of a list of changed paths: some hundred thousand.
const CHANGES_BYTES: usize = 32 << 20;

/// What of `GET /containers/…/json` holds for one that does not run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    id: String,
    name: String,
    image: String,
    config: InspectedConfig,
    state: InspectedState,
}

/// Its configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    labels: Option<HashMap<String, String>>,
}

/// How it ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    exit_code: i64,
}

impl From<Inspected> for Container {
    fn from(found: Inspected) -> Self {
        Self {
            id: found.id,
            name: found.name.trim_start_matches('/').to_owned(),
            image_id: found.image,
            labels: found.config.labels.unwrap_or_default(),
            is_paused: false,
            state: ContainerState::Stopped {
                exit_code: found.state.exit_code,
            },
            ports: BTreeMap::new(),
            mounts: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Engine {
    /// Looks at a container; `None` where that does not work this way either.
    pub(crate) async fn inspect_raw(&self, name: &str) -> Option<Inspected> {
        let path = format!("/containers/{name}/json");
        let answer = tokio::time::timeout(ANSWER, self.get(&path, INSPECTED_BYTES)).await;
        let Got::Whole(bytes) = answer.ok()?.ok()? else {
            return None;
        };
        serde_json::from_slice(&bytes).ok()
    }

    /// Paths that changed in a container; `None` where that does not work this way.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`].
    pub(crate) async fn changes_raw(
        &self,
        name: &str,
    ) -> Result<Option<Vec<FilesystemChange>>, EngineError> {
        let path = format!("/containers/{name}/changes");
        match self.get(&path, CHANGES_BYTES).await {
            Ok(Got::Whole(bytes)) => {
                let changes = serde_json::from_slice::<Option<Vec<FilesystemChange>>>(&bytes);
                Ok(changes.ok().map(Option::unwrap_or_default))
            }
            Ok(Got::TooLarge) => Err(EngineError::TooLarge {
                doing: format!("list the changed files in {name}"),
                limit_bytes: CHANGES_BYTES,
            }),
            Err(_) => Ok(None),
        }
    }

    async fn get(&self, path: &str, limit_bytes: usize) -> io::Result<Got> {
        match &self.address {
            Address::Unix { path: socket } => {
                let stream = TokioIo::new(UnixStream::connect(socket).await?);
                get(stream, path, limit_bytes).await
            }
            Address::Tcp {
                authority,
                tls: None,
            } => {
                let stream = TokioIo::new(TcpStream::connect(authority).await?);
                get(stream, path, limit_bytes).await
            }
            Address::Ssh(to) => {
                get(ssh::dial(to, &ssh::Words::default())?, path, limit_bytes).await
            }
            // Its certificates are bollard's.
            Address::Tcp { tls: Some(_), .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// An answer, if it is no larger than asked for.
enum Got {
    Whole(Bytes),
    TooLarge,
}

/// One request on a connection of its own.
async fn get<S>(stream: S, path: &str, limit_bytes: usize) -> io::Result<Got>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(header::HOST, "engine")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async move {
        let answer = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let body = Limited::new(answer.into_body(), limit_bytes);
        match body.collect().await {
            Ok(answer) => Ok(Got::Whole(answer.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Ok(Got::TooLarge),
            Err(error) => Err(io::Error::other(error)),
        }
    };
    // It moves the answer on; whether it ends before or after that says nothing.
    let connection = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = answer => answer,
        answer = connection => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podmans_stopped_container_is_a_stopped_one() {
        let answer = r#"{"Id":"a","Name":"/os-host","Image":"sha256:b","Config":{"Labels":{"x":"y"}},
            "State":{"Status":"stopped","Running":false,"ExitCode":3}}"#;
        let found: Inspected = serde_json::from_str(answer).unwrap();
        let container = Container::from(found);
        assert_eq!(container.name, "os-host");
        assert_eq!(container.state, ContainerState::Stopped { exit_code: 3 });
    }
}
