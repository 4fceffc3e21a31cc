//! The app's own settings.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// How the app looks and behaves; the machine's own settings are its spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(default)]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: Theme,
    /// Closing the window leaves the app in the tray.
    pub close_to_tray: bool,
    /// A notification when something long ends or fails while the window is not in front.
    pub notify: bool,
    /// Whether sandboxes are turned on when the window opens.
    pub serve_sandboxes: bool,
    /// The container engine: an address (`unix://`, `tcp://`, `ssh://`), or the name of one of
    /// Docker's contexts. Where there is none, it is found by itself.
    pub engine: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            close_to_tray: false,
            notify: true,
            serve_sandboxes: false,
            engine: None,
        }
    }
}

/// Colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system is.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SettingsState {
    /// In force.
    pub settings: Settings,
    /// What was wrong with the file, until they are written again.
    pub trouble: Option<Failure>,
}
