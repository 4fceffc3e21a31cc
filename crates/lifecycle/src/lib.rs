//! A machine's image and container: its spec, build context, start, health and end; and `evolve`, by
//! which it is rebuilt and replaced. The app and `body-evolve` use it.
//!
//! Start reading at `machine`, then at `start_stop`.
//!
//! - `machine`, `machines`, `spec`: a machine, all of an instance, and what their owner chose
//! - `plan`, `difference`, `seccomp`, `warnings`: from a spec to a container, and what it gives away
//! - `start_stop`, `recreate`, `readiness`, `init_home`, `lock`: how a machine comes and goes
//! - `build`, `context`, `prune`, `sandbox_image`: images
//! - `evolve`, `repo`, `history`: how a machine is rebuilt from its repo, and the repo's history
//! - `self_container`: a machine seen from inside, which evolves itself
//! - `ports`, `found_ports`, `usage`, `watch`: what a machine has of this computer, and what changes
//! - `paths`, `private`, `atomic_file`, `nesting`: where its files are, and who may reach them
//! - `error`, `plural`: what goes wrong, and numbers in sentences

pub mod atomic_file;
mod build;
pub mod context;
mod difference;
mod error;
mod evolve;
mod found_ports;
pub mod history;
mod init_home;
mod lock;
mod machine;
mod machines;
mod nesting;
mod paths;
mod plan;
mod plural;
mod ports;
mod private;
mod prune;
mod readiness;
mod recreate;
mod repo;
mod sandbox_image;
mod seccomp;
mod self_container;
mod spec;
mod start_stop;
mod usage;
mod warnings;
mod watch;

pub use containers::{CancellationToken, Engine, EngineChoice, EngineError, LogRange, Usage};
pub use difference::Difference;
pub use error::LifecycleError;
pub use evolve::{
    FAILPOINTS, OnRunEvent, RESTARTER_FAILPOINTS, Reporter, RunEvent, RunRequest, RunWork,
    asked_run, now_ms,
};
pub use history::HistoryError;
pub use machine::{Machine, MachineOptions, OnProgress, Published};
pub use machines::{Machines, NewMachine};
pub use paths::Paths;
pub use ports::port_holder;
pub use recreate::UpOptions;
pub use sandbox_image::SandboxImage;
pub use spec::{Executor, MountSpec, Profile, SandboxesSpec, Spec, SpecError};
pub use start_stop::suits;
pub use watch::Change;
