//! The app over HTTP: the command list and the event stream for programs, and, where wanted, the
//! window's UI for a browser at a port of its own.
//!
//! `POST /rpc/{command}` with a command's request answers its answer, or a [`Failure`] with a fitting
//! status. `GET /events?after=N` streams `StreamEvent`s as server-sent
//! events. Programs bring a token that was made for them, whose scopes say what it may do. The pages
//! have the same routes at their own port, whose origin nothing else shares; they want the token of
//! this server's life, which a page gets for the one-time code that [`Served::url`] carries.

mod access;
mod codes;
mod handlers;
mod options;
mod pages;
mod policy;
mod running;
mod session;
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::{
    App,
    e2b::{self, Dispatch, Facade},
    sandboxes::{self, Serving},
    tasks::WorkOptions,
    tokens::{KnownTokens, Tokens},
};
use access::Accepted;
pub(crate) use access::{Access, Caller};
use handlers::{app_rpc, events, machine_rpc, nowhere};
pub use options::ServeOptions;
use pages::Pages;
use running::Announced;
pub use running::Running;
use session::Sessions;

/// Longest request: a notebook with its pictures.
const BODY_BYTES: usize = 256 << 20;

/// A bound port and what it serves.
#[derive(Debug)]
struct Port {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
}

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Served {
    api: Port,
    pages: Option<(Port, Addresses)>,
    token: String,
    /// Gone with it.
    _announced: Option<Announced>,
}

/// Makes addresses for a person's browser.
#[derive(Clone, Debug)]
pub struct Addresses {
    address: SocketAddr,
    sessions: Arc<Sessions>,
}

impl Addresses {
    /// A new one. Its code is good once and for ten minutes; it stands behind `#`, which no browser
    /// sends.
    #[must_use]
    pub fn url(&self) -> String {
        let code = self.sessions.codes.make(codes::Holder::Person);
        format!("http://{}/#code={code}", self.address)
    }

