//! A helper of a test's own, and who speaks with it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use agent_status::{
    HookEvent, HookMessage, Launch, Snapshot, ToHelper, read_hook, read_line, write_line,
};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// Opens a terminal as tmux does, as far as it is needed: what follows `--` runs as the child of a process
/// of its own, which ends with it, and ends it.
const TMUX: &str = r#"#!/bin/sh
echo $$ >"$TEST_FOLDER/group"
while [ "$1" != -- ]; do shift; done
shift
( trap 'kill "$tool" 2>/dev/null' TERM; "$@" & tool=$!; echo $tool >"$TEST_FOLDER/tool"; wait "$tool"; wait "$tool" 2>/dev/null ) </dev/null >"$TEST_FOLDER/screen" 2>&1 &
echo $! >"$TEST_FOLDER/terminal"
"#;

/// The helper, and its folders.
pub struct Helper {
    pub child: Child,
    folder: tempfile::TempDir,
}

/// A folder in which a helper can live.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tmux = folder.path().join("tmux");
    fs::write(&tmux, TMUX).unwrap();
    fs::set_permissions(&tmux, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// What is to run: a line of shell, and another when it goes on.
pub fn launch(first: &str, resume: &str) -> Launch {
    let line = |line: &str| {
        ["sh", "-c", line, "tool", "{conversation}"]
            .map(str::to_owned)
            .to_vec()
    };
    Launch {
        first: line(first),
        again: line(resume),
        resume: line(resume),
        folder: "/".into(),
        reports: true,
        ..Launch::default()
    }
}

impl Helper {
    /// Starts one in a folder of its own.
    pub fn start() -> Self {
        Self::start_in(folder())
    }

    /// Starts one in a folder in which another may have lived.
    pub fn start_in(folder: tempfile::TempDir) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:{}", folder.path().display(), path.display());
        let child = Command::new(env!("CARGO_BIN_EXE_sandbox-init"))
            .arg("agent")
            .arg("--state")
            .arg(folder.path().join("state"))
            .arg("--run")
            .arg(folder.path().join("run"))
            .env("PATH", path)
            .env("TEST_FOLDER", folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let helper = Self { child, folder };
        crate::until("it listens", || {
            UnixStream::connect(helper.socket()).is_ok()
        });
        helper
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("run/agent.sock")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The process whose number is in this file.
    pub fn pid(&self, name: &str) -> Pid {
        crate::until(name, || self.read(name).trim().parse::<i32>().is_ok());
        Pid::from_raw(self.read(name).trim().parse().unwrap())
    }

    /// Says something that needs no answer.
    pub fn say(&self, said: &ToHelper) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(&write_line(said).unwrap()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // It closes when it has heard.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }

    /// An event, as JSON has it.
    pub fn event(&self, json: &str) {
        let event: HookEvent = read_hook(json.as_bytes(), None).unwrap();
        self.say(&ToHelper::Hook(HookMessage {
            event,
            waits: false,
        }));
    }

    /// The hook as a tool runs it.
    pub fn hook(&self, words: &[&str], json: &str) -> std::thread::JoinHandle<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox-init"));
        command
            .arg("hook")
            .arg("--socket")
            .arg(self.socket())
            .args(words);
        let pipes = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let json = json.to_owned();
        std::thread::spawn(move || {
            stdin.write_all(json.as_bytes()).unwrap();
            drop(stdin);
            child.wait_with_output().unwrap()
        })
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
    }

    /// Waits for its end: its code, what it wrote, and its folder for another.
    pub fn ended(mut self) -> (Option<i32>, String, tempfile::TempDir) {
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        let mut log = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut log).unwrap();
        let code = child.wait().unwrap().code();
        self.kill_group();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (code, log, folder)
    }

    /// All that runs in the terminal shares a group.
    fn kill_group(&self) {
        if let Ok(group) = self.read("group").trim().parse() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }

    /// Memory that it has, in KiB.
    pub fn memory_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill_group();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who follows.
pub struct Follower {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Follower {
    pub fn new(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut follower = Self { stream, lines };
        follower.say(&ToHelper::Follow);
        follower
    }

    pub fn say(&mut self, said: &ToHelper) {
        self.stream.write_all(&write_line(said).unwrap()).unwrap();
    }

    /// The next snapshot; none at the end.
    pub fn next(&mut self) -> Option<Snapshot> {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).unwrap();
        (!line.is_empty()).then(|| read_line(&line).unwrap())
    }

    /// The first snapshot of which this is so.
    pub fn find(&mut self, what: &str, mut is_so: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        loop {
            let snapshot = self
                .next()
                .unwrap_or_else(|| panic!("it ended before: {what}"));
            if is_so(&snapshot) {
                return snapshot;
            }
        }
    }

    /// The first snapshot in this state.
    pub fn state(&mut self, word: &str) -> Snapshot {
        self.find(word, |snapshot| snapshot.state.word() == word)
    }
}
