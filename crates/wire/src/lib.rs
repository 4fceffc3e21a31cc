//! What crosses a boundary: host ↔ container and app ↔ UI.
//!
//! Types only. Nothing here does I/O; every type is `serde` and, behind the
//! feature `ts`, exported to `ui/src/wire`; behind `schema` those of the machine's
//! API describe themselves in JSON Schema.

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

pub mod body;
pub mod command_scopes;
pub mod commands;
pub mod error_code;
pub mod evolve;
pub mod failure;
pub mod inspector;
pub mod kernel;
pub mod machine;
pub mod machines;
pub mod mcp;
pub mod secrets;
pub mod settings;
pub mod stream;
pub mod table;
pub mod tokens;

/// Version of this workspace. App and body tell each other theirs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