    /// Where the pages are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Served {
    /// Address for a person's browser, as [`Addresses::url`]; the API's if there are no pages.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.pages {
            Some((_, addresses)) => addresses.url(),
            None => format!("http://{}", self.api.address),
        }
    }

    /// Makes more of them while it serves, if there are pages.
    #[must_use]
    pub fn addresses(&self) -> Option<Addresses> {
        self.pages.as_ref().map(|(_, addresses)| addresses.clone())
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.api.address
    }

    /// The bearer token of this server's life, which may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until the app stops; streams end then, requests are answered first.
    ///
    /// # Errors
    /// Where accepting connections fails for good.
    pub fn run<'a>(self, app: &'a App) -> BoxFuture<'a, Result<(), Failure>> {
        let serve = async |port: Port| {
            let listener = port.listener.tap_io(|stream| {
                // Without it an answer in parts may wait for the acknowledgement of its first.
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, port.router)
                .with_graceful_shutdown(app.inner.shared.stop.clone().cancelled_owned())
                .await
                .map_err(|error| {
                    Failure::new(FailureCode::Internal, "The server stopped")
                        .because(error.to_string())
                })
        };
        Box::pin(async move {
            let _announced = self._announced;
            let pages = async {
                match self.pages {
                    Some((port, _)) => serve(port).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(serve(self.api), pages).map(|_| ())
        })
    }
}

impl App {
    /// Binds the ports for programs, and for pages if they are wanted.
    ///
    /// # Errors
    /// [`PortTaken`](FailureCode::PortTaken) if a port is held;
    /// [`Invalid`](FailureCode::Invalid) if nobody would need a token where others can connect;
    /// [`NotFound`](FailureCode::NotFound) if the pages are wanted and this build has none.
    pub fn bind<'a>(&'a self, options: ServeOptions) -> BoxFuture<'a, Result<Served, Failure>> {
        Box::pin(async move {
            options.check()?;
            let pages = options.ui.then(Pages::find).transpose()?;
            self.listen(options, pages).await
        })
    }

    async fn listen(&self, options: ServeOptions, pages: Option<Pages>) -> Result<Served, Failure> {
        let token = secret();
        let (listener, address) = self.bound(options.address(), "--port").await?;
        let accepted = if options.no_token {
            Accepted::Nobody
        } else {
            let known = KnownTokens::of(Tokens::of(&self.inner.shared.options));
            Accepted::Known(token.clone(), known)
        };
        let access = Arc::new(Access::new(address, options.allowed_hosts, accepted));
        let needs_token = !options.no_token;
        let slot = &self.inner.shared.sandboxes;
        let service = slot.start(options.is_lasting).await?.clone();
        // Without a queue every request about tasks is refused with the reason.
        if options.runs_tasks && service.queue().is_ok() {
            let never = CancellationToken::new();
            service.work(WorkOptions::default(), never).await?;
        }
        let serving = service.clone();
        let facade = Facade::new(service.clone(), access.clone());
        let closed = sandboxes::closed(service.clone());
        let open = sandboxes::open(service).merge(e2b::control(facade.clone(), access.clone()));
        // Requests for a sandbox are told from all others by a header, before any route is chosen.
        let dispatch = middleware::from_fn_with_state(Dispatch::new(facade), e2b::dispatch);
        let ending = self.inner.shared.stop.clone();
        let ending = middleware::from_fn_with_state(ending, streams::end);
        let router = self.routes(access.clone(), closed, open);
        let router = router.layer(dispatch).layer(ending);
        let router = guarded(router, access);
        let api = Port {
            listener,
            router,
            address,
        };
        let pages = match pages {
            Some(pages) => Some(
                self.listen_for_pages(options.ui_port, pages, &token)
                    .await?,
            ),
            None => None,
        };
        // The window's commands about sandboxes are carried out here from now on.
        let _ = self.inner.serving.set(Serving {
            service: serving,
            address: Some(address),
            needs_token,
        });
        let announced = options
            .is_lasting
            .then(|| Running::announce(self.data_dir(), address, &token))
            .flatten();
        Ok(Served {
            api,
            pages,
            token,
            _announced: announced,
        })
    }

    /// The pages reach a bridge on loopback, so they are on loopback too.
    async fn listen_for_pages(
        &self,
        port: u16,
        pages: Pages,
        token: &str,
    ) -> Result<(Port, Addresses), Failure> {
        let (listener, address) = self
            .bound(([127, 0, 0, 1], port).into(), "--ui-port")
            .await?;
        let sessions = Arc::new(Sessions::new(token.to_owned()));
        let access = Access::new(address, Vec::new(), Accepted::Own(token.to_owned()));
        let open = session::exchange(sessions.clone()).merge(pages.routes(self.bridge_port()));
        let access = Arc::new(access);
        let router = self.routes(access.clone(), session::renewal(sessions.clone()), open);
        let router = guarded(router, access);
        let port = Port {
            listener,
            router,
            address,
        };
        Ok((port, Addresses { address, sessions }))
    }

    /// The routes of the commands, with others that want a token and others that want none.
    fn routes(&self, access: Arc<Access>, closed: Router, open: Router) -> Router {
        Router::new()
            .route("/rpc/{command}", post(app_rpc))
            .route("/machines/{machine}/rpc/{command}", post(machine_rpc))
            .route("/events", get(events))
            .with_state((self.clone(), access.clone()))
            .merge(closed)
            .route_layer(middleware::from_fn_with_state(access, access::token))
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .merge(open)
            .fallback(nowhere)
    }

    /// Binds an address, or says who holds it and which option chooses another.
    async fn bound(
        &self,
        address: SocketAddr,
        option: &str,
    ) -> Result<(TcpListener, SocketAddr), Failure> {
        let bound = TcpListener::bind(address).await;
        let bound = bound.and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let error = match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => error,
        };
        let port = address.port();
        if error.kind() != std::io::ErrorKind::AddrInUse {
            let message = format!("Vivarium can't listen on {address}");
            return Err(Failure::new(FailureCode::PortTaken, message)
                .because(error.to_string())
                .next(Advice::ChoosePort {
                    option: option.to_owned(),
                }));
        }
        let asked = tokio::time::timeout(HOLDER, self.connect()).await;
        let engine = asked.ok().and_then(Result::ok);
        let holder = lifecycle::port_holder(engine.as_ref(), port).await;
        let message = format!("Port {port} on {} is already in use", address.ip());
        let failure =
            Failure::new(FailureCode::PortTaken, message).next(Advice::FreeOrChoosePort {
                option: option.to_owned(),
            });
        Err(match holder {
            Some(holder) => failure.because(format!("{holder} holds it")),
            None => failure.because(error.to_string()),
        })
    }
}

/// Lets in nobody who calls us by another name, and gives every answer its policy.
fn guarded(router: Router, access: Arc<Access>) -> Router {
    router
        .layer(middleware::from_fn_with_state(access, access::own_page))
        .layer(middleware::from_fn(policy::apply))
}

/// How long the engine may take to say whether a container holds a port.
const HOLDER: Duration = Duration::from_secs(3);

/// 256 bits, in hex.
fn secret() -> String {
    rand::random::<[u8; 32]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
