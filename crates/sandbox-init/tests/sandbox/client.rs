//! A host in a few lines: it speaks frames with the real program over pipes.

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use frames::{
    Body, Decoded, Decoder, Encoder, Frame, Mark, Name, Nonce, PROTOCOL, StreamId,
    credit::{OUTPUT_WINDOW, Receiving},
    message::{Attach, Command as Run, Event, Exec, Exit, Goodbye, Hello, RefusalCode, Request},
};

pub const DEADLINE: Duration = Duration::from_secs(600);
/// Nobody in particular.
const NOBODY: u32 = 65534;

/// A sandbox with two writable folders, `home` and `work`. It ends with the value.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    encoder: Encoder,
    frames: Receiver<Decoded>,
    stashed: VecDeque<Frame>,
    /// Output that came with what was looked for.
    unread: HashMap<StreamId, Vec<u8>>,
    pub hello: Hello,
    pub folder: tempfile::TempDir,
    next: u32,
    /// Our end of the sandbox's output.
    output: std::os::fd::RawFd,
    /// Whether the reader is to skip everything up to the next mark.
    silent: Arc<AtomicBool>,
}

/// All that came of an exec.
#[derive(Debug)]
pub struct Outcome {
    pub output: Vec<u8>,
    pub error: Vec<u8>,
    pub exit: Exit,
}

impl Outcome {
    pub fn text(&self) -> String {
        String::from_utf8(self.output.clone()).unwrap()
    }
}

pub fn line(command: &str) -> Exec {
    Exec::new(Run::Line(command.into()))
}

pub fn argv(words: &[&str]) -> Exec {
    Exec::new(Run::Argv(words.iter().map(|word| (*word).into()).collect()))
}

