//! The tray: the machine's state at a glance, and what is done most.

use app::untrusted;
use serde_json::json;
use tauri::{
    AppHandle, Manager, Runtime,
    image::Image,
    menu::{Menu, MenuItem, PredefinedMenuItem},
    tray::{TrayIcon, TrayIconBuilder},
};
use wire::machine::{MachineState, MachineStatus};

use crate::commands::Host;

/// Letters of a machine's name in the tray.
const LONGEST_NAME: usize = 60;

/// The tray's icon with what changes in it.
pub struct Tray<R: Runtime> {
    icon: TrayIcon<R>,
    state: MenuItem<R>,
    start: MenuItem<R>,
    stop: MenuItem<R>,
}

/// Puts the icon into the tray. `None` where this system has no library for one.
pub fn make<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<Option<Tray<R>>> {
    if !library_is_there() {
        tracing::info!("no tray: libayatana-appindicator3 is not installed");
        return Ok(None);
    }
    let item = |id, words, enabled| MenuItem::with_id(app, id, words, enabled, None::<&str>);
    let state = item("state", "Vivarium", false)?;
    let start = item("start", "Start machine", false)?;
    let stop = item("stop", "Stop machine", false)?;
    let line = || PredefinedMenuItem::separator(app);
    let open = item("open", "Open Vivarium", true)?;
    let quit = item("quit", "Quit", true)?;
    let menu = Menu::with_items(
        app,
        &[&state, &line()?, &open, &start, &stop, &line()?, &quit],
    )?;
    let icon = TrayIconBuilder::with_id("main")
        .icon(picture(app, None))
        .tooltip("Vivarium")
        .menu(&menu)
        .on_menu_event(|app, event| {
            let command = match event.id.as_ref() {
                "open" => return front(app),
                "quit" => return app.exit(0),
                "start" => ("machine_up", json!({})),
                "stop" => ("machine_down", json!({})),
                _ => return,
            };
            let host = app.state::<Host>();
            let (app, stop) = (host.app.clone(), host.stop.clone());
            let acting = host.tasks.track_future(async move {
                let asked = app.rpc(None, command.0, command.1);
                if let Some(Err(failure)) = stop.run_until_cancelled(asked).await {
                    tracing::warn!(%failure, "an action of the tray failed");
                }
            });
            tauri::async_runtime::spawn(acting);
        })
        .build(app)?;
    Ok(Some(Tray {
        icon,
        state,
        start,
        stop,
    }))
}

impl<R: Runtime> Tray<R> {
    /// Shows this state. A tray that can't be changed is not worth a failure.
    pub fn show(&self, status: &MachineStatus) {
        let (words, running) = match status.state {
            MachineState::Absent => ("not created", false),
            MachineState::Stopped => ("stopped", false),
            MachineState::Starting => ("starting", true),
            MachineState::Running => ("running", true),
        };
        let words = format!(
            "{} · {words}",
            untrusted::sentence(&status.name, LONGEST_NAME)
        );
        let _ = self.state.set_text(&words);
        let _ = self.start.set_enabled(!running);
        let _ = self.stop.set_enabled(running);
        let _ = self.icon.set_tooltip(Some(&words));
        let _ = self
            .icon
            .set_icon(Some(picture(self.icon.app_handle(), Some(status.state))));
    }
}

/// Shows the window, wherever it is.
pub fn front<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = app.get_webview_window("main") {
        let _ = window.show();
        let _ = window.unminimize();
        let _ = window.set_focus();
    }
}

/// The app's icon, with a dot for the state.
fn picture<R: Runtime>(app: &AppHandle<R>, state: Option<MachineState>) -> Image<'static> {
    let Some(icon) = app.default_window_icon() else {
        return Image::new_owned(vec![0; 4], 1, 1);
    };
    let (width, height) = (icon.width(), icon.height());
    let mut pixels = icon.rgba().to_vec();
    let colour = match state {
        Some(MachineState::Running) => [0x3f, 0xc3, 0x80, 0xff],
        Some(MachineState::Starting) => [0xf0, 0xb4, 0x29, 0xff],
        _ => return Image::new_owned(pixels, width, height),
    };
    let radius = f64::from(width.min(height)) * 0.2;
    let (middle_x, middle_y) = (f64::from(width) - radius, f64::from(height) - radius);
    for (at, pixel) in (0_u32..).zip(pixels.chunks_exact_mut(4)) {
        let (x, y) = (f64::from(at % width) + 0.5, f64::from(at / width) + 0.5);
        if (x - middle_x).hypot(y - middle_y) <= radius {
            pixel.copy_from_slice(&colour);
        }
    }
    Image::new_owned(pixels, width, height)
}

/// The crate that draws trays on Linux ends the process where its library is missing.
#[cfg(target_os = "linux")]
fn library_is_there() -> bool {
    let folders =
        ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"].map(std::path::PathBuf::from);
    let triplets = folders.clone().into_iter().flat_map(|folder| {
        std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    });
    folders.into_iter().chain(triplets).any(|folder| {
        ["libayatana-appindicator3.so.1", "libappindicator3.so.1"]
            .iter()
            .any(|name| folder.join(name).exists())
    })
}

#[cfg(not(target_os = "linux"))]
fn library_is_there() -> bool {
    true
}
