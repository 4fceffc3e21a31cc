//! What a service is: declared once, with how it is known to be ready.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

/// How a service is known to be ready.
#[derive(Clone, Debug)]
pub enum Probe {
    /// It runs.
    Running,
    /// Somebody listens at this Unix socket.
    Socket(PathBuf),
}

/// A service of the machine.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: &'static str,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Started only once this one is ready.
    pub after: Option<&'static str>,
    pub probe: Probe,
}

/// Where a service stands, as `GET /services` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ServiceState {
    Waiting,
    Starting { pid: i32, since_ms: u64 },
    Ready { pid: i32, since_ms: u64 },
    Backoff { last_exit: i32, retry_in_ms: u64 },
}

/// A service's line in `GET /services`.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceStatus {
    pub name: &'static str,
    #[serde(flatten)]
    pub state: ServiceState,
    pub restarts: u64,
    pub last_exit: Option<i32>,
}
