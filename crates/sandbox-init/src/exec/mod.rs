//! Processes that the host asked for. An exec is there until the host releases it, so that one that
//! comes back learns how it ended.

mod output;
mod pipes;
mod start;

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use frames::message::{self, Event, Exit, Overflow, RefusalCode};
use processes::{Pid, Process, Signal, Size, Status, Terminal};
use rustix::io::Errno;

use self::{
    output::Output,
    pipes::{Connected, Input, Read, Source, read},
};
use crate::{channel::Channel, outbox::Outbox, refusal::Refusal};

/// What is left in the background may hold the outputs open: so long after the process's end they
/// are waited for. What it wrote itself is in the pipe by then.
const GRACE: Duration = Duration::from_millis(50);
/// How long the end of a session that is killed may take before the exec's end is told.
const LONGEST_END: Duration = Duration::from_secs(5);
/// How often a session that is killed is looked through.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How much is sent at a time, so that other execs have their turn.
pub const PIECE_BYTES: usize = 32 << 10;
/// What a terminal takes for the end of the input.
const END_OF_INPUT: &[u8] = b"\x04";

/// An exec, running or not.
pub struct Exec {
    pub pid: Pid,
    pub label: Option<String>,
    begun: Instant,
    overflow: Overflow,
    output: Output,
    dropped: u64,
    /// What it reads; none if nothing, or nothing more.
    input: Option<Input>,
    /// What it writes.
    sources: Vec<Source>,
    terminal: Option<Terminal>,
    timeout: Option<Instant>,
    timed_out: bool,
    /// Nobody wants to know of it any more.
    released: bool,
    state: State,
}

enum State {
    Running,
    /// All of its session is being killed.
    Ending {
        until: Instant,
        status: Option<Status>,
    },
    /// It ended, and its output is read to the end.
    Ended {
        status: Status,
        since: Instant,
    },
    /// Nothing more comes of it. It was told to the host, or not yet.
    Over {
        exit: Exit,
        age: Duration,
        told: bool,
    },
}

/// Pipes that processes in the background still write to: read and thrown away, so that they
/// neither wait nor fail.
pub type Leftovers = Vec<OwnedFd>;

impl Exec {
    /// Starts it.
    pub fn start(exec: message::Exec, home: &[u8]) -> Result<Self, Refusal> {
        let Process { pid, channels } = start::start(&exec, home)?;
        let connected = Connected::new(channels, exec.input);
        let connected = connected.inspect_err(|_| {
            processes::signal(pid, Signal::SIGKILL, true);
        })?;
        let begun = Instant::now();
        let timeout = exec.timeout_ms.map(Duration::from_millis);
        Ok(Self {
            pid,
            label: exec.label,
            begun,
            overflow: exec.overflow,
            output: Output::default(),
            dropped: 0,
            input: connected.input,
            sources: connected.sources,
            terminal: connected.terminal,
            timeout: timeout.and_then(|timeout| begun.checked_add(timeout)),
            timed_out: false,
            released: false,
            state: State::Running,
        })
    }

    /// What it is waited on for: outputs that there is room for, and its input if there is some.
    pub fn descriptors(&self, channel: &Channel) -> (Vec<BorrowedFd<'_>>, Option<BorrowedFd<'_>>) {
        let reads = self.overflow == Overflow::Drop || self.output.room() > 0;
        let sources = self.sources.iter().filter(|_| reads);
        let sources = sources.map(|source| source.descriptor.as_fd()).collect();
        let input = self.input.as_ref().filter(|_| channel.has_input());
        (sources, input.map(Input::descriptor))
    }

    /// When it wants to be looked at though nothing happened.
    pub fn wakes_at(&self) -> Option<Instant> {
        match &self.state {
            State::Running => self.timeout,
            State::Ending { .. } => Some(Instant::now() + LOOK_EVERY),
            State::Ended { since, .. } if self.sources.iter().any(|one| one.left.is_none()) => {
                Some(*since + GRACE)
            }
            _ => None,
        }
    }

