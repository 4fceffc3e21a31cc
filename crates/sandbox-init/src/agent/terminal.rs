//! The terminal: a tmux session, so that it outlives whoever looks at it.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    os::fd::OwnedFd,
    path::Path,
};

use processes::{Channels, Pid, Process, Program, Stdio};

use crate::setup::set_nonblocking;

/// Its session, which is a label of the container too.
const SESSION: &str = "agent";
/// Its size until somebody looks.
const SIZE: [&str; 2] = ["120", "40"];
/// What is set before the session begins. The person's terminal decides how large it is; what the tool
/// writes reaches nobody's clipboard.
const OPTIONS: [&[&str]; 8] = [
    &["-g", "history-limit", "20000"],
    &["-g", "default-terminal", "tmux-256color"],
    &["-g", "window-size", "latest"],
    &["-g", "status", "off"],
    &["-s", "escape-time", "10"],
    &["-s", "set-clipboard", "off"],
    &["-s", "focus-events", "on"],
    &["-as", "terminal-features", ",*:sync"],
];
/// The most that is read of what tmux says is wrong.
const WORDS_BYTES: u64 = 1 << 10;

/// The program that opens the terminal, until it has.
pub struct Opening {
    pub pid: Pid,
    error: OwnedFd,
}

/// Opens the terminal, in which the tool starts.
pub fn open(run: &Path) -> io::Result<Opening> {
    let mut argv: Vec<OsString> = ["tmux", "-u", "-f", "/dev/null", "start-server"]
        .map(OsString::from)
        .to_vec();
    for option in OPTIONS {
        argv.extend([";", "set-option"].map(OsString::from));
        argv.extend(option.iter().map(OsString::from));
    }
    let [cols, rows] = SIZE;
    let session = [
        ";",
        "new-session",
        "-d",
        "-s",
        SESSION,
        "-x",
        cols,
        "-y",
        rows,
        "--",
    ];
    argv.extend(session.map(OsString::from));
    argv.extend([
        std::env::current_exe()?.into_os_string(),
        "tool".into(),
        run.as_os_str().to_owned(),
    ]);
    let program = Program {
        argv,
        env: std::env::vars_os().collect(),
        cwd: home(),
        stdio: Stdio::Pipes { input: false },
        ends_with_parent: false,
    };
    let Process { pid, channels } = program.spawn().map_err(io::Error::other)?;
    match channels {
        Channels::Pipes { error, .. } => {
            set_nonblocking(&error)?;
            Ok(Opening { pid, error })
        }
        Channels::Terminal(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn home() -> std::path::PathBuf {
    let home = std::env::var_os("HOME").unwrap_or_default();
    match Path::new(&home).is_dir() {
        true => home.into(),
        false => OsStr::new("/").into(),
    }
}

impl Opening {
    /// What tmux said is wrong.
    pub fn words(self) -> String {
        let mut words = Vec::new();
        // What isn't there yet isn't waited for.
        let _ = std::fs::File::from(self.error)
            .take(WORDS_BYTES)
            .read_to_end(&mut words);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}
