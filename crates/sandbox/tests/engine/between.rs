//! Stands between a process and its engine, and holds everything at one moment, for a test to kill the
//! process then.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use crate::docker;

/// When.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// A request of this method, whose path has all of this, was sent. It doesn't arrive.
    Asked(&'static str, &'static [&'static str]),
    /// It was carried out. The answer doesn't arrive.
    Answered(&'static str, &'static [&'static str]),
    /// The first frame to a sandbox was sent. So many halves of it arrive.
    Sent { halves: usize },
    /// A sandbox said something for this time. Half of it arrives.
    Said(usize),
}

impl Moment {
    fn is_about(words: &[&str], method: &str, line: &str) -> bool {
        line.starts_with(method) && words.iter().all(|word| line.contains(word))
    }
}

/// What the carriers of all connections share.
struct Held {
    moment: Moment,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_now: bool,
    /// How often a sandbox said something.
    said: usize,
    /// All that is open, to be closed at the end.
    open: Vec<UnixStream>,
    carriers: Vec<JoinHandle<()>>,
}

/// One way of a connection.
struct Way {
    held: Arc<Held>,
    from: UnixStream,
    to: UnixStream,
    /// What the two ways of one connection share.
    both: Arc<Mutex<Both>>,
}

#[derive(Default)]
struct Both {
    /// From here on it is a sandbox's stdio.
    is_attached: bool,
    /// The next answer is the one to hold.
    holds_answer: bool,
}

/// Between a process and its engine.
pub(crate) struct Between {
    held: Arc<Held>,
    socket: PathBuf,
}

impl Between {
    pub(crate) fn start(folder: &Path, moment: Moment) -> Self {
        let socket = folder.join("engine.sock");
        // Of the moment before.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let held = Arc::new(Held {
            moment,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&held);
        let accepts = std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.expect("a connection");
                let mut state = accepting.state.lock().expect("a lock");
                if state.is_now {
                    return;
                }
                let far = UnixStream::connect(engine()).expect("an engine");
                let copy = |stream: &UnixStream| stream.try_clone().expect("a copy");
                let both = Arc::default();
                let way = |from: &UnixStream, to: &UnixStream| Way {
                    held: Arc::clone(&accepting),
                    from: copy(from),
                    to: copy(to),
                    both: Arc::clone(&both),
                };
                let (there, back) = (way(&near, &far), way(&far, &near));
                let carriers = [
                    std::thread::spawn(|| there.carry(Way::goes_there)),
                    std::thread::spawn(|| back.carry(Way::goes_back)),
                ];
                state.carriers.extend(carriers);
                state.open.extend([near, far]);
            }
        });
        held.state.lock().expect("a lock").carriers.push(accepts);
        Self { held, socket }
    }

    /// As `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Waits for the moment.
    pub(crate) fn waits(&self) {
        let state = self.held.state.lock().expect("a lock");
        let patience = Duration::from_secs(600);
        let waited = self
            .held
            .changed
            .wait_timeout_while(state, patience, |state| !state.is_now);
        let is_now = waited.expect("a lock").0.is_now;
        assert!(is_now, "never: {:?}", self.held.moment);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        let mut state = self.held.state.lock().expect("a lock");
        state.is_now = true;
        for open in &state.open {
            let _ = open.shutdown(Shutdown::Both);
        }
        let carriers = std::mem::take(&mut state.carriers);
        drop(state);
        // For the one that accepts.
        let _ = UnixStream::connect(&self.socket);
        for carrier in carriers {
            let _ = carrier.join();
        }
    }
}

/// The engine's own socket.
fn engine() -> PathBuf {
    let host = docker(&[
        "context",
        "inspect",
        "--format",
        "{{.Endpoints.docker.Host}}",
    ]);
    let path = host.first().and_then(|host| host.strip_prefix("unix://"));
    path.unwrap_or("/var/run/docker.sock").into()
}

impl Way {
    /// Carries pieces until the moment. `goes` says how much of a piece arrives, and whether it is now.
    fn carry(mut self, goes: fn(&Self, &[u8]) -> (usize, bool)) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match self.from.read(&mut buffer) {
                Ok(0) | Err(_) => {
                    let _ = self.to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(count) => count,
            };
            let held = Arc::clone(&self.held);
            let is_now = || held.state.lock().expect("a lock").is_now;
            if is_now() {
                return;
            }
            let (arrives, ends) = goes(&self, &buffer[..count]);
            if self.to.write_all(&buffer[..arrives]).is_err() {
                return;
            }
            if ends {
                held.state.lock().expect("a lock").is_now = true;
                held.changed.notify_all();
                return;
            }
        }
    }

    /// To the engine.
    fn goes_there(&self, piece: &[u8]) -> (usize, bool) {
        let mut both = self.both.lock().expect("a lock");
        if both.is_attached {
            return match self.held.moment {
                Moment::Sent { halves } => (piece.len() * halves / 2, true),
                _ => (piece.len(), false),
            };
        }
        let line = piece.split(|byte| *byte == b'\r').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        both.is_attached = line.starts_with("POST ") && line.contains("/attach?");
        match self.held.moment {
            Moment::Asked(method, words) if Moment::is_about(words, method, &line) => {
                return (0, true);
            }
            Moment::Answered(method, words) => {
                both.holds_answer |= Moment::is_about(words, method, &line);
            }
            _ => {}
        }
        (piece.len(), false)
    }

    /// From the engine.
    fn goes_back(&self, piece: &[u8]) -> (usize, bool) {
        let both = self.both.lock().expect("a lock");
        if both.holds_answer {
            return (0, true);
        }
        // The engine's own answer comes before what the sandbox says.
        if both.is_attached && !piece.starts_with(b"HTTP/") {
            let mut state = self.held.state.lock().expect("a lock");
            state.said += 1;
            if matches!(self.held.moment, Moment::Said(time) if time == state.said) {
                return (piece.len() / 2, true);
            }
        }
        (piece.len(), false)
    }
}
