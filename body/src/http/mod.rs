//! The machine's API: over TCP with the access rules, over a Unix socket for
//! callers inside the machine, without a token.

mod access;
mod cells;
mod commands;
mod error;
mod json;
mod machine;
mod serve;

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{access::Access, error::ApiError, serve::Limits};
use crate::{kernel::Kernel, shell::Shell, supervisor::keeper::Keeper};

/// The largest body of a request.
const LARGEST_BODY: usize = 32 << 20;

/// What the handlers work on.
#[derive(Clone)]
pub struct Parts {
    kernel: Arc<Kernel>,
    shell: Arc<Shell>,
    keeper: Arc<Keeper>,
    tasks: TaskTracker,
}

/// The bound API.
pub struct Http {
    tcp: TcpListener,
    unix: UnixListener,
    kernel: Arc<Kernel>,
    shell: Arc<Shell>,
    keeper: Arc<Keeper>,
}

impl Http {
    /// Binds both listeners.
    pub async fn bind(
        port: u16,
        kernel: Arc<Kernel>,
        shell: Arc<Shell>,
        keeper: Arc<Keeper>,
    ) -> std::io::Result<Self> {
        let tcp = TcpListener::bind(("0.0.0.0", port)).await?;
        let path = crate::paths::body_socket();
        let _ = std::fs::remove_file(&path);
        let unix = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        tracing::info!(address = %tcp.local_addr()?, "the kernel API listens");
        Ok(Self {
            tcp,
            unix,
            kernel,
            shell,
            keeper,
        })
    }

    /// Serves until `stop`, then lets requests in flight end.
    pub async fn serve(self, tasks: TaskTracker, stop: CancellationToken) {
        let port = self.tcp.local_addr().map_or(0, |address| address.port());
        let access = Arc::new(Access::from_environment(port));
        let parts = Parts {
            kernel: self.kernel,
            shell: self.shell,
            keeper: self.keeper,
            tasks,
        };
        let inside = routes(parts);
        let outside = inside
            .clone()
            .layer(middleware::from_fn_with_state(access, access::check));
        let tcp = self.tcp.tap_io(|stream| {
            // Without it an answer may wait for its own acknowledgement.
            let _ = stream.set_nodelay(true);
        });
        let limits = Limits::default();
        tokio::join!(
            serve::serve(tcp, outside, limits, stop.clone()),
            serve::serve(self.unix, inside, limits, stop),
        );
    }
}

fn routes(parts: Parts) -> Router {
    Router::new()
        .route("/ping", get(machine::ping))
        .route("/status", get(machine::status))
        .route("/services", get(machine::services))
        .route("/exec", post(cells::exec))
        .route("/executions", get(cells::list))
        .route("/executions/{id}", get(cells::one).delete(cells::remove))
        .route("/executions/{id}/events", get(cells::events))
        .route("/interrupt", post(cells::interrupt))
        .route("/reset", post(cells::reset))
        .route("/shell", post(commands::run))
        .route("/shell/cd", post(commands::cd))
        .route("/shell/env", post(commands::env))
        .fallback(|| async { ApiError::not_found("there is no such route") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(parts)
}
