//! The only user of bollard: a container engine (Docker or Podman) as this
//! workspace needs it, with our own types and errors. What a machine is,
//! `lifecycle` knows.

mod blueprint;
mod build;
mod connect;
mod container;
mod error;
mod events;
mod exec;
mod image;
mod logs;
mod progress;
mod resource;
mod spec;
mod time;
mod usage;

pub use blueprint::Blueprint;
pub use build::{BuildRequest, Built};
pub use connect::{Engine, EngineChoice};
pub use container::{Container, ContainerState};
pub use error::EngineError;
pub use events::{ContainerAction, EngineEvent};
pub use exec::{EXEC_BYTES, ExecOutput};
pub use image::{Image, LooseImage};
pub use spec::{Bind, ContainerSpec, Limits, PublishedPort, Restarts};
/// Cancels a build or a pull.
pub use tokio_util::sync::CancellationToken;
pub use usage::Usage;
