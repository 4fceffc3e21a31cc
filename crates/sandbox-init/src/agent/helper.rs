//! The loop: waits for who is connected, for processes and for time. Nothing in it waits for anything else.

use std::{
    io,
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use agent_status::{HookAnswer, Launch, Snapshot, ToHelper, ToolEnd, Tracker};
use nix::sys::{
    signal::{Signal, kill},
    signalfd::SignalFd,
};
use processes::{Pid, Status};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{WaitId, WaitIdOptions, waitid},
};
use wire::agent::AgentState;

use super::{
    connections::{ConnectionId, Connections, Heard},
    files::Files,
    lifecycle::{say, state},
    terminal::{self, Opening},
};

/// How long the tool may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How long the terminal may take to start the tool.
const STARTS: Duration = Duration::from_secs(30);
/// How often it is looked whether all have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The helper.
pub struct Helper {
    signals: SignalFd,
    /// Whether this is the container's first process, so that signals of others in it don't count.
    alone: bool,
    files: Files,
    connections: Connections,
    tracker: Tracker,
    launch: Option<Launch>,
    /// Whether the tool ran in an earlier life.
    has_run: bool,
    stage: Stage,
    stop: Option<Stop>,
    /// What was said last, and its number.
    said: Option<Snapshot>,
    version: u64,
}

/// How far the terminal is.
enum Stage {
    /// Nobody has said what to run.
    Unknown,
    /// The host has to bring keys.
    Keys,
    /// It starts; what tmux says is still to be heard, and until when the tool has to run.
    Opening {
        opening: Option<Opening>,
        deadline: Instant,
    },
    /// The tool runs in the terminal of this process.
    Running { terminal: Pid },
    /// The terminal is gone.
    Over,
}

/// The container ends.
struct Stop {
    code: i32,
    deadline: Instant,
}

impl Helper {
    /// Begins: with what an earlier life knew.
    pub fn new(signals: SignalFd, alone: bool, files: Files) -> io::Result<Self> {
        let listener = UnixListener::bind(files.socket()?)?;
        let launch = files.launch();
        let before = files.snapshot();
        let conversation = before.and_then(|before| before.conversation);
        Ok(Self {
            signals,
            alone,
            connections: Connections::new(listener)?,
            tracker: Tracker::new(conversation),
            has_run: launch.is_some(),
            launch,
            files,
            stage: Stage::Unknown,
            stop: None,
            said: None,
            version: 0,
        })
    }

    /// Runs to the end; the code to end with.
    pub fn run(mut self) -> io::Result<i32> {
        say("started");
        match self.launch.as_ref().map(|launch| launch.needs_keys) {
            Some(false) => self.open(),
            Some(true) => self.stage = Stage::Keys,
            None => {}
        }
        loop {
            self.hear_signals()?;
            self.connections.accept();
            for heard in self.connections.read() {
                match heard {
                    Heard::Said(id, said) => self.hear(id, said),
                    Heard::Gone(ask) => self.tracker.abandoned(ask),
                }
            }
            self.look_at_times();
            self.publish();
            if let Some(code) = self.over() {
                return Ok(code);
            }
            self.wait()?;
        }
    }

