//! The supervisor: PID 1's child. It holds the policy (which services, in which
//! order, restarted how) and serves the machine's API. It may die: what it keeps
//! goes on, and the next one finds it again.
//!
//! - `service`, `keeper`, `life`, `backoff`: what a service is, all of them, one of them, and its pauses
//! - `table`: the supervisor's side of PID 1's socket
//! - `logs`: what services write

pub mod backoff;
pub mod keeper;
mod life;
pub mod logs;
pub mod service;
pub mod table;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::evolve::ExecutorKind;

use self::{keeper::Keeper, table::TableClient};
use crate::{
    changes::Changes,
    clock::Clock,
    evolve::executor,
    http::{Parts, access::Access},
    kernel::Kernels,
    shell::{Commands, Shell},
};

/// Runs until it is told to end.
pub fn run() -> ExitCode {
    // PID 1 starts its own program by a name that says nothing.
    let _ = nix::sys::prctl::set_name(c"body");
    let level = std::env::var("LOG_LEVEL").unwrap_or_default();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(log_filter(&level)))
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(supervise()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the supervisor stopped");
            ExitCode::FAILURE
        }
    }
}

/// `LOG_LEVEL` as a filter: one of tracing's words, one of Python's, or directives of a filter.
/// A word that nobody knows is `info`: as a filter it would silence everything.
fn log_filter(level: &str) -> String {
    let level = level.to_lowercase();
    match level.as_str() {
        "trace" | "debug" | "info" | "warn" | "error" | "off" => level,
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ if level.contains('=') => level,
        _ => "info".to_owned(),
    }
}

async fn supervise() -> Result<(), Box<dyn std::error::Error>> {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;

    let port = |name: &str, default: u16| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let with_desktop = std::env::var("VIVARIUM_DESKTOP").as_deref() != Ok("off");
    let mut services = vec![crate::kernel::service(crate::kernel::MAIN)];
    if with_desktop {
        let (password, made) = crate::secrets::find_or_make("VNC_PASSWORD", 8);
        if made {
            println!("No VNC password was set. This one is valid until the next boot: {password}");
        }
        crate::desktop::write_password(&crate::paths::run_dir().join("vnc.passwd"), &password)?;
        services.splice(0..0, crate::desktop::services(port("VNC_PORT", 5900)));
    }

    let socket = crate::paths::init_socket();
    let changes = Changes::new();
    let clock = Clock::system();
    let keeper = Keeper::new(
        TableClient::connect(&socket).await?,
        changes.clone(),
        clock.clone(),
        tasks.clone(),
        stop.clone(),
    );
    keeper
        .start(TableClient::connect(&socket).await?, services)
        .await?;
    tasks.spawn(crate::memory::give_back(stop.clone()));
    tasks.spawn(logs::rotate(crate::paths::logs_dir(), stop.clone()));

    let mut shell = Shell::take_over(&crate::paths::shell_dir(), crate::paths::home());
    shell.commands = Commands::new(clock.clone(), changes.clone());
    let shell = Arc::new(shell);
    let kernels = Kernels::new(
        Arc::clone(&keeper),
        Arc::clone(&shell),
        changes.clone(),
        clock.clone(),
        tasks.clone(),
        stop.clone(),
        &keeper.known().await?,
    );
    let kernel_port = port("KERNEL_PORT", 8080);
    let http = crate::http::Http::bind(kernel_port).await?;
    let access = Arc::new(Access::from_environment(kernel_port));
    let mcp = crate::mcp::run::start(
        port("MCP_PORT", 8765),
        Arc::clone(&access),
        changes.clone(),
        stop.clone(),
    )?;
    let parts = Parts::new(
        kernels,
        shell,
        Arc::clone(&keeper),
        changes,
        Arc::clone(&mcp.relay),
        tasks.clone(),
        stop.clone(),
    );
    if parts.evolve.executor == ExecutorKind::Socket {
        tracing::warn!(
            "the container engine's socket is mounted: any program in this machine can become root on its host"
        );
        executor::start(&tasks, stop.clone());
    }
    tasks.spawn(http.serve(parts, access, stop.clone()));

    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("ending");
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(2), tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("some requests were still served; they are cut");
    }
    tokio::join!(keeper.stop_all(), mcp.ended());
    Ok(())
}
