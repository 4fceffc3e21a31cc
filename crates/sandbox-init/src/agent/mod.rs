//! `sandbox-init agent [--state FOLDER] [--run FOLDER]`: the first process of an agent's container. It keeps
//! the terminal, a tmux session, in which the agent's tool runs; hears on a socket what the tool's hooks
//! tell and what the host asks for; and says to the host where the agent stands.
//!
//! - `helper`: the loop, and what is done about what is heard
//! - `connections`: who is connected, and lines from and to them
//! - `terminal`: tmux
//! - `files`: what is kept in the agent's volume, and what lies in memory
//! - `lifecycle`: lines for `docker logs`
//!
//! It speaks no frames: the host comes in by an exec of this program, which does, and which ends with the
//! connection, as a person's viewers should. What is said here may come from any process in the container.
//! All of it is bounded, and none of it reaches anything outside the container.

mod connections;
mod files;
mod helper;
mod lifecycle;
mod terminal;

use std::{ffi::OsString, io, path::PathBuf, process::exit};

use nix::{
    sys::{prctl, signalfd::SfdFlags},
    unistd::getpid,
};

use crate::{setup, sockets};

/// In memory: the socket, what runs, and keys until the tool has them.
const RUN_FOLDER: &str = "/dev/shm/vivarium";
/// In the agent's volume: what is to run, where it stands, what its hooks told.
const STATE_FOLDER: &str = "/home/agent/.vivarium";
/// The socket's usual place.
pub const SOCKET: &str = "/dev/shm/vivarium/agent.sock";
/// The socket's name.
pub const SOCKET_NAME: &str = "agent.sock";
/// Name of the file that says what runs.
pub const RUN_FILE: &str = "run.json";
/// Name of the file with the keys.
pub const KEYS_FILE: &str = "keys.json";

/// Runs until the tool has ended, or it is asked to stop.
pub fn agent(arguments: &[OsString]) -> io::Result<()> {
    let (mut state, mut run) = (PathBuf::from(STATE_FOLDER), PathBuf::from(RUN_FOLDER));
    for pair in arguments.chunks(2) {
        match pair {
            [word, folder] if word == "--state" => state = folder.into(),
            [word, folder] if word == "--run" => run = folder.into(),
            _ => {
                return Err(io::Error::other(
                    "usage: sandbox-init agent [--state FOLDER] [--run FOLDER]",
                ));
            }
        }
    }
    let alone = getpid().as_raw() == 1;
    if alone {
        sockets::restrict()?;
    }
    // While this process may open what is its own.
    processes::outlive_programs()?;
    setup::close_to_others()?;
    prctl::set_child_subreaper(true)?;
    setup::keep_from_children()?;
    // A log that is full holds nobody up.
    setup::set_nonblocking(io::stdout())?;
    let signals = setup::signals(SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let files = files::Files::open(state, run)?;
    let code = helper::Helper::new(signals, alone, files)?.run()?;
    exit(code)
}
