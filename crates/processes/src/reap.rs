//! Reaping: of those that were spawned here, and of orphans, which the kernel gives to PID 1 or to
//! a subreaper.

use nix::unistd::Pid;
use rustix::process::{WaitOptions, WaitStatus, wait};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It returned this.
    Exited(i32),
    /// This signal ended it. It may be a real-time signal, which has no name.
    Signaled(i32),
}

/// Reaps every child that has ended, and tells who it was. It never waits: it is for a loop that
/// hears of SIGCHLD.
pub fn reap(mut ended: impl FnMut(Pid, Status)) {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(status) = read(status) {
                    ended(Pid::from_raw(pid.as_raw_nonzero().get()), status);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            // None has ended, or there is none.
            Ok(None) | Err(_) => return,
        }
    }
}

fn read(status: WaitStatus) -> Option<Status> {
    status
        .exit_status()
        .map(Status::Exited)
        .or_else(|| status.terminating_signal().map(Status::Signaled))
}
