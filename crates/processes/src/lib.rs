//! Processes as the first process of a container has them: each in a session of its own, on pipes
//! or on a terminal, ended with all that it started, and reaped with whatever was orphaned. Nothing
//! here blocks or starts a thread, so that it works at a container's limit of processes; whoever
//! uses it owns the loop.
//!
//! Start with [`Program::spawn`]. Whoever calls [`reap()`] does so in the thread that spawns: the
//! standard library waits itself for a child that couldn't execute its program, and panics if
//! somebody else has reaped it.

#![cfg(target_os = "linux")]

mod outlive;
mod program;
mod reap;
mod session;
mod terminal;

pub use nix::{sys::signal::Signal, unistd::Pid};
pub use outlive::outlive_programs;
pub use program::{Channels, Process, Program, SpawnError, Stdio};
pub use reap::{Status, reap};
pub use session::{end, living, signal};
pub use terminal::{Size, Terminal};
