//! What [`Agents::start`](crate::Agents::start) needs.

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use containers::EngineChoice;

/// What agents need of this computer.
#[derive(Clone, Debug)]
pub struct Options {
    /// At which container engine.
    pub engine: EngineChoice,
    /// Keeps two installations at one engine apart.
    pub instance: Option<String>,
    /// The program that becomes the first process of their containers.
    pub init_binary: PathBuf,
    /// Folders whose insides may be worked on in place.
    pub workspaces: Vec<PathBuf>,
    /// Where the values of keys come from.
    pub keys: Arc<dyn KeySource>,
}

/// Where the values of keys come from. They are asked for whenever a tool starts, and kept nowhere.
pub trait KeySource: Send + Sync + Debug {
    /// The value of the key with this name; `None` if there is none.
    fn value(&self, name: &str) -> Option<String>;
}

/// Has no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn value(&self, _name: &str) -> Option<String> {
        None
    }
}
