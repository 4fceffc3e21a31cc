//! All processes of a session: found in `/proc`, since some of them may have left their group.

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// Sends a signal to a process group, or to its leader alone. One that has ended is no error.
pub fn signal(leader: Pid, signal: Signal, group: bool) {
    let _ = if group {
        killpg(leader, signal)
    } else {
        kill(leader, signal)
    };
}

/// The processes of this session that haven't ended. Those that wait to be reaped have.
pub fn living(session: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid| session_of(*pid) == Some(session.as_raw()))
        .map(Pid::from_raw)
        .collect()
}

/// Kills all of a session that can be seen now; how many those were. One that forks may escape a
/// single look, so the caller repeats it until there are none. What was stopped first forks no more:
/// `kill` of all follows the stop of all.
pub fn end(session: Pid) -> usize {
    let _ = killpg(session, Signal::SIGKILL);
    let members = living(session);
    for how in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in &members {
            let _ = kill(*pid, how);
        }
    }
    members.len()
}

fn session_of(pid: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: state, parent, group and session come after it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(2)?.parse().ok()
}
