//! What the first process does to itself before it starts another: nothing in the sandbox may
//! reach the frames, look into it or end it.

use std::{
    fs::OpenOptions,
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, getpid},
};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd},
};

use crate::{first, sockets};

/// Descriptors from here on are ours alone.
const FIRST_OWN: i32 = 3;

/// What the loop waits on.
pub struct Descriptors {
    pub input: OwnedFd,
    pub output: OwnedFd,
    pub signals: SignalFd,
    /// Whether all other processes that can be seen are the sandbox's, but for PID 1.
    pub alone: bool,
}

/// Takes the frames' pipes away from where children would inherit them, and closes us to others.
pub fn begin() -> io::Result<Descriptors> {
    let alone = getpid().as_raw() == 1;
    if alone {
        sockets::restrict()?;
        first::split()?;
    }
    // While this process may open what is its own.
    processes::outlive_programs()?;
    close_to_others()?;
    // Orphans come to us, as they would to PID 1.
    prctl::set_child_subreaper(true)?;
    keep_from_children()?;
    let input = fcntl_dupfd_cloexec(io::stdin(), FIRST_OWN)?;
    let output = fcntl_dupfd_cloexec(io::stdout(), FIRST_OWN)?;
    let nothing = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    if rustix::io::fcntl_getfd(io::stderr()).is_err() {
        dup2_stderr(&nothing)?;
    }
    for pipe in [&input, &output] {
        set_nonblocking(pipe)?;
    }
    Ok(Descriptors {
        input,
        output,
        signals: signals(SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?,
        alone,
    })
}

/// Before any program is started: our folder of `/proc` (`fd`, `environ`, `mem`) and ptrace are then for who may
/// trace everything, which nobody in a sandbox may.
pub fn close_to_others() -> io::Result<()> {
    Ok(prctl::set_dumpable(false)?)
}

/// Reads and writes of it never wait.
pub fn set_nonblocking(pipe: impl AsFd) -> rustix::io::Result<()> {
    let flags = fcntl_getfl(&pipe)?;
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)
}

/// Whatever the container's runtime left open is for nobody.
pub fn keep_from_children() -> io::Result<()> {
    let entries = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries,
        // There is no /proc: then nobody can have been left anything by its name either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number >= FIRST_OWN)
        .collect();
    for number in numbers {
        close_on_exec(number);
    }
    Ok(())
}

#[allow(unsafe_code)]
fn close_on_exec(number: i32) {
    // SAFETY: nothing is closed, and a number that isn't open any more (that of the folder that was
    // read) only gives an error.
    let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    if let Ok(flags) = fcntl_getfd(descriptor) {
        let _ = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC);
    }
}

/// Blocks the signals that are heard here, which can be read from then on.
pub fn signals(flags: SfdFlags) -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, flags)
}
