//! The table of services: what was started, what runs, how it ended.

use std::{
    collections::{BTreeMap, HashSet},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use wire::table::{TableAnswer, TableEntry, TableRequest};

use super::given::Given;
use crate::clock::Clock;

/// Services by name.
pub struct Table {
    entries: BTreeMap<String, Held>,
    given: Given,
    /// While the machine stops: the process groups that were asked to end.
    asked: Option<HashSet<i32>>,
}

/// A service, and whether its group is signalled and ends with it.
struct Held {
    entry: TableEntry,
    with_group: bool,
}

impl Table {
    /// An empty one; all that it starts is given this.
    pub fn new(given: Given) -> Self {
        Self {
            entries: BTreeMap::new(),
            given,
            asked: None,
        }
    }

    /// From now on the machine stops: nothing is killed that was not asked to end and had its time.
    pub fn stopping(&mut self) {
        self.asked = Some(HashSet::new());
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
                with_group,
            } => match self.start(&name, &argv, &env, &cwd, &log) {
                Ok(entry) => {
                    let pid = entry.pid;
                    self.entries.insert(name, Held { entry, with_group });
                    TableAnswer::Started { pid }
                }
                Err(error) => TableAnswer::Refused {
                    reason: format!("{name} could not be started: {error}"),
                },
            },
            TableRequest::Signal { name, signal } => self.signal(&name, signal),
            TableRequest::End { name } => match super::tree::end(&name) {
                0 => TableAnswer::Done,
                left => TableAnswer::Refused {
                    reason: format!(
                        "could not stop all processes of {name}, still running: {left}"
                    ),
                },
            },
            TableRequest::Forget { name } => match self.entry(&name) {
                Some(entry) if entry.exit.is_none() => TableAnswer::Refused {
                    reason: format!("{name} is running as process {}", entry.pid),
                },
                _ => {
                    self.entries.remove(&name);
                    TableAnswer::Done
                }
            },
            TableRequest::List => TableAnswer::Services {
                services: self
                    .entries
                    .values()
                    .map(|held| held.entry.clone())
                    .collect(),
            },
            TableRequest::Watch => TableAnswer::Done,
        }
    }

    fn entry(&self, name: &str) -> Option<&TableEntry> {
        self.entries.get(name).map(|held| &held.entry)
    }

    fn start(
        &self,
        name: &str,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &str,
        log: &str,
    ) -> std::io::Result<TableEntry> {
        if let Some(entry) = self.entry(name)
            && entry.exit.is_none()
        {
            return Err(std::io::Error::other(format!(
                "it is already running as process {}",
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
        let before = self.entry(name);
        Ok(TableEntry {
            name: name.to_owned(),
            pid,
            started_at_ms: Clock::system().unix_ms(),
            exit: None,
            restarts: before.map_or(0, |before| before.restarts + 1),
            last_exit: before.and_then(|before| before.exit),
        })
    }

    fn signal(&mut self, name: &str, signal: i32) -> TableAnswer {
        let running = |held: &&Held| held.entry.exit.is_none();
        let Some(held) = self.entries.get(name).filter(running) else {
            return TableAnswer::Refused {
                reason: format!("{name} is not running"),
            };
        };
        let pid = Pid::from_raw(held.entry.pid);
        let sent = Signal::try_from(signal).and_then(|signal| match held.with_group {
            true => killpg(pid, signal),
            false => kill(pid, signal),
        });
        if let (true, Some(asked)) = (held.with_group, &mut self.asked) {
            asked.insert(pid.as_raw());
        }
        match sent {
            Ok(()) => TableAnswer::Done,
            Err(error) => TableAnswer::Refused {
                reason: format!("{name} could not be signalled: {error}"),
            },
        }
    }

    /// Notes a process's end; its entry, where it is a service.
    pub fn ended(&mut self, pid: i32, code: i32) -> Option<TableEntry> {
        let held = self
            .entries
            .values_mut()
            .find(|held| held.entry.pid == pid && held.entry.exit.is_none())?;
        held.entry.exit = Some(code);
        if held.with_group && self.asked.is_none() {
            // What the service started and left behind ends with it.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        Some(held.entry.clone())
    }

    /// Asks all that is left of the machine to end, and waits until it has, or for the deadline: what
    /// is left then ends with PID 1.
    pub fn end_all(&mut self, deadline: Instant) {
        super::tree::ask(&self.asked.take().unwrap_or_default());
        while waitid(
            Id::All,
            WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT,
        ) != Err(Errno::ECHILD)
            && Instant::now() < deadline
        {
            reap();
            std::thread::sleep(Duration::from_millis(5));
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
