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
    /// Which folders agents may be given.
    pub workspaces: Arc<dyn AllowedFolders>,
    /// Where what agents made is kept, in a folder of ours for each.
    pub work_folder: PathBuf,
    /// Where the values of keys come from.
    pub keys: Arc<dyn KeySource>,
}

/// Which folders of this computer agents may be given, and all that is inside them. They are asked for
/// whenever one is.
pub trait AllowedFolders: Send + Sync + Debug {
    /// Absolute paths.
    fn folders(&self) -> Vec<PathBuf>;
}

impl AllowedFolders for Vec<PathBuf> {
    fn folders(&self) -> Vec<PathBuf> {
        self.clone()
    }
}

/// Where the values of keys come from. They are asked for whenever a tool starts, and kept nowhere.
pub trait KeySource: Send + Sync + Debug {
    /// The value of the key with this name; `None` if there is none. It may block.
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
