//! Vivarium's window: Tauri over `crates/engine`. It owns the window and nothing
//! else; machines go on when it closes.

mod commands;
mod template;

use std::process::ExitCode;

use engine::{Engine, EngineOptions};
use tauri::{Manager, RunEvent};

use self::commands::Host;

/// Opens the window and runs until it is closed.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let mut context = tauri::generate_context!("tauri.conf.json");
    let path = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(std::path::PathBuf::from)
    };
    let options = EngineOptions {
        instance: None,
        home: path("VIVARIUM_HOME"),
        template: path("VIVARIUM_TEMPLATE").unwrap_or_else(template::find),
        repo: path("VIVARIUM_REPO"),
    };
    let engine = match tauri::async_runtime::block_on(Engine::start(options)) {
        Ok(engine) => engine,
        Err(failure) => {
            tracing::error!(%failure, "the engine could not be started");
            return ExitCode::FAILURE;
        }
    };
    // The page may reach the bridge, and no other port of this computer.
    context.config_mut().app.security.csp = Some(tauri::utils::config::Csp::Policy(policy(
        engine.bridge_port(),
    )));

    let app = tauri::Builder::default()
        .manage(Host::new(engine))
        .invoke_handler(tauri::generate_handler![commands::rpc, commands::subscribe])
        .build(context);
    let app = match app {
        Ok(app) => app,
        Err(error) => {
            tracing::error!(%error, "the window could not be opened");
            return ExitCode::FAILURE;
        }
    };
    app.run(|app, event| {
        if let RunEvent::Exit = event {
            let host = app.state::<Host>();
            host.next_stream().cancel();
            host.tasks.close();
            tauri::async_runtime::block_on(async {
                host.tasks.wait().await;
                host.engine.clone().stop().await;
            });
        }
    });
    ExitCode::SUCCESS
}

fn policy(bridge_port: u16) -> String {
    format!(
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; \
         connect-src ipc: http://ipc.localhost ws://127.0.0.1:{bridge_port}"
    )
}
