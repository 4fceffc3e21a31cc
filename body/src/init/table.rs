//! The table of services: what was started, what runs, how it ended.

use std::{
    collections::BTreeMap,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use wire::table::{TableAnswer, TableEntry, TableRequest};

use super::given::Given;
use crate::clock::Clock;

/// Services by name.
pub struct Table {
    entries: BTreeMap<String, TableEntry>,
    given: Given,
}

impl Table {
    /// An empty one; all that it starts is given this.
    pub fn new(given: Given) -> Self {
        Self {
            entries: BTreeMap::new(),
            given,
        }
    }

    /// Carries out a request.
    pub fn answer(&mut self, request: TableRequest) -> TableAnswer {
        match request {
            TableRequest::Start {
                name,
                argv,
                env,
                cwd,
                log,
            } => match self.start(&name, &argv, &env, &cwd, &log) {
                Ok(pid) => TableAnswer::Started { pid },
                Err(error) => TableAnswer::Refused {
                    reason: format!("{name} could not be started: {error}"),
                },
            },
            TableRequest::Signal { name, signal } => self.signal(&name, signal),
            TableRequest::End { name } => match super::tree::end(&name) {
                0 => TableAnswer::Done,
                left => TableAnswer::Refused {
                    reason: format!("{left} processes of {name} can't be ended"),
                },
            },
            TableRequest::Forget { name } => match self.entries.get(&name) {
                Some(entry) if entry.exit.is_none() => TableAnswer::Refused {
                    reason: format!("{name} runs, as {}", entry.pid),
                },
                _ => {
                    self.entries.remove(&name);
                    TableAnswer::Done
                }
            },
            TableRequest::List => TableAnswer::Services {
                services: self.entries.values().cloned().collect(),
            },
            TableRequest::Watch => TableAnswer::Done,
        }
    }

    fn start(
        &mut self,
        name: &str,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &str,
        log: &str,
    ) -> std::io::Result<i32> {
        if let Some(entry) = self.entries.get(name)
            && entry.exit.is_none()
        {
            return Err(std::io::Error::other(format!(
                "it runs already, as {}",
                entry.pid
            )));
        }
        let (program, arguments) = argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?;
        let mut command = Command::new(program);
        self.given.hand_to(&mut command);
        command
            .args(arguments)
            .envs(super::setup::identity())
            .envs(env)
            .env(super::tree::MARK, name)
            .current_dir(cwd)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let child = super::spawn::spawn(&mut command)?;
        let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
        let started_at_ms = Clock::system().unix_ms();
        self.entries.insert(
            name.to_owned(),
            TableEntry {
                name: name.to_owned(),
                pid,
                started_at_ms,
                exit: None,
            },
        );
        Ok(pid)
    }

    fn signal(&self, name: &str, signal: i32) -> TableAnswer {
        let Some(entry) = self.entries.get(name).filter(|entry| entry.exit.is_none()) else {
            return TableAnswer::Refused {
                reason: format!("{name} does not run"),
            };
        };
        match Signal::try_from(signal).and_then(|signal| killpg(Pid::from_raw(entry.pid), signal)) {
            Ok(()) => TableAnswer::Done,
            Err(error) => TableAnswer::Refused {
                reason: format!("{name} could not be signalled: {error}"),
            },
        }
    }

    /// Notes a process's end; its entry, where it is a service.
    pub fn ended(&mut self, pid: i32, code: i32) -> Option<TableEntry> {
        let entry = self
            .entries
            .values_mut()
            .find(|entry| entry.pid == pid && entry.exit.is_none())?;
        entry.exit = Some(code);
        // What the service started and left behind ends with it.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        Some(entry.clone())
    }

    /// Ends what still runs: TERM, then KILL at the deadline.
    pub fn end_all(&mut self, deadline: Instant) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            for entry in self.entries.values().filter(|entry| entry.exit.is_none()) {
                let _ = killpg(Pid::from_raw(entry.pid), signal);
            }
            while self.entries.values().any(|entry| entry.exit.is_none()) {
                for (pid, code) in reap() {
                    self.ended(pid, code);
                }
                if signal == Signal::SIGTERM && deadline <= Instant::now() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Reaps every child that has ended: process id and code (128 + the signal).
pub fn reap() -> Vec<(i32, i32)> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended.push((pid.as_raw(), code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                ended.push((pid.as_raw(), 128 + signal as i32))
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return ended,
        }
    }
}
