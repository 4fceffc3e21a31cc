//! A machine's image and container: its spec, build context, start, health and
//! end; and `evolve`, by which it is rebuilt and replaced. Used by the host's engine.

mod build;
pub mod context;
mod difference;
mod error;
mod evolve;
mod found_ports;
mod handover;
mod history;
mod life;
mod machine;
mod machines;
mod nesting;
mod paths;
mod plan;
mod plural;
mod ports;
mod private;
mod prune;
mod recreate;
mod repo;
mod seat;
mod seccomp;
mod spec;
mod usage;
mod warnings;
mod watch;

pub use containers::{CancellationToken, Engine, EngineChoice, EngineError, Usage};
pub use difference::Difference;
pub use error::LifecycleError;
pub use evolve::{
    FAILPOINTS, Hear, Order, RESTARTER_FAILPOINTS, Reporter, Told, What, asked_run, now_ms,
};
pub use history::HistoryError;
pub use life::suits;
pub use machine::{Machine, MachineOptions, Published, Tell};
pub use machines::{Machines, NewMachine};
pub use paths::Paths;
pub use ports::port_holder;
pub use recreate::UpOptions;
pub use spec::{Executor, MountSpec, Profile, Spec, SpecError};
pub use watch::Change;
