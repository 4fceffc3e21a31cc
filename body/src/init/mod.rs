//! PID 1: a process table without policy. It starts, signals, lists and reaps
//! services at the supervisor's word, and keeps the supervisor alive. Single
//! threaded: one poll loop over signals and the socket.
//!
//! - `setup`, `given`: what is done as root, and what the machine is given
//! - `certificates`: those of a network that inspects TLS
//! - `table`, `tree`, `spawn`, `connection`: services, all their processes, and the supervisor's requests
//! - `room`: room for a supervisor at the machine's limit of processes

mod certificates;
mod connection;
mod given;
mod room;
mod setup;
mod spawn;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::{
    os::{
        fd::AsFd,
        unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    },
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};
use wire::table::TableAnswer;

pub use self::tree::MARK;
use self::{connection::Connection, given::Given, room::Failures, table::Table};

/// How long everything has to end after a TERM, before it is killed.
const GRACE: Duration = Duration::from_secs(8);
const RESPAWN: Duration = Duration::from_millis(200);

/// Runs as PID 1 until it is told to end.
pub fn run() -> ExitCode {
    match setup::prepare().and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("body init: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `body init home`: in a container of its own, before a machine that begins without root.
pub fn home() -> ExitCode {
    match setup::home() {
        Ok(users) => {
            print!("{users}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("body init home: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(given: Given) -> std::io::Result<()> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;

    let path = crate::paths::init_socket();
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;

    let mut table = Table::new(given.clone());
    let mut connections: Vec<Connection> = Vec::new();
    let mut supervisor = Some(start_supervisor(&given)?);
    let (mut started_at, mut failures) = (Instant::now(), Failures::default());
    let mut respawn_at: Option<Instant> = None;
    let mut stop_by: Option<Instant> = None;

    loop {
        wait(&signals, &listener, &connections, respawn_at.or(stop_by));

        while let Ok(Some(signal)) = signals.read_signal() {
            if i32::try_from(signal.ssi_signo).is_ok_and(|number| number != Signal::SIGCHLD as i32)
                && stop_by.is_none()
            {
                stop_by = Some(Instant::now() + GRACE);
                table.stopping();
                respawn_at = None;
                if let Some(pid) = supervisor {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                }
            }
        }
        for (pid, code) in table::reap() {
            if supervisor == Some(pid) {
                supervisor = None;
                if stop_by.is_none() {
                    eprintln!("body init: the supervisor exited with code {code}; restarting it");
                    if failures.count(Some(started_at.elapsed())) {
                        room::make();
                    }
                    respawn_at = Some(Instant::now() + RESPAWN);
                }
            } else if let Some(service) = table.ended(pid, code) {
                let line = TableAnswer::Exited { service };
                connections.retain_mut(|connection| connection.tell(&line).is_ok());
            }
        }
        if respawn_at.is_some_and(|at| at <= Instant::now()) {
            // At the limit of processes there is none to be had now.
            started_at = Instant::now();
            (supervisor, respawn_at) = match start_supervisor(&given) {
                Ok(pid) => (Some(pid), None),
                Err(error) => {
                    eprintln!("body init: could not start the supervisor yet: {error}");
                    if failures.count(None) {
                        room::make();
                    }
                    (None, Some(Instant::now() + RESPAWN))
                }
            };
        }
        accept(&listener, &mut connections);
        connections.retain_mut(|connection| connection.serve(&mut table).is_ok());

        if let Some(deadline) = stop_by
            && (supervisor.is_none() || deadline <= Instant::now())
        {
            table.end_all(deadline);
            let _ = std::fs::remove_file(&path);
            return Ok(());
        }
    }
}

fn wait(
    signals: &SignalFd,
    listener: &UnixListener,
    connections: &[Connection],
    until: Option<Instant>,
) {
    let mut fds = vec![
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        PollFd::new(listener.as_fd(), PollFlags::POLLIN),
    ];
    fds.extend(connections.iter().map(|connection| {
        let (stream, flags) = connection.interest();
        PollFd::new(stream, flags)
    }));
    let timeout = until.map_or(PollTimeout::NONE, |at| {
        let left = at.saturating_duration_since(Instant::now()).as_millis() + 1;
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    // An interrupted poll is looked at again by the loop.
    let _ = poll(&mut fds, timeout);
}

fn start_supervisor(given: &Given) -> std::io::Result<i32> {
    // Not by its path: what lies there may be another by now, or nothing.
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command
        .arg("supervise")
        .envs(setup::identity())
        .stdin(Stdio::null());
    given.hand_to(&mut command);
    i32::try_from(spawn::spawn(&mut command)?.id()).map_err(std::io::Error::other)
}

fn accept(listener: &UnixListener, connections: &mut Vec<Connection>) {
    while let Ok((stream, _)) = listener.accept() {
        connections.extend(Connection::new(stream));
    }
}
