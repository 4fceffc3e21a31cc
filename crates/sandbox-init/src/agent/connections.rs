//! Who is connected to the socket, and the lines that come from and go to them.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::{Duration, Instant},
};

use agent_status::{HookAnswer, MOST_LINE_BYTES, Snapshot, ToHelper, read_line, write_line};

/// The most that are connected at once.
const MOST_CONNECTIONS: usize = 128;
/// The most of those that follow.
const MOST_FOLLOWERS: usize = 16;
/// How long somebody may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of a line of somebody who doesn't follow: an event is far shorter.
const FIRST_LINE_BYTES: usize = 16 << 10;
/// The most that are taken in before others have their turn.
const ACCEPTED_AT_ONCE: usize = 32;
/// How much is read of each at a time, so that others have their turn.
const READ_BYTES: usize = 16 << 10;

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId(u64);

/// What came of a connection.
pub enum Heard {
    /// It said something.
    Said(ConnectionId, ToHelper),
    /// It ended while it waited for the answer to this ask.
    Gone(u64),
}

/// All of them, oldest first.
pub struct Connections {
    listener: UnixListener,
    all: Vec<Connection>,
    last: u64,
}

struct Connection {
    id: ConnectionId,
    /// Whether it is the host's: others can't make it go.
    is_outside: bool,
    stream: UnixStream,
    since: Instant,
    role: Role,
    read: Vec<u8>,
    write: Vec<u8>,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It said nothing yet.
    New,
    /// It hears where the agent stands; up to this one it did.
    Follower { seen: u64 },
    /// It waits for an answer.
    Waiting { ask: u64 },
    /// It is closed once all is written.
    Closing,
}

impl Connections {
    /// Listens.
    pub fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            all: Vec::new(),
            last: 0,
        })
    }

    /// Takes in who waits to connect.
    pub fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.all.len() >= MOST_CONNECTIONS {
                // The one that has said nothing for longest, or the oldest of all: each can come again.
                let quiet = self.all.iter().position(|one| one.role == Role::New);
                self.all.remove(quiet.unwrap_or(0));
            }
            self.last += 1;
            self.all.push(Connection {
                id: ConnectionId(self.last),
                is_outside: is_outside(&stream),
                stream,
                since: Instant::now(),
                role: Role::New,
                read: Vec::new(),
                write: Vec::new(),
                is_over: false,
            });
        }
    }

    /// Reads what is there.
    pub fn read(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        for one in &mut self.all {
            one.read_lines(&mut heard);
        }
        self.all.retain(|one| !one.is_over);
        heard
    }

    /// This one follows.
    pub fn follow(&mut self, id: ConnectionId) {
        let follows = |one: &Connection| matches!(one.role, Role::Follower { .. });
        if self.all.iter().filter(|one| follows(one)).count() >= MOST_FOLLOWERS {
            let inside = |one: &Connection| follows(one) && !one.is_outside;
            let oldest = self.all.iter().position(inside);
            if let Some(oldest) = oldest.or_else(|| self.all.iter().position(follows)) {
                self.all.remove(oldest);
            }
        }
        if let Some(one) = self.find(id) {
            one.role = Role::Follower { seen: 0 };
        }
    }

    /// Whether this one follows.
    pub fn is_follower(&mut self, id: ConnectionId) -> bool {
        self.find(id)
            .is_some_and(|one| matches!(one.role, Role::Follower { .. }))
    }

    /// This one waits for an ask's answer.
    pub fn wait(&mut self, id: ConnectionId, ask: u64) {
        if let Some(one) = self.find(id) {
            one.role = Role::Waiting { ask };
        }
    }

    /// This one was heard.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(one) = self.find(id) {
            one.role = Role::Closing;
        }
    }

    /// Answers who waits for this ask; without an answer it is let go.
    pub fn answer(&mut self, ask: u64, answer: Option<&HookAnswer>) {
        let waits = |one: &&mut Connection| one.role == Role::Waiting { ask };
        if let Some(one) = self.all.iter_mut().find(waits) {
            if let Some(line) = answer.and_then(|answer| write_line(answer).ok()) {
                one.write.extend(line);
            }
            one.role = Role::Closing;
        }
    }

    /// Writes what can be written. A follower that takes its time hears only the newest snapshot.
    pub fn write(&mut self, version: u64, snapshot: &Snapshot) {
        let mut line = None;
        for one in &mut self.all {
            // What was left first: only then is there room for what is newer.
            one.flush();
            if let Role::Follower { seen } = &mut one.role
                && *seen != version
                && one.write.is_empty()
            {
                *seen = version;
                let line = line.get_or_insert_with(|| write_line(snapshot).unwrap_or_default());
                one.write.extend_from_slice(line);
            }
            one.flush();
        }
        let now = Instant::now();
        self.all.retain(|one| {
            let is_late = one.is_to_hurry() && one.since + PATIENCE <= now;
            let is_done = one.role == Role::Closing && one.write.is_empty();
            !one.is_over && !is_late && !is_done
        });
    }

    /// When the next one is late.
    pub fn wakes_at(&self) -> Option<Instant> {
        let hurried = self.all.iter().filter(|one| one.is_to_hurry());
        hurried.map(|one| one.since + PATIENCE).min()
    }

    /// Whether somebody said more than was heard yet.
    pub fn has_lines(&self) -> bool {
        self.all.iter().any(|one| one.read.contains(&b'\n'))
    }

    /// What is waited for: who connects, who says something, and (second) who can be written to.
    pub fn descriptors(&self) -> (Vec<BorrowedFd<'_>>, Vec<BorrowedFd<'_>>) {
        let listens = std::iter::once(self.listener.as_fd());
        let reads = self.all.iter().map(|one| one.stream.as_fd());
        let writes = self.all.iter().filter(|one| !one.write.is_empty());
        (
            listens.chain(reads).collect(),
            writes.map(|one| one.stream.as_fd()).collect(),
        )
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.all.iter_mut().find(|one| one.id == id)
    }
}

