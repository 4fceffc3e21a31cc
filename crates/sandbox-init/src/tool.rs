//! `sandbox-init tool FOLDER`: what runs in an agent's terminal. It starts the tool with its keys, which
//! only the tool's process gets, waits for it, and tells the helper how it ended.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::{fs::OpenOptionsExt, net::UnixStream, process::ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

use agent_status::{MOST_LINE_BYTES, Run, Started, ToHelper, ToolEnd, write_line};
use nix::{
    sys::signal::{SigSet, Signal},
    unistd::getppid,
};
use rustix::fs::OFlags;

use crate::agent::{KEYS_FILE, RUN_FILE, SOCKET_NAME};

/// How long the helper may take to hear.
const HEARS: Duration = Duration::from_secs(5);
/// What a shell returns for a program that it can't start.
const NOT_STARTED: i32 = 127;

/// Runs the tool; what it returned.
pub fn tool(folder: &OsStr) -> io::Result<u8> {
    let folder = Path::new(folder);
    let socket = folder.join(SOCKET_NAME);
    let terminal = getppid().as_raw();
    tell(&socket, &ToHelper::Started(Started { terminal }));
    let ended = run(folder);
    let (end, code) = match ended {
        Ok(status) => {
            let code = status.code();
            let shown = code.or(status.signal().map(|signal| 128 + signal));
            (
                ToolEnd {
                    code,
                    failure: None,
                },
                shown.unwrap_or(1),
            )
        }
        Err(error) => {
            let failure = error.to_string();
            eprintln!("{failure}");
            let failure = Some(failure);
            (
                ToolEnd {
                    code: None,
                    failure,
                },
                NOT_STARTED,
            )
        }
    };
    tell(&socket, &ToHelper::Ended(end));
    Ok(u8::try_from(code & 0xff).unwrap_or(1))
}

fn run(folder: &Path) -> io::Result<ExitStatus> {
    let run: Run = serde_json::from_slice(&read(&folder.join(RUN_FILE))?)?;
    let (program, arguments) = run
        .command
        .split_first()
        .ok_or_else(|| io::Error::other("nothing to run was named"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&run.folder)
        .envs(run.environment.iter().map(|(name, value)| (name, value)));
    if run.needs_keys {
        let path = folder.join(KEYS_FILE);
        let keys: std::collections::BTreeMap<String, String> =
            serde_json::from_slice(&read(&path)?)?;
        // From here on, only the tool has them.
        std::fs::remove_file(&path)?;
        command.envs(keys);
    }
    let mut child = command.spawn().map_err(|error| {
        io::Error::new(error.kind(), format!("could not start {program}: {error}"))
    })?;
    // What is typed to end the tool isn't for us. It is blocked once the tool is there, which would
    // inherit that and never hear of an interrupt.
    let mut ours = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        ours.add(signal);
    }
    ours.thread_block()?;
    // What was asked with the keys stays with the tool.
    drop(command);
    child.wait()
}

/// Reads a file of the helper's, which has the size of a line at most.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = std::fs::OpenOptions::new();
    // Somebody may have put a pipe in its place.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(MOST_LINE_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells the helper, and waits until it has heard. Without a helper the tool runs all the same.
fn tell(socket: &Path, said: &ToHelper) {
    let told = || -> io::Result<()> {
        let mut helper = UnixStream::connect(socket)?;
        helper.set_write_timeout(Some(HEARS))?;
        helper.set_read_timeout(Some(HEARS))?;
        helper.write_all(&write_line(said)?)?;
        helper.shutdown(Shutdown::Write)?;
        io::copy(&mut helper.take(1), &mut io::sink()).map(drop)
    };
    if let Err(error) = told() {
        eprintln!("sandbox-init: could not tell the agent's helper: {error}");
    }
}
