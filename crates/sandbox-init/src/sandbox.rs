//! The loop: waits for the host, for processes and for time, and gives each stream its turn.

use std::{
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use frames::message::{Goodbye, Reason};
use nix::sys::signal::{Signal, kill};
use processes::Pid;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{WaitId, WaitIdOptions, waitid},
};

use crate::{
    conversation::{Conversation, Incoming},
    files::Roots,
    outbox::Outbox,
    setup::Descriptors,
    streams::{Asked, Stream, Streams, Work},
};

/// How long processes may take to end if nobody said how long.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last words may take to be taken.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often it is looked whether all have ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs the sandbox until it is shut down.
pub fn run(own: Descriptors, roots: Roots) -> io::Result<()> {
    let mut outbox = Outbox::new();
    let conversation = Conversation::open(own.input.try_clone()?, &mut outbox)?;
    let mut sandbox = Sandbox {
        conversation,
        outbox,
        streams: Streams::new(roots),
        stop: None,
        readable: false,
        output_closed: false,
        own,
    };
    while !sandbox.is_over() {
        let more = sandbox.turn()?;
        sandbox.wait(more)?;
    }
    sandbox.last_words()
}

struct Sandbox {
    own: Descriptors,
    conversation: Conversation,
    outbox: Outbox,
    streams: Streams,
    stop: Option<Stop>,
    /// Whether there is something to read from the host.
    readable: bool,
    /// Whether nobody can hear us any more.
    output_closed: bool,
}

/// The sandbox ends.
struct Stop {
    goodbye: Goodbye,
    /// When what is left is killed.
    deadline: Instant,
    killed: bool,
}

impl Sandbox {
    /// Does all that can be done now. Whether there is more.
    fn turn(&mut self) -> io::Result<bool> {
        self.hear_signals()?;
        self.hear_host()?;
        let more = self.streams.step(&mut self.outbox);
        self.read_leftovers();
        let was_full = !self.outbox.has_room();
        self.output_closed |= self.outbox.flush(&self.own.output).is_err();
        // Those for which there was no room have their turn.
        let again = was_full && self.outbox.has_room();
        if self.output_closed {
            self.stop(Reason::EndOfInput, "the sandbox's output was closed", GRACE);
        }
        self.go_on_stopping();
        let decodable = !self.conversation.is_drained() && self.outbox.has_room();
        Ok(more || again || decodable)
    }

