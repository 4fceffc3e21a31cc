//! From a request to a process.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use frames::{
    Name,
    message::{Command, Exec, RefusalCode},
};
use processes::{Process, Program, Size, SpawnError, Stdio};

use crate::refusal::Refusal;

/// Where programs are looked for if the container doesn't say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Shells for a line, the better one first.
const SHELLS: [&str; 2] = ["bash", "sh"];

/// Starts what a request asks for, at home if it names no folder.
pub fn start(exec: &Exec, home: &[u8]) -> Result<Process, Refusal> {
    let cwd = exec.cwd.as_ref().map_or(home, Name::bytes);
    let mut program = Program {
        argv: Vec::new(),
        env: environment(exec, home),
        cwd: PathBuf::from(OsStr::from_bytes(cwd)),
        stdio: match exec.pty {
            Some(size) => Stdio::Terminal(Size {
                cols: size.cols,
                rows: size.rows,
            }),
            None => Stdio::Pipes { input: exec.input },
        },
        ends_with_parent: std::process::id() != 1,
    };
    match &exec.command {
        Command::Argv(argv) => {
            program.argv = argv.iter().map(os_string).collect();
            program.spawn().map_err(refusal)
        }
        Command::Line(line) => {
            for shell in SHELLS {
                program.argv = vec![shell.into(), "-lc".into(), os_string(line)];
                match program.spawn() {
                    Err(error) if is_missing(&error) => {}
                    other => return other.map_err(refusal),
                }
            }
            Err(no_shell())
        }
    }
}

fn no_shell() -> Refusal {
    let words =
        "this image has no shell (bash or sh): pass the program and its arguments as a list";
    Refusal::new(RefusalCode::NotFound, words)
}

fn is_missing(error: &SpawnError) -> bool {
    matches!(error, SpawnError::Program { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn environment(exec: &Exec, home: &[u8]) -> Vec<(OsString, OsString)> {
    let mut all: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let mut default = |name: &str, value: OsString| {
        all.entry(name.into()).or_insert(value);
    };
    default("PATH", PATH.into());
    default("HOME", OsString::from_vec(home.to_vec()));
    if exec.pty.is_some() {
        default("TERM", "xterm-256color".into());
    }
    let given = exec.env.iter();
    all.extend(given.map(|(name, value)| (os_string(name), os_string(value))));
    all.into_iter().collect()
}

fn os_string(name: &Name) -> OsString {
    OsString::from_vec(name.0.clone())
}

fn refusal(error: SpawnError) -> Refusal {
    let message = error.to_string();
    match error {
        SpawnError::NoProgram | SpawnError::ZeroByte | SpawnError::Variable => {
            Refusal::new(RefusalCode::Invalid, message)
        }
        SpawnError::Folder { source, .. }
        | SpawnError::Channels(source)
        | SpawnError::Program { source, .. } => Refusal::new(Refusal::from(source).code, message),
    }
}
