//! The app over HTTP: the command list and the event stream for programs, and, where wanted, the
//! window's UI for a browser at a port of its own.
//!
//! `POST /rpc/{command}` with a command's request answers its answer, or a [`Failure`] with a fitting
//! status. `GET /events?after=N` streams [`StreamEvent`](wire::stream::StreamEvent)s as server-sent
//! events. Programs bring a token that was made for them, whose scopes say what it may do. The pages
//! have the same routes at their own port, whose origin nothing else shares; they want the token of
//! this server's life, which a page gets for the one-time code that [`Served::url`] carries.

mod access;
mod codes;
mod options;
mod pages;
mod policy;
mod session;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    middleware,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, future::BoxFuture, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use wire::{
    command_scopes::command_scope,
    failure::{Failure, FailureCode},
    stream::StreamEvent,
    tokens::Scope,
};

use crate::{
    App, MACHINE_COMMANDS,
    tokens::{KnownTokens, Tokens},
};
use access::{Accepted, Access, Caller};
pub use options::ServeOptions;
use pages::Pages;
use session::Sessions;

/// Longest request: a notebook with its pictures.
const BODY_BYTES: usize = 256 << 20;
/// Shows a client behind a sleeping network that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

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
            axum::serve(port.listener, port.router)
                .with_graceful_shutdown(app.inner.shared.stop.clone().cancelled_owned())
                .await
                .map_err(|error| {
                    Failure::new(FailureCode::Internal, "The server stopped")
                        .because(error.to_string())
                })
        };
        Box::pin(async move {
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
        let access = Access::new(address, options.allowed_hosts, accepted);
        let router = self.commands(Arc::new(access), Router::new(), Router::new());
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
        Ok(Served { api, pages, token })
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
        let router = self.commands(Arc::new(access), session::renewal(sessions.clone()), open);
        let port = Port {
            listener,
            router,
            address,
        };
        Ok((port, Addresses { address, sessions }))
    }

    /// The routes of the commands, with others that want a token and others that want none.
    fn commands(&self, access: Arc<Access>, closed: Router, open: Router) -> Router {
        Router::new()
            .route("/rpc/{command}", post(app_rpc))
            .route("/machines/{machine}/rpc/{command}", post(machine_rpc))
            .route("/events", get(events))
            .with_state((self.clone(), access.clone()))
            .merge(closed)
            .route_layer(middleware::from_fn_with_state(
                access.clone(),
                access::token,
            ))
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .merge(open)
            .fallback(nowhere)
            .layer(middleware::from_fn_with_state(access, access::own_page))
            .layer(middleware::from_fn(policy::apply))
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
                .next(format!("Choose another port with {option}.")));
        }
        let asked = tokio::time::timeout(HOLDER, self.connect()).await;
        let engine = asked.ok().and_then(Result::ok);
        let holder = lifecycle::port_holder(engine.as_ref(), port).await;
        let message = format!("Port {port} on {} is already in use", address.ip());
        let failure = Failure::new(FailureCode::PortTaken, message).next(format!(
            "Stop what holds it, or choose another port with {option} (0 takes any free one)."
        ));
        Err(match holder {
            Some(holder) => failure.because(format!("{holder} holds it")),
            None => failure.because(error.to_string()),
        })
    }
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

/// A failure as an answer.
struct Refusal(Failure);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            FailureCode::Invalid => StatusCode::BAD_REQUEST,
            FailureCode::NotFound => StatusCode::NOT_FOUND,
            FailureCode::Busy
            | FailureCode::Changed
            | FailureCode::NotRunning
            | FailureCode::WouldRecreate
            | FailureCode::PortTaken
            | FailureCode::Cancelled => StatusCode::CONFLICT,
            FailureCode::EngineMissing | FailureCode::EngineDenied | FailureCode::Unhealthy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            FailureCode::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

type Shared = State<(App, Arc<Access>)>;

async fn app_rpc(
    State((app, _)): Shared,
    Extension(caller): Extension<Caller>,
    Path(command): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, &caller, None, &command, &body).await
}

async fn machine_rpc(
    State((app, _)): Shared,
    Extension(caller): Extension<Caller>,
    Path((machine, command)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, &caller, Some(&machine), &command, &body).await
}

async fn answer(
    app: &App,
    caller: &Caller,
    machine: Option<&str>,
    command: &str,
    body: &[u8],
) -> Result<Json<Value>, Refusal> {
    // A command about the app is one wherever it is called.
    let about = machine.filter(|_| MACHINE_COMMANDS.contains(&command));
    caller
        .check(command, command_scope(command), about)
        .map_err(Refusal)?;
    let params = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Refusal(
                Failure::new(FailureCode::Invalid, "The request is not valid JSON")
                    .because(error.to_string()),
            )
        })?
    };
    app.rpc(machine, command, params)
        .await
        .map(Json)
        .map_err(Refusal)
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn events(
    State((app, access)): Shared,
    Extension(caller): Extension<Caller>,
    Query(query): Query<After>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>, Refusal> {
    if let Caller::Bearer(bearer, _) = &caller {
        // One for certain machines hears those.
        let machine = bearer
            .machines
            .as_ref()
            .and_then(|machines| machines.first());
        caller
            .check("events", &Scope::Read, machine.map(String::as_str))
            .map_err(Refusal)?;
    }
    let events = app.subscribe(query.after);
    let stop = app.inner.shared.stop.clone();
    let state = (events, stop, access, caller);
    let stream = stream::unfold(state, |(mut events, stop, access, caller)| async move {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => None,
                event = events.next() => event,
            }?;
            if !access.still_knows(&caller) {
                return None;
            }
            if hears(&caller, &event) {
                let event = sse::Event::default().json_data(event);
                return Some((event, (events, stop, access, caller)));
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn hears(caller: &Caller, event: &StreamEvent) -> bool {
    match caller {
        Caller::Owner => true,
        Caller::Bearer(bearer, _) => bearer.reaches(event.machine.as_deref()),
    }
}

async fn nowhere() -> Refusal {
    Refusal(Failure::new(FailureCode::NotFound, "Not found"))
}

#[cfg(test)]
mod tests;
