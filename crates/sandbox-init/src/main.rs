//! The first process of a sandbox. It is spoken to in frames over its standard input and output:
//! it starts processes, reads and writes files, packs the writable folders, and reaps what is
//! orphaned.
//!
//! PID 1 only waits for its child ([`first`]), which is one thread with one loop ([`sandbox`]) that waits
//! for nothing else: so it works at the sandbox's limit of processes, and is as small as it can be. A
//! [`stream`](streams) is an exec or a [`task`], with a [`channel`] for its data; what is to be sent lies
//! in the [`outbox`].
//!
//! Its input never ends while the engine lives, whether a host is attached or not. If it does end,
//! nobody can attach any more: all processes are asked to end, and it ends with them.
//!
//! ```text
//! sandbox-init [--root FOLDER]…
//! sandbox-init join SOCKET
//! sandbox-init agent [--state FOLDER] [--run FOLDER]
//! sandbox-init hook [--wait] [--socket PATH] [EVENT]
//! sandbox-init tool FOLDER
//! ```
//!
//! The folders are those that files may be read and written in; the first one is where execs start.
//! The second form is no first process: an exec that [`join`]s a socket with its own stdio. The others
//! are an agent's: its first process ([`agent`]), what its tool runs as a [`hook`], and what starts the
//! [`tool`] in its terminal. In its container the first form is an exec, which ends with its host.

#![cfg(target_os = "linux")]

mod agent;
mod archive;
mod channel;
mod conversation;
mod exec;
mod files;
mod first;
mod hook;
mod join;
mod outbox;
mod refusal;
mod sandbox;
mod setup;
mod sockets;
mod streams;
mod task;
mod tool;
mod usage;

use std::{ffi::OsString, os::unix::ffi::OsStringExt, process::ExitCode};

use files::Roots;

/// Folders that may be written, if the command line names none.
const ROOTS: [&str; 4] = ["/home/sandboxuser", "/home/user", "/workspace", "/tmp"];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match &arguments[..] {
        [word, socket] if word == "join" => join::join(socket),
        [word, rest @ ..] if word == "agent" => agent::agent(rest),
        [word, rest @ ..] if word == "hook" => {
            // Its output is the tool's to read, and a failure would be the tool's too.
            if let Err(error) = hook::hook(rest) {
                eprintln!("sandbox-init hook: {error}");
            }
            Ok(())
        }
        [word, folder] if word == "tool" => match tool::tool(folder) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        _ => match roots(arguments.into_iter()) {
            Some(roots) => setup::begin().and_then(|own| sandbox::run(own, roots)),
            None => {
                eprintln!(
                    "usage: sandbox-init [--root FOLDER]… | join SOCKET | agent | hook | tool FOLDER"
                );
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox-init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn roots(mut arguments: impl Iterator<Item = OsString>) -> Option<Roots> {
    let mut paths = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument != "--root" {
            return None;
        }
        paths.push(arguments.next()?.into_vec());
    }
    if paths.is_empty() {
        paths.extend(ROOTS.map(|root| root.as_bytes().to_vec()));
    }
    Some(Roots::new(&paths))
}
