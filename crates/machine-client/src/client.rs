//! Where a machine's API is, and how a request gets there.

use std::{fmt, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use serde::de::DeserializeOwned;

use crate::{
    answer::Answer,
    error::{ClientError, Refusal},
    json,
};

/// How long a connection may take: it is to this computer.
const CONNECT: Duration = Duration::from_secs(5);

/// A client of one API. Each request has a connection of its own, so that none reaches a machine
/// that has been replaced meanwhile, or is sent twice because an idle connection broke.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Scheme and authority.
    base: String,
    /// What is shown in errors.
    address: String,
    token: Option<HeaderValue>,
}

/// The address alone: the token is a secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.address).finish()
    }
}

/// A request to a machine's API.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: Method,
    /// Path and query; names in it are made with [`segment`].
    pub path: &'a str,
    /// JSON body.
    pub body: Option<Vec<u8>>,
    /// `Accept`.
    pub accept: &'a str,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// A GET that wants JSON.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept: "application/json",
            headers: &[],
        }
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(path: &'a str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }

    /// The same, of which the answer is an event stream.
    #[must_use]
    pub fn streamed(self) -> Self {
        Self {
            accept: "text/event-stream",
            ..self
        }
    }
}

impl Client {
    /// A client of the API at a loopback port, which lets in who has the token.
    ///
    /// # Errors
    /// [`ClientError::Request`] if the token can't be a header.
    pub fn tcp(port: u16, token: Option<&str>) -> Result<Self, ClientError> {
        let address = format!("127.0.0.1:{port}");
        let token = token
            .map(|token| HeaderValue::try_from(format!("Bearer {token}")))
            .transpose()
            .map_err(|error| ClientError::Request(error.to_string()))?;
        Self::built(builder()?.connect_timeout(CONNECT), &address, token)
    }

    /// A client of the API at a Unix socket, which needs no token.
    ///
    /// # Errors
    /// [`ClientError::Request`] if no client can be made.
    #[cfg(unix)]
    pub fn unix(socket: &std::path::Path) -> Result<Self, ClientError> {
        let mut client = Self::built(builder()?.unix_socket(socket), "localhost", None)?;
        client.address = socket.display().to_string();
        Ok(client)
    }

    fn built(
        builder: reqwest::ClientBuilder,
        address: &str,
        token: Option<HeaderValue>,
    ) -> Result<Self, ClientError> {
        let http = builder.build();
        Ok(Self {
            http: http.map_err(|error| ClientError::Request(error.to_string()))?,
            base: format!("http://{address}"),
            address: address.to_owned(),
            token: token.map(|mut token| {
                token.set_sensitive(true);
                token
            }),
        })
    }

    /// Sends a request and waits for the head of the answer, be it a refusal. Dropping the future, or
    /// the answer, closes the connection.
    ///
    /// # Errors
    /// [`ClientError::Connect`] if nobody listens: nothing was asked then. [`ClientError::Broken`],
    /// [`ClientError::Request`].
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, ClientError> {
        check_path(request.path)?;
        let mut building = self
            .http
            .request(request.method, format!("{}{}", self.base, request.path))
            .header(ACCEPT, request.accept);
        if let Some(token) = &self.token {
            building = building.header(reqwest::header::AUTHORIZATION, token);
        }
        for (name, value) in request.headers {
            building = building.header(*name, *value);
        }
        if let Some(body) = request.body {
            building = building.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answered = building.send().await;
        Ok(Answer::new(answered.map_err(|error| {
            ClientError::from_http(error, &self.address)
        })?))
    }

    /// Sends a request and reads its answer as JSON of so many bytes at most.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] has the machine's own code.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        request: Request<'_>,
        limit_bytes: usize,
    ) -> Result<T, ClientError> {
        let answer = self.send(request).await?.accepted().await?;
        Ok(json::from_slice(&answer.bytes_up_to(limit_bytes).await?)?)
    }
}

fn builder() -> Result<reqwest::ClientBuilder, ClientError> {
    // Nothing here is reached by TLS. Without a configuration of its own each client would look for a
    // default provider, and read all of this computer's certificates.
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Request(error.to_string()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // A machine sends nobody elsewhere, and no proxy of the environment is between.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true))
}

/// Refuses paths that would name another route than they seem to: `..` as somebody's name.
fn check_path(path: &str) -> Result<(), ClientError> {
    let steps = path.split(['?', '#']).next().unwrap_or_default();
    let is_whole = path.starts_with('/') && !path.contains(['#', '\\']);
    if is_whole && !steps.split('/').any(|step| matches!(step, "." | "..")) {
        return Ok(());
    }
    Err(ClientError::Request(format!(
        "{path:?} is not a valid path"
    )))
}

/// What is escaped in a segment of a path: all that is neither letter, digit nor one of these.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as one segment of a path, or as a value of a query.
#[must_use]
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

impl Refusal {
    /// Whether the token was refused.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.status == reqwest::StatusCode::UNAUTHORIZED
    }
}
