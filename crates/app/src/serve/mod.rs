//! The app over HTTP on loopback: the command list, the event stream and, where wanted, the
//! window's UI for a browser.
//!
//! `POST /rpc/{command}` with a command's request answers its answer, or a [`Failure`] with a fitting
//! status. `GET /events?after=N` streams [`StreamEvent`](wire::stream::StreamEvent)s as server-sent
//! events. Both want a token, which a page gets for the one-time code that [`Served::url`] carries.

mod access;
mod codes;
mod pages;
mod policy;
mod session;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
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
use wire::failure::{Failure, FailureCode};

use crate::App;
use access::Access;
use pages::Pages;
use session::Sessions;

/// Longest request: a notebook with its pictures.
const BODY_BYTES: usize = 256 << 20;
/// Shows a client behind a sleeping network that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeOptions {
    /// Loopback port; 0 for any free one.
    pub port: u16,
    /// The UI's pages too.
    pub ui: bool,
}

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Served {
    listener: TcpListener,
    router: Router,
    address: SocketAddr,
    token: String,
    sessions: Arc<Sessions>,
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
}

impl Served {
    /// Address for a person's browser, as [`Addresses::url`].
    #[must_use]
    pub fn url(&self) -> String {
        self.addresses().url()
    }

    /// Makes more of them while it serves.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            address: self.address,
            sessions: self.sessions.clone(),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bearer token of this server's life.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until the app stops; streams end then, requests are answered first.
    ///
    /// # Errors
    /// Where accepting connections fails for good.
    pub fn run<'a>(self, app: &'a App) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let stop = app.inner.shared.stop.clone();
            axum::serve(self.listener, self.router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .map_err(|error| {
                    Failure::new(FailureCode::Internal, "The server stopped")
                        .because(error.to_string())
                })
        })
    }
}

impl App {
    /// Binds a loopback port for views outside this process.
    ///
    /// # Errors
    /// [`PortTaken`](FailureCode::PortTaken) if the port is held;
    /// [`NotFound`](FailureCode::NotFound) if the pages are wanted and this build has none.
    pub fn bind<'a>(&'a self, options: ServeOptions) -> BoxFuture<'a, Result<Served, Failure>> {
        Box::pin(async move {
            let pages = options.ui.then(Pages::find).transpose()?;
            self.listen(options.port, pages).await
        })
    }

    async fn listen(&self, port: u16, pages: Option<Pages>) -> Result<Served, Failure> {
        let taken = |error: std::io::Error| {
            Failure::new(
                FailureCode::PortTaken,
                format!("Cannot listen on 127.0.0.1:{port}"),
            )
            .because(error.to_string())
            .next("Choose another port with --port, or omit it to use any free port.")
        };
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let token = secret();
        let sessions = Arc::new(Sessions::new(token.clone()));
        let access = Arc::new(Access::new(address.port(), token.clone()));
        let mut router = Router::new()
            .route("/rpc/{command}", post(app_rpc))
            .route("/machines/{machine}/rpc/{command}", post(machine_rpc))
            .route("/events", get(events))
            .with_state(self.clone())
            .merge(session::renewal(sessions.clone()))
            .route_layer(middleware::from_fn_with_state(
                access.clone(),
                access::token,
            ))
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .merge(session::exchange(sessions.clone()));
        if let Some(pages) = pages {
            router = router.merge(pages.routes(self.bridge_port()));
        }
        let router = router
            .fallback(nowhere)
            .layer(middleware::from_fn_with_state(access, access::own_page))
            .layer(middleware::from_fn(policy::apply));
        Ok(Served {
            listener,
            router,
            address,
            token,
            sessions,
        })
    }
}

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
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

async fn app_rpc(
    State(app): State<App>,
    Path(command): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, None, &command, &body).await
}

async fn machine_rpc(
    State(app): State<App>,
    Path((machine, command)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, Some(&machine), &command, &body).await
}

async fn answer(
    app: &App,
    machine: Option<&str>,
    command: &str,
    body: &[u8],
) -> Result<Json<Value>, Refusal> {
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
    State(app): State<App>,
    Query(query): Query<After>,
) -> Sse<impl Stream<Item = Result<sse::Event, axum::Error>>> {
    let events = app.subscribe(query.after);
    let stop = app.inner.shared.stop.clone();
    let stream = stream::unfold((events, stop), |(mut events, stop)| async move {
        let event = tokio::select! {
            () = stop.cancelled() => None,
            event = events.next() => event,
        }?;
        Some((sse::Event::default().json_data(event), (events, stop)))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn nowhere() -> Refusal {
    Refusal(Failure::new(FailureCode::NotFound, "Not found"))
}

#[cfg(test)]
mod tests;