impl Client {
    pub fn start() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_sandbox-init"));
        Self::with(folder(), Command::new(program))
    }

    /// A sandbox whose user may do nothing special, as in a container.
    pub fn of_nobody() -> Self {
        let folder = folder();
        // Where it was compiled nobody may be let in. It is copied by another process: a file that is
        // open for writing here would be so in children of other tests too, and couldn't be run.
        let program = folder.path().join("sandbox-init");
        let mut copy = Command::new("cp");
        let copied = copy.arg(env!("CARGO_BIN_EXE_sandbox-init")).arg(&program);
        assert!(copied.status().unwrap().success());
        if nix::unistd::getuid().is_root() {
            for path in ["", "home", "work"] {
                std::os::unix::fs::chown(folder.path().join(path), Some(NOBODY), Some(NOBODY))
                    .unwrap();
            }
        }
        Self::with(folder, Self::as_nobody(program))
    }

    /// A command that runs as the user of such a sandbox.
    pub fn as_nobody(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if nix::unistd::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// A sandbox started by this command.
    pub fn with(folder: tempfile::TempDir, mut command: Command) -> Self {
        for root in ["home", "work"] {
            command.arg("--root").arg(folder.path().join(root));
        }
        // What whoever runs the tests has in his own start files is of no interest.
        command.env("HOME", folder.path().join("home"));
        command.env_remove("TERM");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, mut output) = (child.stdin.take(), child.stdout.take().unwrap());
        let number = output.as_raw_fd();
        let silent = Arc::new(AtomicBool::new(false));
        let unannounced = Arc::clone(&silent);
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            let mut decoder = Decoder::waiting(Mark::new(Nonce::FIRST));
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if unannounced.swap(false, Ordering::SeqCst) {
                    decoder = Decoder::waiting(Mark::new(nonce()));
                }
                let mut rest = &buffer[..count];
                while let Some(decoded) = decoder.read(&mut rest).expect("valid frames") {
                    // The answer to an attach, whose nonce is always this one.
                    if let Decoded::Frame(Frame {
                        body: Body::Goodbye(_),
                        ..
                    }) = &decoded
                    {
                        decoder = Decoder::waiting(Mark::new(nonce()));
                    }
                    if sender.send(decoded).is_err() {
                        return;
                    }
                }
            }
        });
        let mut client = Self {
            child,
            input,
            encoder: Encoder::new(1),
            frames,
            stashed: VecDeque::new(),
            unread: HashMap::new(),
            hello: Hello {
                protocol: 0,
                version: String::new(),
                epoch: 0,
                key: Nonce::FIRST,
                execs: Vec::new(),
            },
            folder,
            next: 1,
            output: number,
            silent,
        };
        client.hear_hello();
        client
    }

    fn hear_hello(&mut self) {
        match self.frame().body {
            Body::Hello(hello) => {
                assert_eq!(hello.protocol, PROTOCOL);
                self.encoder = Encoder::new(hello.epoch);
                self.hello = hello;
            }
            other => panic!("{other:?} in place of a hello"),
        }
    }

    /// A host comes back after the conversation ended: it says goodbye first, so that its reader
    /// knows from where on to look for the mark.
    pub fn attach(&mut self) {
        let goodbye = Goodbye {
            reason: frames::message::Reason::Shutdown,
            message: "see you".into(),
        };
        self.send(StreamId::CONNECTION, &Body::Goodbye(goodbye));
        self.goodbye();
        self.attach_again();
    }

    /// The same for a conversation that the sandbox has ended.
    pub fn attach_again(&mut self) {
        let mut bytes = Mark::new(self.hello.key).bytes().to_vec();
        let attach = Body::Attach(Attach {
            protocol: PROTOCOL,
            nonce: nonce(),
        });
        Encoder::new(Encoder::UNKNOWN_EPOCH)
            .write(StreamId::CONNECTION, &attach, &mut bytes)
            .unwrap();
        self.raw(&bytes);
        self.hear_hello();
    }

    /// A host that comes back without a word, as after a SIGKILL of the one before. Of what the old
    /// conversation still says nothing is read.
    pub fn attach_unannounced(&mut self) {
        self.silent.store(true, Ordering::SeqCst);
        self.attach_again();
    }

    /// Where the frames of this sandbox go through.
    pub fn own_pipes(&self) -> Vec<String> {
        let end = |descriptor: std::os::fd::RawFd| {
            let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
            link.display().to_string()
        };
        vec![
            end(self.input.as_ref().unwrap().as_raw_fd()),
            end(self.output),
        ]
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn name(&self, below: &str) -> Name {
        self.path(below).as_path().into()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stream(&mut self) -> StreamId {
        let stream = StreamId(self.next);
        self.next += 2;
        stream
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn send(&mut self, stream: StreamId, body: &Body) {
        let mut bytes = Vec::new();
        self.encoder.write(stream, body, &mut bytes).unwrap();
        self.raw(&bytes);
    }

    pub fn request(&mut self, request: Request) -> StreamId {
        let stream = self.stream();
        self.send(stream, &Body::Request(request));
        stream
    }

    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the program.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it goes on");
            std::thread::yield_now();
        }
    }

    fn received(&mut self) -> Frame {
        loop {
            match self.frames.recv_timeout(DEADLINE) {
                Ok(Decoded::Frame(frame)) => return frame,
                Ok(Decoded::Mark) => {}
                Err(RecvTimeoutError::Timeout) => panic!("no frame within {DEADLINE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the sandbox is gone"),
            }
        }
    }

    /// The next frame of any stream.
    pub fn frame(&mut self) -> Frame {
        self.stashed.pop_front().unwrap_or_else(|| self.received())
    }

    /// The next frame of this stream.
    pub fn on(&mut self, stream: StreamId) -> Body {
        let known = self.stashed.iter().position(|frame| frame.stream == stream);
        if let Some(frame) = known.and_then(|at| self.stashed.remove(at)) {
            return frame.body;
        }
        loop {
            let frame = self.received();
            if frame.stream == stream {
                return frame.body;
            }
            self.stashed.push_back(frame);
        }
    }

    /// The next event of this stream.
    pub fn event(&mut self, stream: StreamId) -> Event {
        loop {
            match self.on(stream) {
                Body::Event(event) => return event,
                Body::Credit(_) => {}
                other => panic!("{other:?} in place of an event"),
            }
        }
    }

    /// The last frame of the conversation.
    pub fn goodbye(&mut self) -> Goodbye {
        loop {
            if let Body::Goodbye(goodbye) = self.frame().body {
                return goodbye;
            }
        }
    }

    /// Whether nothing at all comes for this long.
    pub fn is_quiet(&mut self, time: Duration) -> bool {
        self.stashed.is_empty() && self.frames.recv_timeout(time).is_err()
    }

    pub fn started(&mut self, exec: Exec) -> StreamId {
        let stream = self.request(Request::Exec(exec));
        match self.event(stream) {
            Event::Started { pid: Some(_) } => stream,
            other => panic!("{other:?} in place of a start"),
        }
    }

    /// Takes an exec's output up to its end.
    pub fn outcome(&mut self, stream: StreamId) -> Outcome {
        self.outcome_from(stream, 0)
    }

    pub fn outcome_from(&mut self, stream: StreamId, from: u64) -> Outcome {
        let mut receiving = Receiving::new(from, OUTPUT_WINDOW);
        let mut output = self.unread.remove(&stream).unwrap_or_default();
        let mut error = Vec::new();
        loop {
            let length = match self.on(stream) {
                Body::Output(data) => {
                    output.extend_from_slice(&data);
                    data.len()
                }
                Body::ErrorOutput(data) => {
                    error.extend_from_slice(&data);
                    data.len()
                }
                Body::Event(Event::Exited(exit)) => {
                    self.send(stream, &Body::Request(Request::Release));
                    return Outcome {
                        output,
                        error,
                        exit,
                    };
                }
                Body::Event(Event::Dropped { bytes }) => {
                    let limit = receiving.skip(bytes);
                    self.send(stream, &Body::Credit(limit));
                    0
                }
                Body::Credit(_) => 0,
                other => panic!("{other:?} in an exec"),
            };
            receiving.receive(length).expect("within the credit");
            if let Some(limit) = receiving.use_up(length) {
                self.send(stream, &Body::Credit(limit));
            }
        }
    }

    pub fn run(&mut self, exec: Exec) -> Outcome {
        let stream = self.started(exec);
        self.outcome(stream)
    }

    /// Reads until the exec has shown this. What it shows after it is there for the next look.
    pub fn shows(&mut self, stream: StreamId, wanted: &str) {
        let mut seen = self.unread.remove(&stream).unwrap_or_default();
        let find = |seen: &[u8]| {
            seen.windows(wanted.len())
                .position(|it| it == wanted.as_bytes())
        };
        let at = loop {
            if let Some(at) = find(&seen) {
                break at + wanted.len();
            }
            match self.on(stream) {
                Body::Output(data) => seen.extend(data),
                Body::Credit(_) => {}
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&seen)),
            }
        };
        self.unread.insert(stream, seen.split_off(at));
    }

    pub fn types(&mut self, stream: StreamId, data: &[u8]) {
        self.send(stream, &Body::Input(data.to_vec()));
    }

    /// The answer to a request: all that came before it, and the last event.
    pub fn answer(&mut self, request: Request) -> Event {
        let stream = self.request(request);
        self.event(stream)
    }

    pub fn refused(&mut self, request: Request) -> RefusalCode {
        match self.answer(request) {
            Event::Refused { code, .. } => code,
            other => panic!("{other:?} in place of a refusal"),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // What it started ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nonce() -> Nonce {
    Nonce([0x5a; 16])
}

pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for root in ["home", "work"] {
        std::fs::create_dir(folder.path().join(root)).unwrap();
    }
    folder
}

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
