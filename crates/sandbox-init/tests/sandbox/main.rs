//! The real program, spoken to over pipes as the engine connects them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod archives;
mod client;
mod conversations;
mod execs;
mod files;
mod first;
mod hostile;
mod joins;
mod terminals;
mod transfers;
mod weigh;