    /// Its process ended.
    pub fn ended(&mut self, status: Status) {
        match &mut self.state {
            State::Running => {
                let since = Instant::now();
                self.state = State::Ended { status, since };
            }
            State::Ending { status: known, .. } => *known = Some(status),
            State::Ended { .. } | State::Over { .. } => {}
        }
    }

    /// Kills it with all of its session.
    pub fn kill(&mut self) {
        if matches!(self.state, State::Running) {
            let until = Instant::now() + LONGEST_END;
            self.state = State::Ending {
                until,
                status: None,
            };
        }
    }

    /// Sends it a signal, if it still runs: its number may be another's later.
    pub fn signal(&self, number: i32, group: bool) -> Result<(), Refusal> {
        let wrong = |_| Refusal::new(RefusalCode::Invalid, format!("unknown signal: {number}"));
        let signal = Signal::try_from(number).map_err(wrong)?;
        if matches!(self.state, State::Running) {
            processes::signal(self.pid, signal, group);
        }
        Ok(())
    }

    /// Changes its terminal's size.
    pub fn resize(&self, size: message::Size) -> Result<(), Refusal> {
        match &self.terminal {
            Some(terminal) => Ok(terminal.resize(Size {
                cols: size.cols,
                rows: size.rows,
            })?),
            None => Err(Refusal::new(
                RefusalCode::Invalid,
                "this exec has no terminal",
            )),
        }
    }

    /// Looks after it: times, input, output, end. Whether there is more to do at once.
    pub fn step(
        &mut self,
        channel: &mut Channel,
        outbox: &mut Outbox,
        buffer: &mut [u8],
        leftovers: &mut Leftovers,
    ) -> bool {
        self.look_at_times();
        self.write_input(channel, outbox);
        self.read_output(buffer, leftovers);
        self.look_at_end(leftovers);
        self.send(channel, outbox)
    }

    fn look_at_times(&mut self) {
        if self
            .timeout
            .is_some_and(|timeout| timeout <= Instant::now())
            && matches!(self.state, State::Running)
        {
            self.timed_out = true;
            self.kill();
        }
        if let State::Ending { until, status } = self.state {
            let left = processes::end(self.pid);
            let since = Instant::now();
            if let Some(status) = status
                && (left == 0 || until <= since)
            {
                self.state = State::Ended { status, since };
            }
        }
    }

    fn write_input(&mut self, channel: &mut Channel, outbox: &mut Outbox) {
        let Some(input) = &self.input else {
            channel.discard_input(outbox);
            return;
        };
        while let Some(piece) = channel.input() {
            match rustix::io::write(input.descriptor(), piece) {
                Ok(count) => channel.use_input(count, outbox),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // Nobody reads it any more.
                Err(_) => {
                    self.input = None;
                    return;
                }
            }
        }
        if channel.is_over() {
            if let Input::Terminal(typed) = input {
                // If it can't be typed now, the terminal is full, and nobody reads it.
                let _ = rustix::io::write(typed, END_OF_INPUT);
            }
            self.input = None;
        }
    }

    fn read_output(&mut self, buffer: &mut [u8], leftovers: &mut Leftovers) {
        let mut at = 0;
        while at < self.sources.len() {
            let most = match self.overflow {
                Overflow::Drop => buffer.len(),
                Overflow::Wait => self.output.room().min(buffer.len()),
            };
            let source = &mut self.sources[at];
            let most = most.min(source.left.unwrap_or(usize::MAX));
            if most == 0 && source.left != Some(0) {
                return;
            }
            let over = match read(&source.descriptor, &mut buffer[..most], source.left) {
                Read::Some(count) => {
                    source.left = source.left.map(|left| left - count);
                    self.dropped += self.output.drop_for(count);
                    self.output.add(source.kind, &buffer[..count]);
                    false
                }
                Read::Nothing => false,
                Read::Over => true,
            };
            if over {
                let source = self.sources.remove(at);
                if source.left.is_some() && self.terminal.is_none() {
                    leftovers.push(source.descriptor);
                }
            } else {
                at += 1;
            }
        }
    }

