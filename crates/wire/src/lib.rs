//! What crosses a boundary: host ↔ container and app ↔ UI.
//!
//! Types, and how they are read. Nothing here opens files or connections; every type is `serde` and, behind the
//! feature `ts`, exported to `ui/src/wire`; behind `schema` those of the machine's
//! API describe themselves in JSON Schema.
//!
//! Start reading at `commands` and `stream`, between the app and its faces, and at `routes`, between the
//! host and a machine.
//!
//! - `commands`, `command_scopes`, `sandbox_commands`, `inspector`: commands, what a token needs for them
//! - `stream`, `job`, `log`: events, long work, and lines of logs
//! - `failure`, `advice`, `error_code`: what failed, what to do next, and why a machine refused
//! - `machine`, `machines`, `settings`, `secrets`, `tokens`: what a person sees and chooses
//! - `routes`, `body`, `kernel`, `nbformat`, `mcp`, `evolve`: a machine's API, its cells, outputs, servers, runs
//! - `sandbox`, `sandbox_call`: sandboxes over HTTP, and for a machine's programs
//! - `task`: tasks, their queues, workers and schedules
//! - `agent`: AI coding tools in containers of their own
//! - `table`: what the supervisor and PID 1 say to each other

/// Declares types that cross the boundary, with what every one of them derives.
macro_rules! wire {
    ($($(#[$meta:meta])* pub $kind:ident $name:ident $body:tt)*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        $(#[$meta])*
        pub $kind $name $body
    )*};
}

pub mod advice;
pub mod agent;
pub mod body;
pub mod command_scopes;
pub mod commands;
pub mod error_code;
pub mod evolve;
pub mod failure;
pub mod inspector;
pub mod job;
pub mod kernel;
pub mod log;
pub mod machine;
pub mod machines;
pub mod mcp;
pub mod nbformat;
pub mod routes;
pub mod sandbox;
pub mod sandbox_call;
pub mod sandbox_commands;
pub mod secrets;
pub mod settings;
pub mod stream;
pub mod table;
pub mod task;
pub mod tokens;

/// Version of this workspace. App and body tell each other theirs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
