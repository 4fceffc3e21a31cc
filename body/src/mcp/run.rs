//! Where the relay runs: in a thread of its own beside the supervisor, so that large messages never
//! hold up the machine's API, or alone as `body mcp`.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::{middleware, serve::ListenerExt};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::mcp::McpSource;

use super::{
    Relay, builtin,
    config::Config,
    http, process,
    server::{Common, Limits},
    session_store::SessionStore,
    traces::Traces,
};
use crate::{
    changes::Changes,
    http::{
        access::{self, Access, Guard},
        scopes, serve,
    },
};

/// Servers have so long to end, all at once.
const END: Duration = Duration::from_secs(4);

/// A relay in its thread.
pub struct Running {
    pub relay: Arc<Relay>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Waits until its servers have ended; it is told by the token it was started with.
    pub async fn ended(self) {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the MCP relay failed");
        }
    }
}

fn common(logs: PathBuf, changes: Option<Changes>, stop: CancellationToken) -> Common {
    Common {
        traces: Traces::new(),
        tasks: TaskTracker::new(),
        runtime: tokio::runtime::Handle::current(),
        stop,
        changes,
        logs,
        http: Arc::default(),
        limits: limits(),
        lists: tokio::sync::Notify::new(),
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    let given = std::env::var("MCP_MAX_PROCESSES").ok();
    if let Some(most) = given.and_then(|text| text.parse().ok()) {
        limits.own_processes = most;
    }
    limits
}

/// Starts the machine's relay.
pub fn start(
    port: u16,
    access: Arc<Access>,
    changes: Changes,
    stop: CancellationToken,
) -> std::io::Result<Running> {
    let listener = std::net::TcpListener::bind(("0.0.0.0", port))?;
    listener.set_nonblocking(true)?;
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("mcp".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let config = Config::new(
                    builtin::servers(),
                    vec![
                        ("/repo/mcp.json".into(), McpSource::Repo),
                        (crate::paths::data_dir().join("mcp.json"), McpSource::Data),
                    ],
                );
                let logs = crate::paths::logs_dir();
                let store = SessionStore::new(Some(crate::paths::mcp_sessions_dir()));
                let relay = Relay::new(config, common(logs, Some(changes), stop), store);
                let listener = TcpListener::from_std(listener);
                if tell.send(Arc::clone(&relay)).is_err() {
                    return;
                }
                match listener {
                    Ok(listener) => serve(relay, listener, access).await,
                    Err(error) => tracing::error!(%error, "the MCP endpoint can't listen"),
                }
            });
        })?;
    let relay = told.recv().map_err(std::io::Error::other)?;
    Ok(Running { relay, thread })
}

/// Serves until the relay is stopped and its servers have ended.
pub async fn serve(relay: Arc<Relay>, listener: TcpListener, access: Arc<Access>) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the MCP endpoint listens");
    }
    let stop = relay.common.stop.clone();
    let guard = Guard {
        access,
        table: scopes::MCP,
    };
    let routes = http::routes(Arc::clone(&relay))
        .layer(middleware::from_fn_with_state(guard, access::check));
    let listener = listener.tap_io(|stream| {
        // Without it an answer may wait for its own acknowledgement.
        let _ = stream.set_nodelay(true);
    });
    let mut own = JoinSet::new();
    own.spawn(Arc::clone(&relay).tend());
    // Looking at a process can take long while it is busy with its memory.
    own.spawn_blocking(process::sweep);
    own.spawn(serve::serve(
        listener,
        routes,
        serve::Limits::default(),
        stop.clone(),
    ));
    stop.cancelled().await;
    let tasks = &relay.common.tasks;
    tasks.close();
    let ending = async {
        tasks.wait().await;
        // Requests in flight are answered by now: their servers are gone.
        while own.join_next().await.is_some() {}
    };
    if tokio::time::timeout(END, ending).await.is_err() {
        tracing::warn!("some requests of MCP clients were cut");
    }
}

/// `body mcp [--port N] [--config FILE]… [--sessions FOLDER]`: the relay without a machine, on
/// loopback.
pub fn alone() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            std::env::var("LOG_LEVEL")
                .unwrap_or_else(|_| "info".into())
                .to_lowercase(),
        ))
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let mut port = 8765;
    let mut files = Vec::new();
    let mut sessions = None;
    let mut words = std::env::args().skip(2);
    while let Some(word) = words.next() {
        let value = words.next();
        match (word.as_str(), value) {
            ("--port", Some(value)) if value.parse::<u16>().is_ok() => {
                port = value.parse().unwrap_or(port);
            }
            ("--sessions", Some(value)) => sessions = Some(PathBuf::from(value)),
            ("--config", Some(value)) => files.push((PathBuf::from(value), McpSource::Data)),
            _ => {
                eprintln!("usage: body mcp [--port NUMBER] [--config FILE]... [--sessions FOLDER]");
                return ExitCode::from(2);
            }
        }
    }
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(run_alone(port, files, sessions));
            runtime.shutdown_background();
            match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("the MCP relay stopped: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("could not start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_alone(
    port: u16,
    files: Vec<(PathBuf, McpSource)>,
    sessions: Option<PathBuf>,
) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?;
    let port = listener.local_addr()?.port();
    let access = Arc::new(Access::from_environment(port));
    let logs = std::env::temp_dir().join(format!("vivarium-mcp-{}", std::process::id()));
    std::fs::create_dir_all(&logs)?;
    let config = Config::new(std::collections::BTreeMap::new(), files);
    let store = SessionStore::new(sessions);
    let relay = Relay::new(config, common(logs.clone(), None, stop.clone()), store);
    println!("listening on http://127.0.0.1:{port}");
    // In a machine the supervisor does that, for all logs.
    let rotating = crate::supervisor::logs::rotate(logs.clone(), stop.clone());
    let serving = async { tokio::join!(serve(relay, listener, access), rotating) };
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => {}
        _ = terminated.recv() => stop.cancel(),
        _ = interrupted.recv() => stop.cancel(),
    }
    if stop.is_cancelled() {
        serving.await;
    }
    std::fs::remove_dir_all(logs)
}
