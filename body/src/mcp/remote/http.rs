//! The HTTP client that servers elsewhere are reached with: names as the machine resolves them,
//! certificates as the machine trusts them.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hickory_resolver::{TokioResolver, net::NetError};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that says nothing is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection that nobody uses is kept so long.
const IDLE: Duration = Duration::from_secs(30);

type Inner = Client<HttpsConnector<HttpConnector<Names>>, Full<Bytes>>;

/// Made when the first server elsewhere is reached: certificates cost memory.
#[derive(Default)]
pub struct Http(OnceLock<Inner>);

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
}

impl Http {
    /// Sends a request; the head of its answer.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let client = match self.0.get() {
            Some(client) => client,
            None => {
                let made = client().map_err(|error| Unanswered::Unreachable(error.to_string()))?;
                self.0.get_or_init(|| made)
            }
        };
        client.request(request).await.map_err(|error| {
            let words = words(&error);
            if error.is_connect() {
                Unanswered::Unreachable(words)
            } else {
                Unanswered::Broken(words)
            }
        })
    }
}

fn client() -> Result<Inner, NoClient> {
    let names = TokioResolver::builder_tokio().and_then(|builder| builder.build())?;
    let mut plain = HttpConnector::new_with_resolver(Names(Arc::new(names)));
    plain.enforce_http(false);
    plain.set_nodelay(true);
    plain.set_connect_timeout(Some(CONNECT));
    plain.set_keepalive(Some(KEEPALIVE));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(trust()?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(plain);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
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
fn words(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Names by the machine's own `hosts` and `resolv.conf`, without the C library: body is static.
#[derive(Clone)]
struct Names(Arc<TokioResolver>);

type Found = std::vec::IntoIter<SocketAddr>;
type Finding = Pin<Box<dyn Future<Output = Result<Found, Unknown>> + Send>>;

/// A name leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("host name not found: {0}")]
    Name(String),
    #[error("could not resolve the host name {name} ({problem})")]
    Lookup { name: String, problem: String },
}

impl tower_service::Service<Name> for Names {
    type Response = Found;
    type Error = Unknown;
    type Future = Finding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Finding {
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
            Ok(found.into_iter())
        })
    }
}