    fn look_at_end(&mut self, leftovers: &mut Leftovers) {
        let State::Ended { status, since } = self.state else {
            return;
        };
        if since + GRACE <= Instant::now() {
            for source in self.sources.iter_mut().filter(|one| one.left.is_none()) {
                let waiting = rustix::io::ioctl_fionread(&source.descriptor).unwrap_or(0);
                source.left = usize::try_from(waiting).ok();
            }
            if self.terminal.is_none() {
                let over = |source: &mut Source| source.left == Some(0);
                let over = self.sources.extract_if(.., over);
                leftovers.extend(over.map(|source| source.descriptor));
            } else {
                self.sources.retain(|source| source.left != Some(0));
            }
        }
        if self.sources.is_empty() {
            self.input = None;
            self.terminal = None;
            let (code, signal) = match status {
                Status::Exited(code) => (Some(code), None),
                Status::Signaled(signal) => (None, Some(signal)),
            };
            self.state = State::Over {
                exit: Exit {
                    code,
                    signal,
                    timed_out: self.timed_out,
                    dropped: self.dropped,
                },
                age: self.begun.elapsed(),
                told: false,
            };
        }
    }

    /// Sends a piece of the output, and after all of it how the exec ended.
    fn send(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> bool {
        let room = channel.room(outbox);
        if room > 0 {
            match self.output.take_dropped() {
                0 => {}
                bytes => channel.drop_output(outbox, bytes),
            }
            self.output.send(room.min(PIECE_BYTES), |kind, bytes| {
                channel.send(outbox, kind, bytes)
            });
        }
        if let State::Over { exit, told, .. } = &mut self.state
            && self.output.is_sent()
            && !*told
            && channel.is_attached()
            && outbox.is_open()
        {
            outbox.event(channel.stream, Event::Exited(*exit));
            *told = true;
        }
        !self.output.is_sent() && channel.room(outbox) > 0
    }

    /// A host attached that has seen the output up to this byte.
    pub fn resume(&mut self, after: u64, channel: &mut Channel, outbox: &mut Outbox) {
        let sent = channel.sent();
        let wanted = usize::try_from(sent.saturating_sub(after)).unwrap_or(usize::MAX);
        let rewound = self.output.rewind(wanted);
        channel.attach(sent - rewound as u64, outbox);
        if let State::Over { told, .. } = &mut self.state {
            *told = false;
        }
    }

    /// The first byte of output that is kept, and the one after the last.
    pub fn kept(&self, channel: &Channel) -> (u64, u64) {
        let sent = channel.sent();
        (
            sent.saturating_sub(self.output.kept_bytes() as u64),
            sent + self.output.waiting_bytes(),
        )
    }

    /// How it ended; none if something may still come of it.
    pub fn exit(&self) -> Option<Exit> {
        match &self.state {
            State::Over { exit, .. } => Some(*exit),
            _ => None,
        }
    }

    /// How long it has run, or ran.
    pub fn age(&self) -> Duration {
        match &self.state {
            State::Over { age, .. } => *age,
            _ => self.begun.elapsed(),
        }
    }

    /// Whether its process is there.
    pub fn has_process(&self) -> bool {
        matches!(self.state, State::Running | State::Ending { .. })
    }

    /// When nothing more came of it; later than all that have ended if something may.
    pub fn ended_at(&self) -> Instant {
        self.begun + self.age()
    }

    /// Nobody wants to know of it any more: it goes on, and what it writes is thrown away.
    pub fn release(&mut self) {
        self.released = true;
        self.overflow = Overflow::Drop;
    }

    /// Whether it was released.
    pub fn is_released(&self) -> bool {
        self.released
    }
}
