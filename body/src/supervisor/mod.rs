//! The supervisor: PID 1's child. It holds the policy (which services, in which
//! order, restarted how) and serves the machine's API. It may die: what it keeps
//! goes on, and the next one finds it again.

pub mod keeper;
pub mod service;
pub mod table;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    keeper::Keeper,
    service::{Probe, Service},
    table::TableClient,
};
use crate::{kernel::Kernel, shell::Shell};

/// Runs until it is told to end.
pub fn run() -> ExitCode {
    let level = std::env::var("LOG_LEVEL")
        .unwrap_or_else(|_| "info".to_owned())
        .to_lowercase();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
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
            tracing::error!(%error, "the supervisor can't go on");
            ExitCode::FAILURE
        }
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
    let mut services = vec![kernel_service()];
    if with_desktop {
        let password =
            crate::secrets::find("VNC_PASSWORD").unwrap_or_else(|| crate::secrets::make(8));
        crate::desktop::write_password(&crate::paths::run_dir().join("vnc.passwd"), &password)?;
        services.splice(0..0, crate::desktop::services(port("VNC_PORT", 5900)));
    }

    let socket = crate::paths::init_socket();
    let keeper = Keeper::new(TableClient::connect(&socket).await?, services);
    keeper
        .start(TableClient::connect(&socket).await?, &tasks, &stop)
        .await?;

    let shell = Arc::new(Shell::new(crate::paths::home()));
    let (kernel, driving) = Kernel::new(
        crate::paths::kernel_socket("main"),
        Arc::clone(&shell),
        stop.clone(),
    );
    tasks.spawn(driving);

    let http = crate::http::Http::bind(
        port("KERNEL_PORT", 8080),
        kernel,
        shell,
        Arc::clone(&keeper),
    )
    .await?;
    let serving = http.serve(tasks.clone(), stop.clone());
    tasks.spawn(serving);

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
    keeper.stop_all().await;
    Ok(())
}

fn kernel_service() -> Service {
    let python =
        std::env::var("KERNEL_PYTHON").unwrap_or_else(|_| "/opt/venv/kernel/bin/python".to_owned());
    let path = std::env::var("KERNEL_PATH").unwrap_or_else(|_| "/opt/vivarium/kernel".to_owned());
    let socket = crate::paths::kernel_socket("main");
    let argv = [
        python.as_str(),
        "-m",
        "vivarium_kernel",
        "--socket",
        &socket.to_string_lossy(),
    ];
    Service {
        name: "kernel-main",
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        env: BTreeMap::from([
            ("PYTHONPATH".to_owned(), path),
            ("DISPLAY".to_owned(), ":99".to_owned()),
        ]),
        after: None,
        // The driver knows best when it takes cells; a probe would be one more client.
        probe: Probe::Running,
    }
}
