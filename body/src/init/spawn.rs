//! Starting a child of PID 1 with a clean signal mask.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command},
};

use nix::sys::signal::SigSet;

/// Spawns with no signal blocked: PID 1 blocks those that it reads from its
/// signalfd, and a child inherits the mask.
#[allow(unsafe_code)]
pub fn spawn(command: &mut Command) -> std::io::Result<Child> {
    // SAFETY: between fork and exec the closure makes one system call, sigprocmask,
    // which is async-signal-safe, and touches no memory of the parent's.
    unsafe { command.pre_exec(|| SigSet::all().thread_unblock().map_err(std::io::Error::from)) };
    command.spawn()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sys::signal::{SigSet, Signal};

    #[test]
    fn a_child_has_no_signal_blocked() {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTERM);
        mask.thread_block().unwrap();
        let mut command = Command::new("grep");
        command
            .args(["SigBlk", "/proc/self/status"])
            .stdout(std::process::Stdio::piped());
        let output = super::spawn(&mut command)
            .unwrap()
            .wait_with_output()
            .unwrap();
        mask.thread_unblock().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            "SigBlk:\t0000000000000000"
        );
    }
}