/// Whether it is a child of what the engine brought into the container: that has no parent in here, and
/// whatever was orphaned in here has PID 1.
fn is_outside(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    let parent = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let fields = text.rsplit_once(')')?.1;
        fields.split_whitespace().nth(1)?.parse::<i32>().ok()
    };
    peer.ok()
        .and_then(|peer| parent(peer.pid.as_raw_nonzero().get()))
        .filter(|pid| *pid > 1)
        .and_then(parent)
        == Some(0)
}

impl Connection {
    /// Whether it may take only so long.
    fn is_to_hurry(&self) -> bool {
        matches!(self.role, Role::New | Role::Closing)
    }

    fn read_lines(&mut self, heard: &mut Vec<Heard>) {
        let mut buffer = [0; READ_BYTES];
        let has_ended = match self.stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                false
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        let mut used = 0;
        while let Some(length) = self.read[used..].iter().position(|byte| *byte == b'\n') {
            match read_line(&self.read[used..used + length]) {
                Some(said) => heard.push(Heard::Said(self.id, said)),
                None => self.is_over = true,
            }
            used += length + 1;
            // One that doesn't follow says one thing.
            if !matches!(self.role, Role::Follower { .. }) {
                break;
            }
        }
        self.read.drain(..used);
        let most = match self.role {
            Role::Follower { .. } => MOST_LINE_BYTES,
            _ => FIRST_LINE_BYTES,
        };
        self.is_over |= self.read.len() >= most;
        if has_ended {
            // Who was heard may have closed its side, and is answered all the same.
            match self.role {
                Role::Waiting { ask } => {
                    heard.push(Heard::Gone(ask));
                    self.is_over = true;
                }
                Role::New if used > 0 => {}
                Role::New | Role::Follower { .. } => self.is_over = true,
                Role::Closing => self.is_over = self.write.is_empty(),
            }
        }
    }

    fn flush(&mut self) {
        while !self.write.is_empty() {
            match self.stream.write(&self.write) {
                Ok(count) => drop(self.write.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.is_over = true;
                    return;
                }
            }
        }
        self.write.shrink_to(READ_BYTES);
    }
}
