//! E2B's protocol over the same sandboxes, so that its clients work unchanged: three variables lead
//! them here, and no sandbox code is written twice. `control` makes and ends sandboxes; `envd` is what
//! runs inside theirs (processes, files), `interpreter` their code interpreter. These two are told
//! from all other routes of the port by the header `E2b-Sandbox-Id` ([`mod@dispatch`]).
//!
//! - `dispatch`, `keys`: which requests are for a sandbox, and what lets in
//! - `control`, `new_sandbox`, `listing`: making, finding and ending sandboxes
//! - `process`, `process_events`, `selector`: commands and terminals
//! - `filesystem`, `files`, `entries`, `watchers`, `uploads`, `gzip`, `paths`: files
//! - `interpreter`, `outputs`: code
//! - `connect`, `keepalive`, `gone`: the protocol itself, and a sandbox that isn't there

mod connect;
mod control;
mod dispatch;
mod entries;
mod files;
mod filesystem;
mod gone;
mod gzip;
mod interpreter;
mod keepalive;
mod keys;
mod listing;
mod new_sandbox;
mod outputs;
mod paths;
mod process;
mod process_events;
mod selector;
#[cfg(test)]
pub(crate) mod tests;
mod uploads;
mod watchers;

use std::sync::Arc;

pub(crate) use control::routes as control;
pub(crate) use dispatch::{Dispatch, dispatch};
use keys::Keys;
use selector::Tags;
use watchers::Watchers;

use crate::{sandboxes::Service, serve::Access};

/// What these clients believe to speak to. It switches features of them on, so it says no more than
/// what is there: 0.4 a default user, 0.5.2 `CloseStdin`, 0.5.7 uploads as octet-stream; 0.6.2 would be
/// metadata of files.
pub(crate) const ENVD_VERSION: &str = "0.5.7";
/// Port of processes and files.
const ENVD_PORT: u16 = 49983;
/// Port of the code interpreter.
const INTERPRETER_PORT: u16 = 49999;
/// Where these clients believe to be at home.
const HOME: &str = "/home/user";
/// The user by whose name they go.
const USER: &str = "user";

/// What the facade works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Facade(Arc<Inner>);

struct Inner {
    service: Service,
    access: Arc<Access>,
    keys: Keys,
    tags: Tags,
    watchers: Watchers,
    /// Held while a sandbox's first context is made.
    making_context: tokio::sync::Mutex<()>,
}

impl Facade {
    pub(crate) fn new(service: Service, access: Arc<Access>) -> Self {
        let keys = Keys::new(service.key());
        Self(Arc::new(Inner {
            service,
            access,
            keys,
            tags: Tags::default(),
            watchers: Watchers::default(),
            making_context: tokio::sync::Mutex::default(),
        }))
    }
}
