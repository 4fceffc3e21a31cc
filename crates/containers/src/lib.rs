//! The only user of bollard: a container engine (Docker or Podman) as this
//! workspace needs it, with our own types and errors. What a machine is,
//! `lifecycle` knows.
//!
//! Start reading at [`Engine`] in `connect`; what it can do is an `impl` beside each subject.
//!
//! - `connect`: reaching an engine: its address, Docker's contexts, ssh
//! - `spec`, `container`, `blueprint`: a container that is asked for, one that is there, another like it
//! - `listed`, `pause`, `usage`, `logs`, `events`: containers by labels, frozen, what they use, wrote, did
//! - `exec`, `attach`, `archive`: commands in them, their stdin and stdout, files into them
//! - `image`, `build`, `progress`: images, and how a build goes on
//! - `resource`, `features`: networks and volumes, and what not every engine can do
//! - `error`, `time`: what goes wrong, and the engine's times

mod archive;
mod attach;
mod blueprint;
mod build;
mod connect;
mod container;
mod error;
mod events;
mod exec;
mod features;
mod image;
mod listed;
mod logs;
mod pause;
mod progress;
mod resource;
mod spec;
mod time;
mod usage;

pub use attach::Stdio;
pub use blueprint::Blueprint;
pub use build::{BuildRequest, Built};
pub use connect::{Engine, EngineChoice};
pub use container::{Container, ContainerState};
pub use error::EngineError;
pub use events::{ContainerAction, EngineEvent};
pub use exec::{EXEC_BYTES, ExecOutput};
pub use features::EngineFeatures;
pub use image::{Image, LooseImage};
pub use listed::{ListedContainer, ListedState};
pub use logs::LogRange;
pub use resource::NetworkSpec;
pub use spec::{Bind, ContainerSpec, Limits, Logging, PublishedPort, Restarts};
/// Cancels a build or a pull.
pub use tokio_util::sync::CancellationToken;
pub use usage::Usage;
