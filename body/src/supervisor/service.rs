//! What a service is: declared once, with how it is known to be ready and how it ends.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

/// How a service is known to be ready.
#[derive(Clone, Debug)]
pub enum Probe {
    /// It runs.
    Running,
    /// An X server greets at this Unix socket.
    Display(PathBuf),
}

/// A service of the machine.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Secrets that it gets in its environment, as they are when it starts.
    pub secrets: fn() -> Vec<(String, String)>,
    /// Started only once these are ready.
    pub after: Vec<&'static str>,
    pub probe: Probe,
    /// Whether the supervisor checks if it responds, and restarts it if it doesn't. Kernels check
    /// themselves (`kernel::silence`), and only a person restarts them.
    pub is_watched: bool,
    /// What an earlier life may have left, and would stop this one.
    pub leftovers: Vec<PathBuf>,
    /// Asks it to end.
    pub stop_signal: Signal,
    /// How long it has to, before it is killed.
    pub grace: Duration,
    /// Whether what it started in its process group ends with it; not where that is what the person
    /// opened.
    pub takes_group: bool,
    /// Whether all that it started ends with it, also what left its process group.
    pub takes_all: bool,
}

impl Service {
    /// One that needs nothing, is ready as soon as it runs, and ends at a TERM.
    pub fn new(name: impl Into<String>, argv: Vec<String>) -> Self {
        Self {
            name: name.into(),
            argv,
            env: BTreeMap::new(),
            secrets: Vec::new,
            after: Vec::new(),
            probe: Probe::Running,
            is_watched: true,
            leftovers: Vec::new(),
            stop_signal: Signal::SIGTERM,
            grace: Duration::from_secs(3),
            takes_group: true,
            takes_all: false,
        }
    }
}
