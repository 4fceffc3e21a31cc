//! A server's process: started as the machine's user in a group of its own, with pipes that end
//! with the relay, and gone as a group.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use wire::mcp::McpServerEntry;

use super::entry::expanded;
use crate::proc::stat;

/// In the environment of every server and of what it starts: whose it is.
const MARK: &str = "VIVARIUM_MCP_RELAY";
/// Never handed to a server.
const OURS: [&str; 3] = ["OS_TOKEN", "VNC_PASSWORD", "VIVARIUM_INIT_FD"];
/// Room in a pipe, for large messages.
const PIPE: i32 = 1 << 20;

/// A server that runs.
pub struct Process {
    pub pid: u32,
    child: Child,
}

impl Process {
    /// Starts it; its standard error goes to the log.
    pub fn start(
        entry: &McpServerEntry,
        log: &Path,
    ) -> std::io::Result<(Self, ChildStdin, ChildStdout)> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?;
        let mut command = command(entry);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        ends_with_us(&mut command);
        let mut child = command.spawn()?;
        let gone = || std::io::Error::other("it has no pipes");
        let stdin = child.stdin.take().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        // Only slower where the system allows no more.
        let _ = fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(PIPE));
        let _ = fcntl(&stdin, FcntlArg::F_SETPIPE_SZ(PIPE));
        let pid = child.id().ok_or_else(gone)?;
        Ok((Self { pid, child }, stdin, stdout))
    }

    /// Waits for its end; may be called again.
    pub async fn ended(&mut self) -> i32 {
        self.child.wait().await.map_or(-1, exit_code)
    }

    /// Ends it within the grace time, and whatever is left of its group.
    pub async fn end(mut self, grace: std::time::Duration) -> i32 {
        let group = Pid::from_raw(i32::try_from(self.pid).unwrap_or(i32::MAX));
        if let Ok(Some(status)) = self.child.try_wait() {
            let _ = killpg(group, Signal::SIGKILL);
            return exit_code(status);
        }
        let _ = killpg(group, Signal::SIGTERM);
        let waited = tokio::time::timeout(grace, self.child.wait()).await;
        // What does not listen, and what the server leaves behind. The group's number is not given
        // again while one of it lives.
        let _ = killpg(group, Signal::SIGKILL);
        match waited {
            Ok(status) => status.map_or(-1, exit_code),
            Err(_) => self.child.wait().await.map_or(-1, exit_code),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            let group = Pid::from_raw(i32::try_from(self.pid).unwrap_or(i32::MAX));
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Exit code, or 128 + the signal.
fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// Whether the program is there; one elsewhere is tried.
pub fn exists(entry: &McpServerEntry) -> bool {
    if entry.url.is_some() {
        return true;
    }
    let program = expanded(entry.command.as_deref().unwrap_or_default(), variable);
    if program.contains('/') {
        let folder = folder(entry);
        // `node index.js` is no server where the script is missing.
        let script = entry.args.first().filter(|word| {
            word.starts_with('/') && word.ends_with(".js") && program.ends_with("/node")
        });
        return folder.join(&program).is_file()
            && script.is_none_or(|script| Path::new(script).is_file());
    }
    let path = entry.env.get("PATH").cloned().or_else(|| variable("PATH"));
    std::env::split_paths(&path.unwrap_or_default()).any(|folder| folder.join(&program).is_file())
}

fn folder(entry: &McpServerEntry) -> PathBuf {
    let home = crate::paths::home();
    entry
        .cwd
        .as_ref()
        .map_or(home.clone(), |cwd| home.join(expanded(cwd, variable)))
}

fn command(entry: &McpServerEntry) -> Command {
    let mut command = Command::new(expanded(
        entry.command.as_deref().unwrap_or_default(),
        variable,
    ));
    command.args(entry.args.iter().map(|word| expanded(word, variable)));
    command.current_dir(folder(entry));
    command.env("DISPLAY", ":99");
    for (name, value) in crate::secrets::api_keys() {
        command.env(name, value);
    }
    for name in OURS {
        command.env_remove(name);
    }
    command.env(MARK, mark());
    command.env(crate::init::MARK, "mcp");
    for (name, value) in &entry.env {
        command.env(name, expanded(value, variable));
    }
    command
}

/// A variable of the machine, or a secret of that name.
pub fn variable(name: &str) -> Option<String> {
    if OURS.contains(&name) {
        return None;
    }
    crate::secrets::find(name)
}

/// A server does not outlive the thread that started it: its pipes close, and it is killed.
#[allow(unsafe_code)]
fn ends_with_us(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes two system calls, prctl and sigprocmask,
    // which are async-signal-safe, and touches no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            nix::sys::signal::SigSet::all()
                .thread_unblock()
                .map_err(std::io::Error::from)
        });
    }
}

/// Process, its start and its session: who we are, for whoever comes after us.
fn mark() -> String {
    let id = std::process::id();
    let (start, session) = stat(id).unwrap_or_default();
    format!("{id}:{start}:{session}")
}

/// Ends what the servers of a relay that was killed left behind: a browser, a child that ignored
/// the end of its pipes. What made itself a session of its own was meant to stay.
pub fn sweep() {
    let marked = format!("{MARK}=");
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else {
            continue;
        };
        let mark = environment
            .split(|byte| *byte == 0)
            .find_map(|variable| variable.strip_prefix(marked.as_bytes()));
        let Some(mark) = mark.and_then(|mark| std::str::from_utf8(mark).ok()) else {
            continue;
        };
        let mut parts = mark.split(':');
        let owner = parts.next().and_then(|part| part.parse::<u32>().ok());
        let start = parts.next().and_then(|part| part.parse::<u64>().ok());
        let session = parts.next().and_then(|part| part.parse::<i32>().ok());
        let lives = owner.and_then(stat).map(|(start, _)| start) == start;
        let theirs = stat(pid).map(|(_, session)| session);
        if !lives && theirs == session {
            tracing::info!(pid, "ended what a server of an earlier relay left behind");
            let pid = Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        }
    }
}
