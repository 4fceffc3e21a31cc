//! Whether a machine's kernel takes cells.

use std::time::Duration;

use reqwest::StatusCode;
use wire::routes;

use crate::{answer::WORD_BYTES, call::RouteCall, client::Client, error::ClientError};

/// What `GET /ping` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// The kernel takes cells.
    Ready {
        /// Version of the body.
        version: Option<String>,
    },
    /// It does not answer, or not well.
    NotYet {
        /// What was seen.
        cause: String,
    },
}

/// Asks a machine whether its kernel takes cells; waits two seconds at most.
pub async fn ping(port: u16) -> Ping {
    let ask = async {
        let ping = RouteCall::<routes::Ping>::new((), &())?;
        let answer = Client::tcp(port, None)?.send(ping.request()).await?;
        let status = answer.status();
        Ok::<_, ClientError>((status, answer.bytes_up_to(WORD_BYTES).await?))
    };
    let not_yet = |cause: String| Ping::NotYet { cause };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Err(_) => not_yet("GET /ping did not answer within 2 s".into()),
        Ok(Err(error)) => not_yet(format!("GET /ping failed: {error}")),
        Ok(Ok((StatusCode::OK, body))) => {
            match serde_json::from_slice::<serde_json::Value>(&body) {
                Ok(body) if body["status"] == "ok" => Ping::Ready {
                    version: body["version"].as_str().map(version),
                },
                _ => not_yet("GET /ping was not answered by a Vivarium machine".into()),
            }
        }
        Ok(Ok((status, _))) => not_yet(format!("GET /ping answers {status}")),
    }
}

/// A version, which is short whatever answers there.
pub(crate) fn version(text: &str) -> String {
    const LONGEST: usize = 64;
    text.chars().take(LONGEST).collect()
}
