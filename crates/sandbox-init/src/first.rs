//! PID 1 itself, which only waits: the loop is its child.
//!
//! The loop reads pipes that processes of the sandbox write into, and one of them can make such a read
//! wait uninterruptibly, for as long as it likes: `splice` from a socket holds the pipe's lock until the
//! socket has something. Nothing, `SIGKILL` included, ends a process that waits so, and a container whose
//! PID 1 does can't be removed. This process reads nothing, so that it always can be killed; all others
//! of the container are killed with it, which also ends that wait.

use std::{fs::OpenOptions, io, os::fd::AsFd, process::exit};

use frames::KILLED_STATUS;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, fork},
};

use crate::setup;

/// Goes on as a child of PID 1, which waits for it and ends with it. Nothing else runs yet, so both may
/// close themselves to others after that.
#[allow(unsafe_code)]
pub fn split() -> io::Result<()> {
    // Blocked before there is a child, whose end is then never missed.
    let signals = setup::signals(SfdFlags::SFD_CLOEXEC)?;
    // SAFETY: the process has this one thread.
    match unsafe { fork() }? {
        ForkResult::Child => Ok(()),
        ForkResult::Parent { child } => {
            setup::close_to_others()?;
            exit(wait(child, &signals))
        }
    }
}

/// Waits for the loop; the exit code that it ends with, or what says that it was killed.
fn wait(child: Pid, signals: &SignalFd) -> i32 {
    // The engine hears of the loop's end by its ends of the pipes.
    if let Ok(nothing) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = dup2_stdin(nothing.as_fd());
        let _ = dup2_stdout(nothing.as_fd());
    }
    loop {
        match signals.read_signal() {
            // From outside: who is in here has a number.
            Ok(Some(signal)) if signal.ssi_pid == 0 && is_request(signal.ssi_signo) => {
                let _ = kill(child, Signal::SIGTERM);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 1,
        }
        if let Some(code) = reap(child) {
            return code;
        }
    }
}

fn is_request(number: u32) -> bool {
    [Signal::SIGTERM, Signal::SIGINT]
        .iter()
        .any(|signal| *signal as u32 == number)
}

/// Reaps whoever ended; the loop's exit code if it did. It isn't let stop.
fn reap(child: Pid) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Some(code),
            Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, _)) if pid == child => {
                return Some(KILLED_STATUS);
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Some(128 + signal as i32);
            }
            Ok(WaitStatus::Stopped(pid, _)) if pid == child => {
                let _ = kill(child, Signal::SIGCONT);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
