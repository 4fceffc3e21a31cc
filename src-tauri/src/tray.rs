//! The tray: the machines' states at a glance, and what is done most.

use std::collections::BTreeMap;

use app::untrusted;
use parking_lot::Mutex;
use serde_json::json;
use tauri::{
    AppHandle, Manager, Runtime,
    image::Image,
    menu::{Menu, MenuItem, PredefinedMenuItem, Submenu},
    tray::{TrayIcon, TrayIconBuilder},
};
use wire::{
    machine::MachineState,
    machines::{MachineEntry, MachineList},
};

use crate::commands::Host;

/// Beginnings of the names of menu items, which a machine's name follows.
const START: &str = "start:";
const STOP: &str = "stop:";
/// Letters of a machine's name in the tray.
const LONGEST_NAME: usize = 60;

/// The tray's icon, and the machines of which its menu tells.
pub struct Tray<R: Runtime> {
    icon: TrayIcon<R>,
    states: Mutex<States>,
}

/// The state of each machine, by name; `None` if it isn't known yet.
type States = BTreeMap<String, Option<MachineState>>;

/// Puts the icon into the tray. `None` where this system has no library for one.
pub fn make<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<Option<Tray<R>>> {
    if !library_is_there() {
        tracing::info!("no tray: libayatana-appindicator3 is not installed");
        return Ok(None);
    }
    let states = States::new();
    let icon = TrayIconBuilder::with_id("main")
        .icon(picture(app, None))
        .tooltip("Vivarium")
        .menu(&menu(app, &states)?)
        .on_menu_event(|app, event| match event.id.as_ref() {
            "open" => front(app),
            "quit" => app.exit(0),
            id => {
                if let Some(machine) = id.strip_prefix(START) {
                    act(app, machine, "machine_up");
                } else if let Some(machine) = id.strip_prefix(STOP) {
                    act(app, machine, "machine_down");
                }
            }
        })
        .build(app)?;
    let states = Mutex::new(states);
    Ok(Some(Tray { icon, states }))
}

/// Starts or stops a machine; the tray shows its new state when it has it.
fn act<R: Runtime>(app: &AppHandle<R>, machine: &str, command: &'static str) {
    let host = app.state::<Host>();
    let (app, stop) = (host.app.clone(), host.stop.clone());
    let machine = machine.to_owned();
    let acting = host.tasks.track_future(async move {
        let asked = app.rpc(Some(&machine), command, json!({}));
        if let Some(Err(failure)) = stop.run_until_cancelled(asked).await {
            tracing::warn!(%failure, "an action of the tray failed");
        }
    });
    tauri::async_runtime::spawn(acting);
}

/// The only machine's actions in the menu itself, those of several below their names.
fn menu<R: Runtime>(app: &AppHandle<R>, states: &States) -> tauri::Result<Menu<R>> {
    let item =
        |id: &str, text: &str, enabled| MenuItem::with_id(app, id, text, enabled, None::<&str>);
    let line = || PredefinedMenuItem::separator(app);
    let actions = |name: &str, state: Option<MachineState>, of: &str| {
        let running = state.is_some_and(is_running);
        let start = item(&format!("{START}{name}"), &format!("Start{of}"), !running)?;
        let stop = item(&format!("{STOP}{name}"), &format!("Stop{of}"), running)?;
        Ok::<_, tauri::Error>((start, stop))
    };
    let menu = Menu::new(app)?;
    if let [(name, state)] = states.iter().collect::<Vec<_>>()[..] {
        let (start, stop) = actions(name, *state, " machine")?;
        menu.append_items(&[
            &item("state", &label(name, *state), false)?,
            &line()?,
            &item("open", "Open Vivarium", true)?,
            &start,
            &stop,
        ])?;
    } else {
        for (name, state) in states {
            let (start, stop) = actions(name, *state, "")?;
            let text = label(name, *state);
            menu.append(&Submenu::with_items(app, text, true, &[&start, &stop])?)?;
        }
        if !states.is_empty() {
            menu.append(&line()?)?;
        }
        menu.append(&item("open", "Open Vivarium", true)?)?;
    }
    menu.append_items(&[&line()?, &item("quit", "Quit", true)?])?;
    Ok(menu)
}

/// A machine and its state: `os-host · running`.
fn label(name: &str, state: Option<MachineState>) -> String {
    let words = match state {
        None | Some(MachineState::Absent) => "not created",
        Some(MachineState::Stopped) => "stopped",
        Some(MachineState::Starting) => "starting",
        Some(MachineState::Running) => "running",
        Some(MachineState::Paused) => "paused",
    };
    format!("{} · {words}", untrusted::sentence(name, LONGEST_NAME))
}

/// What the tray's icon says when the mouse rests on it.
fn tooltip(states: &States) -> String {
    match states.iter().collect::<Vec<_>>()[..] {
        [] => "Vivarium".into(),
        [(name, state)] => label(name, *state),
        ref all => {
            let running = all
                .iter()
                .filter(|(_, state)| state.is_some_and(is_running));
            format!("{} of {} machines running", running.count(), all.len())
        }
    }
}

fn is_running(state: MachineState) -> bool {
    matches!(
        state,
        MachineState::Starting | MachineState::Running | MachineState::Paused
    )
}

impl<R: Runtime> Tray<R> {
    /// Shows a machine's state. A tray that can't be changed is not worth a failure.
    pub fn show(&self, machine: &str, state: MachineState) {
        self.change(|states| {
            states.insert(machine.to_owned(), Some(state));
        });
    }

    /// Shows these machines and no others.
    pub fn list(&self, machines: &MachineList) {
        self.change(|states| {
            let before = std::mem::take(states);
            for MachineEntry { name } in &machines.machines {
                let state = before.get(name).copied().flatten();
                states.insert(name.clone(), state);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut States)) {
        let mut states = self.states.lock();
        let before = states.clone();
        change(&mut states);
        if *states == before {
            return;
        }
        let app = self.icon.app_handle();
        if let Ok(menu) = menu(app, &states) {
            let _ = self.icon.set_menu(Some(menu));
        }
        let _ = self.icon.set_tooltip(Some(tooltip(&states)));
        let any = |wanted| states.values().any(|state| *state == Some(wanted));
        let state = [MachineState::Starting, MachineState::Running];
        let _ = self.icon.set_icon(Some(picture(
            app,
            state.into_iter().find(|state| any(*state)),
        )));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_tells_of_the_only_machine_or_counts_them() {
        let mut states = States::new();
        assert_eq!(tooltip(&states), "Vivarium");
        states.insert("os-host".into(), Some(MachineState::Running));
        assert_eq!(tooltip(&states), "os-host · running");
        states.insert("work".into(), None);
        assert_eq!(tooltip(&states), "1 of 2 machines running");
        assert_eq!(label("a\u{1b}b", None), "a␛b · not created");
    }
}
