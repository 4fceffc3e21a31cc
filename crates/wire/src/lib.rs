//! What crosses a boundary: host ↔ container and app ↔ UI.
//!
//! Types only. Nothing here does I/O; every type is `serde` and, behind the
//! feature `ts`, exported to `ui/src/wire`; behind `schema` those of the machine's
//! API describe themselves in JSON Schema.

pub mod body;
pub mod commands;
pub mod failure;
pub mod kernel;
pub mod machine;
pub mod settings;
pub mod stream;
pub mod table;

/// Version of this workspace. App and body tell each other theirs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