    fn hear_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.own.signals.read_signal()? {
            let number = signal.ssi_signo.cast_signed();
            // A process of the sandbox may send it, but isn't obeyed: what comes from outside PID 1
            // hands on.
            let is_handed_on = !self.own.alone || signal.ssi_pid == 1;
            if number != Signal::SIGCHLD as i32 && is_handed_on {
                self.stop(Reason::Shutdown, "the sandbox was asked to stop", GRACE);
            }
        }
        // Signals of one kind are joined, so all are looked for whenever there may be one.
        let streams = &mut self.streams;
        processes::reap(|pid, status| streams.ended(pid, status));
        Ok(())
    }

    fn hear_host(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.readable) {
            self.conversation.read();
        }
        while self.outbox.has_room() {
            let asked = match self.conversation.next() {
                None => break,
                Some(Incoming::Frame(frame)) => self.streams.take(frame, &mut self.outbox),
                Some(Incoming::Wrong(error)) => Asked::End((&error).into()),
                Some(Incoming::Attach(attach)) => {
                    self.streams.detach();
                    let execs = self.streams.execs();
                    self.conversation.attach(&attach, execs, &mut self.outbox);
                    Asked::Nothing
                }
            };
            match asked {
                Asked::Nothing => {}
                Asked::Shutdown { grace_ms } => {
                    let grace = Duration::from_millis(grace_ms);
                    self.stop(Reason::Shutdown, "the host asked for it", grace);
                }
                Asked::End(goodbye) => {
                    self.streams.detach();
                    self.conversation.end(goodbye, &mut self.outbox);
                }
            }
        }
        if self.conversation.is_over() && self.stop.is_none() {
            let goodbye = self.conversation.ended();
            self.stop(goodbye.reason, &goodbye.message, GRACE);
        }
        Ok(())
    }

    /// Reads what processes in the background write, and throws it away.
    fn read_leftovers(&mut self) {
        let mut buffer = [0; 4096];
        self.streams.leftovers.retain(|pipe| {
            // As much as a pipe holds, and no more: it may be written without end.
            for _ in 0..16 {
                match rustix::io::read(pipe, &mut buffer) {
                    Ok(0) => return false,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return true,
                    Err(_) => return false,
                }
            }
            true
        });
    }

    fn stop(&mut self, reason: Reason, message: &str, grace: Duration) {
        if self.stop.is_some() {
            return;
        }
        let now = Instant::now();
        self.stop = Some(Stop {
            goodbye: Goodbye {
                reason,
                message: message.to_owned(),
            },
            deadline: now.checked_add(grace).unwrap_or(now + GRACE),
            killed: false,
        });
        self.signal_all(Signal::SIGTERM);
        // One that is stopped hears of it when it goes on.
        self.signal_all(Signal::SIGCONT);
    }

    fn go_on_stopping(&mut self) {
        let Some(stop) = &mut self.stop else {
            return;
        };
        if stop.deadline <= Instant::now() {
            stop.killed = true;
            self.signal_all(Signal::SIGKILL);
        }
    }

    /// Signals all processes of the sandbox: all that there are, but for PID 1 and this one.
    fn signal_all(&self, signal: Signal) {
        if self.own.alone {
            let _ = kill(Pid::from_raw(-1), signal);
            return;
        }
        for stream in self.streams.all.values() {
            if let Work::Exec(exec) = &stream.work
                && exec.exit().is_none()
            {
                for pid in processes::living(exec.pid) {
                    let _ = kill(pid, signal);
                }
            }
        }
    }

    /// Whether all has ended that was to end.
    fn is_over(&self) -> bool {
        let Some(stop) = &self.stop else {
            return false;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let nobody = matches!(waitid(WaitId::All, options), Err(Errno::CHILD));
        // What can't even be killed ends with us, and what nobody reads is kept from nobody.
        let late = stop.deadline + GRACE <= Instant::now();
        nobody && (!self.streams.any_runs() || stop.killed) || late
    }

    fn last_words(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            self.outbox.end(stop.goodbye);
        }
        let end = Instant::now() + LAST_WORDS;
        while !self.outbox.is_empty() && Instant::now() < end {
            if self.outbox.flush(&self.own.output).is_err() {
                break;
            }
            let mut pipe = [PollFd::new(&self.own.output, PollFlags::OUT)];
            if !self.outbox.is_empty() {
                let _ = poll(&mut pipe, Some(&timespec(LOOK_EVERY)));
            }
        }
        Ok(())
    }

    /// Waits until something happens, or for the next time that something is to be done.
    fn wait(&mut self, more: bool) -> io::Result<()> {
        let mut wakes_at = self.stop.as_ref().map(|_| Instant::now() + LOOK_EVERY);
        let mut waited = vec![PollFd::new(&self.own.signals, PollFlags::IN)];
        let reads = self.conversation.is_drained() && self.outbox.has_room();
        if reads && !self.conversation.is_over() {
            waited.push(PollFd::new(self.conversation.input(), PollFlags::IN));
        }
        let input = waited.len() - 1;
        if !self.output_closed {
            // Without anything to write it only says that nobody reads any more.
            let flags = match self.outbox.is_empty() {
                true => PollFlags::empty(),
                false => PollFlags::OUT,
            };
            waited.push(PollFd::new(&self.own.output, flags));
        }
        let output = waited.len() - 1;
        let mut add = |descriptor, flags| {
            waited.push(PollFd::from_borrowed_fd(descriptor, flags));
        };
        for Stream { channel, work } in self.streams.all.values() {
            match work {
                Work::Exec(exec) => {
                    let (outputs, input) = exec.descriptors(channel);
                    outputs.into_iter().for_each(|one| add(one, PollFlags::IN));
                    input.into_iter().for_each(|one| add(one, PollFlags::OUT));
                    wakes_at = [wakes_at, exec.wakes_at()].into_iter().flatten().min();
                }
                Work::Task(task) if channel.room(&self.outbox) > 0 => {
                    let descriptor = task.descriptor();
                    descriptor
                        .into_iter()
                        .for_each(|one| add(one, PollFlags::IN));
                }
                Work::Task(_) => {}
            }
        }
        let leftovers = self.streams.leftovers.iter();
        leftovers.for_each(|pipe| add(pipe.as_fd(), PollFlags::IN));
        let timeout = match more {
            true => Some(timespec(Duration::ZERO)),
            false => wakes_at.map(|at| timespec(at.saturating_duration_since(Instant::now()))),
        };
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) => {
                self.readable = input > 0 && !waited[input].revents().is_empty();
                let closed = output > input && waited[output].revents().contains(PollFlags::ERR);
                self.output_closed |= closed;
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