    fn hear_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.read_signal()? {
            let is_child = signal.ssi_signo.cast_signed() == Signal::SIGCHLD as i32;
            // From outside the container who sends it has no number.
            if !is_child && (!self.alone || signal.ssi_pid == 0) {
                say("asked to stop");
                self.end(AgentState::Exited { code: None }, 0);
            }
        }
        let mut ended = Vec::new();
        processes::reap(|pid, status| ended.push((pid, status)));
        for (pid, status) in ended {
            self.reaped(pid, status);
        }
        Ok(())
    }

    fn reaped(&mut self, pid: Pid, status: Status) {
        match &mut self.stage {
            Stage::Opening { opening, .. } => {
                if let Some(opening) = opening.take_if(|opening| opening.pid == pid)
                    && status != Status::Exited(0)
                {
                    let words = opening.words();
                    self.stage = Stage::Over;
                    self.fail(&format!("the terminal (tmux) could not be opened: {words}"));
                }
            }
            Stage::Running { terminal } if *terminal == pid => {
                self.stage = Stage::Over;
                self.fail("the terminal (tmux) ended");
            }
            _ => {}
        }
    }

    fn hear(&mut self, id: ConnectionId, said: ToHelper) {
        let follows = self.connections.is_follower(id);
        match said {
            ToHelper::Follow => return self.connections.follow(id),
            ToHelper::Launch(launch) => self.launch(*launch),
            ToHelper::Begin => {
                if matches!(self.stage, Stage::Keys) {
                    self.open();
                }
            }
            ToHelper::Answer {
                ask,
                allow,
                message,
            } => {
                if self.tracker.answered(ask) {
                    let answer = HookAnswer { allow, message };
                    self.connections.answer(ask, Some(&answer));
                }
            }
            ToHelper::Typed => {
                let released = self.tracker.typed();
                self.release(&released);
            }
            ToHelper::Sent { bytes } => {
                say(&format!("prompt sent, {bytes} bytes"));
                let released = self.tracker.sent();
                self.release(&released);
            }
            ToHelper::Seen => self.tracker.seen(),
            ToHelper::Hook(hook) => {
                let event = hook.event.within_bounds();
                // If the volume is full or broken, the state is known all the same.
                let _ = self.files.journal(&event);
                let outcome = self.tracker.hook(&event);
                self.release(&outcome.released);
                match outcome.asked {
                    Some(ask) if hook.waits => return self.connections.wait(id, ask),
                    // It is asked in the terminal, and can't be answered from here.
                    Some(ask) => self.tracker.abandoned(ask),
                    None => {}
                }
            }
            ToHelper::Started(started) => self.started(started.terminal),
            ToHelper::Ended(end) => self.tool_ended(end),
        }
        if !follows {
            self.connections.close(id);
        }
    }

    /// Lets hooks go whose asks were answered otherwise.
    fn release(&mut self, asks: &[u64]) {
        for ask in asks {
            self.connections.answer(*ask, None);
        }
    }

    fn launch(&mut self, launch: Launch) {
        if self.launch.is_some() {
            return;
        }
        if let Err(error) = self.files.keep_launch(&launch) {
            return self.fail(&format!("could not write to the agent's home: {error}"));
        }
        self.tracker
            .choose_conversation(launch.conversation.clone());
        self.launch = Some(launch);
        self.open();
    }

    fn open(&mut self) {
        let Some(launch) = &self.launch else { return };
        let run = launch.run(!self.has_run, self.tracker.conversation());
        let opened = self.files.keep_run(&run);
        let opened = opened.and_then(|()| terminal::open(self.files.run_folder()));
        match opened {
            Ok(opening) => {
                self.stage = Stage::Opening {
                    opening: Some(opening),
                    deadline: Instant::now() + STARTS,
                };
            }
            Err(error) => self.fail(&format!("the terminal (tmux) could not be opened: {error}")),
        }
    }

    fn started(&mut self, terminal: i32) {
        // Whoever says so may be anybody: it is believed once, and can end nothing but this agent.
        if matches!(self.stage, Stage::Opening { .. }) && terminal > 1 {
            let reports = self.launch.as_ref().is_some_and(|launch| launch.reports);
            say("the tool runs");
            self.tracker.started(reports);
            self.stage = Stage::Running {
                terminal: Pid::from_raw(terminal),
            };
        }
    }

    fn tool_ended(&mut self, end: ToolEnd) {
        match end.failure {
            Some(failure) => self.fail(&failure),
            None => {
                let code = end.code.unwrap_or(1);
                self.end(AgentState::Exited { code: end.code }, code);
            }
        }
    }

    fn fail(&mut self, reason: &str) {
        let reason = agent_status::shown(reason, 512);
        self.end(AgentState::Failed { reason }, 1);
    }

    /// The container ends with this. What was said of its end first, stays.
    fn end(&mut self, state: AgentState, code: i32) {
        if self.stop.is_some() {
            return;
        }
        let released = self.tracker.ended(state);
        self.release(&released);
        self.stop = Some(Stop {
            code,
            deadline: Instant::now() + GRACE,
        });
        // It ends what runs in it as a terminal's window does that is closed.
        self.signal_terminal(Signal::SIGTERM);
    }

    fn signal_terminal(&self, signal: Signal) {
        if let Stage::Running { terminal } = self.stage {
            let _ = kill(terminal, signal);
        }
    }

    fn look_at_times(&mut self) {
        let now = Instant::now();
        if let Stage::Opening { deadline, .. } = self.stage
            && deadline <= now
        {
            self.fail("the tool did not start");
        }
    }

    /// Says where the agent stands, if that changed.
    fn publish(&mut self) {
        let title = self.launch.as_ref().and_then(|launch| launch.title.clone());
        let snapshot = Snapshot {
            state: self.tracker.state().clone(),
            asks: self.tracker.asks().to_vec(),
            conversation: self.tracker.conversation().map(str::to_owned),
            title,
            launched: self.launch.is_some(),
            waits_for_keys: matches!(self.stage, Stage::Keys),
            runs: matches!(self.stage, Stage::Running { .. }),
        };
        let snapshot = snapshot.within_bounds();
        if self.said.as_ref() != Some(&snapshot) {
            if self.said.as_ref().map(|said| &said.state) != Some(&snapshot.state) {
                say(&state(&snapshot.state));
            }
            if let Err(error) = self.files.keep_snapshot(&snapshot) {
                eprintln!("sandbox-init: could not write to the agent's home: {error}");
            }
            self.version += 1;
            self.said = Some(snapshot);
        }
        if let Some(said) = &self.said {
            self.connections.write(self.version, said);
        }
    }

    /// The code to end with, once everything has that was to.
    fn over(&self) -> Option<i32> {
        let stop = self.stop.as_ref()?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let nobody = matches!(waitid(WaitId::All, options), Err(Errno::CHILD));
        if nobody {
            return Some(stop.code);
        }
        // In a container, the kernel ends the rest with us.
        (stop.deadline <= Instant::now()).then(|| {
            self.signal_terminal(Signal::SIGKILL);
            stop.code
        })
    }

    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let opening = match &self.stage {
            Stage::Opening { deadline, .. } => Some(*deadline),
            _ => None,
        };
        let stopping = self.stop.as_ref().map(|_| now + LOOK_EVERY);
        let wakes_at = [opening, stopping, self.connections.wakes_at()];
        let wakes_at = match self.connections.has_lines() {
            true => Some(now),
            false => wakes_at.into_iter().flatten().min(),
        };
        let timeout = wakes_at.map(|at| timespec(at.saturating_duration_since(now)));
        let (reads, writes) = self.connections.descriptors();
        let mut waited = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let reads = reads.into_iter().map(|one| (one, PollFlags::IN));
        let writes = writes.into_iter().map(|one| (one, PollFlags::OUT));
        let all = reads.chain(writes);
        waited.extend(all.map(|(one, flags)| PollFd::from_borrowed_fd(one, flags)));
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
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
