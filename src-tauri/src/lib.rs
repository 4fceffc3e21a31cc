//! Vivarium's window: Tauri over `crates/app`. It owns the window and nothing
//! else; machines go on when it closes.
//!
//! Start reading at [`run`].
//!
//! - `commands`, `stream`: the one call into the app, and its events to the page
//! - `native`: what a page can't do by itself: clipboard, file dialogs, links
//! - `notices`, `tray`: what the window's frame shows
//! - `single`, `renderer`, `template`: one window, how WebKit draws, where the machine's template is

mod commands;
mod native;
mod notices;
mod renderer;
mod single;
mod stream;
mod template;
mod tray;

use std::{process::ExitCode, sync::atomic::Ordering};

use app::{App, AppOptions};
use tauri::{Manager, RunEvent, WindowEvent};
use tauri_plugin_window_state::StateFlags;

use self::commands::Host;

/// Opens the window and runs until it is closed.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_ansi(false)
        .with_writer(app::untrusted::LogWriter::default)
        .init();
    renderer::choose();
    let mut context = tauri::generate_context!("tauri.conf.json");
    let path = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(std::path::PathBuf::from)
    };
    let options = AppOptions {
        instance: None,
        home: path("VIVARIUM_HOME"),
        template: path("VIVARIUM_TEMPLATE").unwrap_or_else(template::find),
        repo: path("VIVARIUM_REPO"),
        engine: None,
        machine: None,
    };
    let app = match tauri::async_runtime::block_on(App::start(options)) {
        Ok(app) => app,
        Err(failure) => {
            tracing::error!(%failure, "the app could not be started");
            return ExitCode::FAILURE;
        }
    };
    let mut only = match single::take(app.data_dir()) {
        Ok(Some(only)) => only,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, folder = %app.data_dir().display(), "the data folder can't be used");
            return ExitCode::FAILURE;
        }
    };
    tauri::async_runtime::block_on(async {
        app.carry_out_wishes();
        app.serve_sandboxes_as_set();
    });
    // The page may reach the bridge, and no other port of this computer.
    context.config_mut().app.security.csp =
        Some(tauri::utils::config::Csp::Policy(policy(app.bridge_port())));

    // In the instance's own folder, whatever the app's identifier says.
    let window_state = tauri_plugin_window_state::Builder::new()
        .with_filename(app.config_dir().join("window.json").display().to_string())
        .with_state_flags(StateFlags::all() & !StateFlags::VISIBLE & !StateFlags::DECORATIONS)
        .build();
    let stay = tauri::plugin::Builder::<tauri::Wry>::new("stay")
        .on_navigation(|_, url| native::is_ours(url))
        .build();
    let app = tauri::Builder::default()
        .plugin(stay)
        .plugin(window_state)
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .manage(native::Clipboard::default())
        .manage(Host::new(app))
        .invoke_handler(tauri::generate_handler![
            commands::rpc,
            commands::subscribe,
            commands::heard,
            native::clipboard_read,
            native::clipboard_write,
            native::ask_path,
            native::keep_file,
            native::open_link,
        ])
        .setup(move |app| {
            let (host, handle) = (app.state::<Host>(), app.handle().clone());
            let tray = tray::make(&handle)?;
            host.has_tray.store(tray.is_some(), Ordering::Relaxed);
            let listening =
                notices::listen(handle.clone(), host.app.clone(), tray, host.stop.clone());
            tauri::async_runtime::spawn(host.tasks.track_future(listening));
            only.on_second_start(move || tray::front(&handle));
            app.manage(only);
            Ok(())
        })
        .on_window_event(|window, event| {
            let host = window.state::<Host>();
            let stays = || {
                host.has_tray.load(Ordering::Relaxed) && host.app.settings().settings.close_to_tray
            };
            if let WindowEvent::CloseRequested { api, .. } = event
                && stays()
            {
                api.prevent_close();
                let _ = window.hide();
            }
        })
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
            host.stream.end();
            host.stop.cancel();
            host.tasks.close();
            tauri::async_runtime::block_on(async {
                host.tasks.wait().await;
                host.app.clone().stop().await;
            });
        }
    });
    ExitCode::SUCCESS
}

/// What the pages reach: this process, and the desktop's bridge.
fn policy(bridge_port: u16) -> String {
    app::page_policy(&format!(
        "ipc: http://ipc.localhost ws://127.0.0.1:{bridge_port}"
    ))
}

#[cfg(test)]
mod tests {
    /// Of the pages that `serve` has, but for `connect-src`.
    #[test]
    fn the_window_has_the_policy_of_the_served_pages() {
        let rest = |policy: String| -> Vec<String> {
            let directives = policy.split("; ").map(str::to_owned);
            directives
                .filter(|one| !one.starts_with("connect-src "))
                .collect()
        };
        let window = rest(super::policy(7));
        assert_eq!(window, rest(app::page_policy("'self'")));
        assert!(
            window.contains(&"worker-src 'self'".to_owned()),
            "{window:?}"
        );
    }
}
