//! The HTTP client that servers elsewhere are reached with: names as the machine resolves them,
//! certificates as the machine trusts them.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use hickory_resolver::{TokioResolver, net::NetError};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use rustls::{ClientConfig, RootCertStore};

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that says nothing is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection that nobody uses is kept so long.
const IDLE: Duration = Duration::from_secs(30);

/// Made when the first server elsewhere is reached: certificates cost memory.
#[derive(Default)]
pub struct Http(OnceLock<Client>);

/// A request came to nothing.
#[derive(Debug)]
pub enum Unanswered {
    /// There is no connection.
    Unreachable(String),
    /// It broke.
    Broken(String),
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
enum NoClient {
    #[error("could not use /etc/resolv.conf: {0}")]
    Names(#[from] NetError),
    #[error("could not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("could not set up HTTP: {0}")]
    Http(#[from] reqwest::Error),
}

impl Http {
    /// Sends a request; the head of its answer.
    pub async fn send(&self, request: hyper::Request<Bytes>) -> Result<Response, Unanswered> {
        let client = match self.0.get() {
            Some(client) => client,
            None => {
                let made = client().map_err(|error| Unanswered::Unreachable(error.to_string()))?;
                self.0.get_or_init(|| made)
            }
        };
        let sent = async { client.execute(request.try_into()?).await };
        sent.await.map_err(|error: reqwest::Error| {
            let words = words(&error);
            if error.is_connect() {
                Unanswered::Unreachable(words)
            } else {
                Unanswered::Broken(words)
            }
        })
    }
}

fn client() -> Result<Client, NoClient> {
    let names = TokioResolver::builder_tokio().and_then(|builder| builder.build())?;
    let client = Client::builder()
        .tls_backend_preconfigured(trust()?)
        .dns_resolver(Names(Arc::new(names)))
        // Redirects are followed by whoever asks, which keeps headers from other hosts; no proxy of the
        // environment is between; what a server was asked once is not asked again unknown to the relay.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT)
        .tcp_keepalive(KEEPALIVE)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE)
        .build()?;
    Ok(client)
}

/// Whom the machine trusts; nobody where it has no certificates, which leaves plain HTTP.
fn trust() -> Result<ClientConfig, NoClient> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!("this machine has no certificates: no server can be reached by https");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What went wrong, from its last cause: those before it only say that something did.
pub fn words(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Names by the machine's own `hosts` and `resolv.conf`, without the C library: body is static. reqwest's
/// own resolver asks servers of the internet if the machine has no `resolv.conf`.
struct Names(Arc<TokioResolver>);

/// A name leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("host name not found: {0}")]
    Name(String),
    #[error("could not resolve the host name {name} ({problem})")]
    Lookup { name: String, problem: String },
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let found = names.lookup_ip(name.as_str()).await.map_err(|error| {
                let name = name.as_str().to_owned();
                if error.is_no_records_found() {
                    return Unknown::Name(name);
                }
                let problem = error.to_string();
                Unknown::Lookup { name, problem }
            })?;
            let found: Vec<SocketAddr> = found.iter().map(|ip| (ip, 0).into()).collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
