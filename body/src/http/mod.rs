//! The machine's API: over TCP with the access rules, over a Unix socket for
//! callers inside the machine, without a token.
//!
//! Start reading at `routes`: each route's handler. The list of routes itself is in `wire`.
//!
//! - `routes`, `api`: handlers by their names, the router and the document that are made of them
//! - `access`, `scopes`, `tokens`: who is let in, and to which routes
//! - `cells`, `outputs`, `comms`, `kernels`, `commands`, `terminal`, `jobs`, `cryo`, `evolve`, `machine`,
//!   `sandboxes`, `metrics`: handlers of these subjects
//! - `json`, `error`: what a request brings, and the one shape of errors
//! - `serve`: a listener, its limits and its end

pub mod access;
mod api;
pub mod cells;
mod commands;
mod comms;
mod cryo;
pub mod error;
mod evolve;
mod jobs;
mod json;
mod kernels;
mod machine;
mod metrics;
mod outputs;
mod routes;
mod sandboxes;
pub mod scopes;
pub mod serve;
mod terminal;
mod tokens;

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware, serve::ListenerExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    access::{Access, Guard},
    error::ApiError,
    serve::Limits,
};
use crate::{
    changes::Changes, cryo::Cryo, evolve::Evolve, kernel::Kernels, mcp::Relay,
    sandboxes::calls::Calls, shell::Shell, supervisor::keeper::Keeper, takeover::Takeovers,
    terminal::Terminals,
};

/// The largest body of a request.
const LARGEST_BODY: usize = 32 << 20;

/// What the handlers work on: one pointer, as every request gets a copy.
#[derive(Clone)]
pub struct Parts(Arc<Inner>);

/// The parts themselves.
pub struct Inner {
    kernels: Arc<Kernels>,
    shell: Arc<Shell>,
    keeper: Arc<Keeper>,
    cryo: Arc<Cryo>,
    pub evolve: Evolve,
    terminals: Arc<Terminals>,
    takeovers: Takeovers,
    sandbox_calls: Calls,
    changes: Changes,
    mcp: Arc<Relay>,
    tasks: TaskTracker,
    /// Ends what would never end by itself: event streams, terminals.
    stop: CancellationToken,
}

impl Parts {
    /// Puts them together.
    pub fn new(
        kernels: Arc<Kernels>,
        shell: Arc<Shell>,
        keeper: Arc<Keeper>,
        changes: Changes,
        mcp: Arc<Relay>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let clock = keeper.clock().clone();
        Self(Arc::new(Inner {
            kernels,
            shell,
            keeper,
            cryo: crate::cryo::of_machine(clock.clone()),
            evolve: crate::evolve::of_machine(clock.clone()),
            terminals: Arc::new(Terminals::new(clock.clone(), changes.clone())),
            takeovers: Takeovers::load(crate::paths::takeover_file(), clock.clone()),
            sandbox_calls: Calls::new(clock, changes.clone()),
            changes,
            mcp,
            tasks,
            stop,
        }))
    }
}

impl std::ops::Deref for Parts {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The bound API.
pub struct Http {
    tcp: TcpListener,
    unix: UnixListener,
}

impl Http {
    /// Binds both listeners.
    pub async fn bind(port: u16) -> std::io::Result<Self> {
        let tcp = TcpListener::bind(("0.0.0.0", port)).await?;
        let path = crate::paths::body_socket();
        let _ = std::fs::remove_file(&path);
        let unix = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        tracing::info!(address = %tcp.local_addr()?, "the kernel API listens");
        Ok(Self { tcp, unix })
    }

    /// Serves until `stop`, then lets requests in flight end.
    pub async fn serve(self, parts: Parts, access: Arc<Access>, stop: CancellationToken) {
        let relay = Router::new().nest("/mcp-relay", crate::mcp::http::routes(parts.mcp.clone()));
        let routes = routes(parts);
        let guard = Guard {
            access,
            table: scopes::API,
        };
        let outside = routes
            .clone()
            .layer(middleware::from_fn_with_state(guard, access::check));
        let tcp = self.tcp.tap_io(|stream| {
            // Without it an answer may wait for its own acknowledgement.
            let _ = stream.set_nodelay(true);
        });
        let limits = Limits::default();
        tokio::join!(
            serve::serve(tcp, outside, limits, stop.clone()),
            serve::serve(self.unix, relay.fallback_service(routes), limits, stop),
        );
    }
}

fn routes(parts: Parts) -> Router {
    api::router(routes::operations())
        .fallback(|| async { ApiError::not_found("route not found") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(parts)
}
