//! A look at a container past bollard's types: Podman has a state that they don't know
//! (`stopped`: ended, and not cleaned up yet), and they refuse the whole answer for it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpStream, UnixStream};

use super::{Engine, address::Address, ssh};
use crate::{
    container::{Container, ContainerState},
    spec::Limits,
};

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(10);

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
        let answer = tokio::time::timeout(ANSWER, self.get(&path)).await;
        let bytes = answer.ok()?.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    async fn get(&self, path: &str) -> io::Result<Bytes> {
        match &self.address {
            Address::Unix { path: socket } => {
                get(TokioIo::new(UnixStream::connect(socket).await?), path).await
            }
            Address::Tcp {
                authority,
                tls: None,
            } => get(TokioIo::new(TcpStream::connect(authority).await?), path).await,
            Address::Ssh(to) => get(ssh::dial(to, &ssh::Words::default())?, path).await,
            // No Podman speaks TLS by itself.
            Address::Tcp { tls: Some(_), .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// One request on a connection of its own.
async fn get<S>(stream: S, path: &str) -> io::Result<Bytes>
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
        let answer = sender.send_request(request).await?;
        let answer = answer.into_body().collect().await?;
        Ok::<_, hyper::Error>(answer.to_bytes())
    };
    let (answer, _) = tokio::join!(answer, connection);
    answer.map_err(io::Error::other)
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
