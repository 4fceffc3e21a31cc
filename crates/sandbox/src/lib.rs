//! Sandboxes: containers for untrusted code, which wait started in a pool and are spoken to in frames
//! over their stdio. Start reading at `sandboxes`.
//!
//! - `sandboxes`: what callers can do; `settings`, `owner`, `error` are its words
//! - `keeper`: all of them, and the tasks behind: pool, sweeps, end times, connections
//! - `sandbox`: one of them; `record` and `seat` are what is on disk
//! - `exec`, `files`, `code`: what the conversation with one is about, which `init-client` carries
//! - `shape`, `container`, `disk`, `launch`, `pool`: from a request to a container that runs

mod clock;
mod code;
mod container;
mod disk;
mod error;
mod exec;
mod files;
mod keeper;
mod launch;
mod owner;
mod pool;
mod pressure;
mod record;
mod sandbox;
mod sandboxes;
mod seat;
mod settings;
mod shape;
mod start_exec;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use code::{CodeEnd, CodeEvent, CodeRun};
pub use error::{FileErrorKind, SandboxError};
pub use exec::{Exec, ExecEvent, ExecEventKind, Exit, Unseen};
pub use files::{ByteStream, Files};
pub use owner::Owner;
pub use sandboxes::{Health, Sandboxes};
pub use settings::{Options, PoolSize, Settings};
