//! A command from the moment it is asked for: where it stands, whom it speaks with, who reads it.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use frames::{
    StreamId,
    message::{self, Event, Request},
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::sandbox::{ExecView, SandboxId};

use super::{
    ExecEvent, ExecEventKind, Exit, Unseen,
    about::{About, label, read_label},
    log::Log,
};
use init_client::{Receive, Session, SessionEnd};

use crate::error::SandboxError;

/// How much later than its limit a command's end may be told.
const GRACE: Duration = Duration::from_secs(5);

/// A command.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) about: About,
    /// Whether its stdin is closed; held while somebody writes to it.
    pub(crate) input: tokio::sync::Mutex<bool>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    start: Start,
    /// Whom it speaks with; none while the sandbox can't be reached, and after its end.
    link: Option<(Session, StreamId)>,
    log: Log,
    began: Instant,
    /// How it ended, and after how many milliseconds.
    end: Option<(Exit, u64)>,
}

#[derive(Debug)]
enum Start {
    /// It was asked for.
    Asked,
    /// It runs, or did.
    Done { pid: u32 },
    /// It can't.
    Refused { message: String },
    /// The conversation ended before anybody knew.
    Unknown(SessionEnd),
}

impl Running {
    /// Asks for it; `Self::started` says whether it runs.
    pub(crate) fn ask(
        session: &Session,
        about: About,
        mut exec: message::Exec,
    ) -> Result<Arc<Self>, SessionEnd> {
        exec.label = Some(label(&about));
        let waits_for_reader = !about.background;
        let running = Arc::new(Self::new(about, Start::Asked, waits_for_reader));
        // The lock keeps its first words waiting until the link is there.
        let mut state = running.state.lock();
        let receiver: Arc<dyn Receive> = Arc::<Self>::clone(&running);
        let stream = session.request(Request::Exec(exec), receiver)?;
        state.link = Some((session.clone(), stream));
        drop(state);
        Ok(running)
    }

    /// One that an earlier process started.
    pub(crate) fn found(sandbox: &SandboxId, exec: &message::ExecState, unix_ms: u64) -> Arc<Self> {
        let about = read_label(sandbox, exec, unix_ms);
        let pid = u32::try_from(exec.pid).unwrap_or_default();
        let mut running = Self::new(about, Start::Done { pid }, false);
        let state = running.state.get_mut();
        let age = Duration::from_millis(exec.age_ms);
        state.began = Instant::now().checked_sub(age).unwrap_or(state.began);
        Arc::new(running)
    }

    fn new(about: About, start: Start, waits_for_reader: bool) -> Self {
        Self {
            about,
            input: tokio::sync::Mutex::new(false),
            state: Mutex::new(State {
                start,
                link: None,
                log: Log::new(waits_for_reader),
                began: Instant::now(),
                end: None,
            }),
            changed: Notify::new(),
        }
    }

    /// Goes on in another conversation, in which it has this stream.
    pub(crate) fn take_up(self: &Arc<Self>, session: &Session, stream: StreamId) {
        let after = {
            let mut state = self.state.lock();
            if state.end.is_some() {
                drop(state);
                return session.say(stream, Request::Release);
            }
            state.link = Some((session.clone(), stream));
            state.log.received()
        };
        let receiver: Arc<dyn Receive> = Arc::<Self>::clone(self);
        session.take_up(stream, after, receiver);
    }

    /// Waits until it runs, or can't.
    pub(crate) async fn started(&self) -> Result<(), StartError> {
        let known = self.when(|state| match &state.start {
            Start::Asked => None,
            Start::Done { .. } => Some(Ok(())),
            Start::Refused { message } => Some(Err(StartError::Refused {
                message: message.clone(),
            })),
            Start::Unknown(end) => Some(Err(StartError::Over(end.clone()))),
        });
        let Some((session, stream)) = self.link() else {
            return known.await;
        };
        session.while_it_answers(known).await.unwrap_or_else(|end| {
            // Nobody waits for it any more.
            session.forget(stream);
            session.say(stream, Request::Cancel);
            Err(StartError::Over(end))
        })
    }

    /// The sandbox is gone, and with it the command.
    pub(crate) fn gone(&self) {
        self.finish(Exit {
            code: 128 + 9,
            signal: Some(9),
            timed_out: false,
            unseen: Some(Unseen::SandboxGone),
        });
    }

    /// Waits until its time is over and the sandbox, which was to end it then, doesn't answer; without
    /// end if it has no limit.
    async fn unanswered(&self) {
        let Some(limit) = self.about.limit else {
            return std::future::pending().await;
        };
        let began = self.state.lock().began;
        let mut at = tokio::time::Instant::from_std(began) + limit + GRACE;
        loop {
            tokio::time::sleep_until(at).await;
            if let Some((session, _)) = self.link()
                && !session.answers().await
            {
                return;
            }
            // What it wrote may be waiting for its readers.
            at = tokio::time::Instant::now() + GRACE;
        }
    }

    /// Gives it up: its time is over, and the sandbox doesn't answer.
    fn give_up(&self) {
        let link = self.link();
        let silent = link.as_ref().and_then(|(session, _)| session.silent_for());
        self.finish(Exit {
            code: 128 + 9,
            signal: Some(9),
            timed_out: true,
            unseen: Some(Unseen::NoAnswer {
                silent_s: silent.unwrap_or_default().as_secs(),
            }),
        });
        if let Some((session, stream)) = link {
            session.forget(stream);
            // Once the sandbox answers again.
            session.say(stream, Request::Cancel);
            session.say(stream, Request::Release);
        }
    }

    /// That the sandbox doesn't answer.
    pub(super) fn no_answer(&self, silent_s: u64) -> SandboxError {
        SandboxError::Session {
            id: self.about.sandbox.clone(),
            reason: format!("no response from its first process for {silent_s} s"),
        }
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.state.lock().end.is_none()
    }

    pub(crate) fn link(&self) -> Option<(Session, StreamId)> {
        self.state.lock().link.clone()
    }

    /// How it ended; `None` while it runs.
    pub(super) fn end(&self) -> Option<Exit> {
        self.state.lock().end.map(|(exit, _)| exit)
    }

    pub(crate) fn pid(&self) -> u32 {
        match self.state.lock().start {
            Start::Done { pid } => pid,
            _ => 0,
        }
    }

    pub(crate) fn timing_ms(&self) -> u64 {
        let state = self.state.lock();
        state.end.map_or_else(|| age_ms(state.began), |(_, ms)| ms)
    }

    pub(crate) fn view(&self) -> ExecView {
        let pid = self.pid();
        let end = self.state.lock().end;
        let about = self.about.clone();
        ExecView {
            exec_id: about.id,
            pid,
            command: about.command,
            cwd: about.cwd,
            env: about.env,
            pty: about.pty.is_some(),
            background: about.background,
            started_at_ms: about.started_at_ms,
            exit_code: end.map(|(exit, _)| exit.code),
        }
    }

    /// Somebody who reads what comes after a number.
    pub(crate) fn reader(self: &Arc<Self>, after: u64) -> Reader {
        Reader {
            id: self.state.lock().log.enter(after),
            running: Arc::clone(self),
        }
    }

    async fn when<T>(&self, mut is_so: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = is_so(&mut self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn finish(&self, exit: Exit) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some((exit, age_ms(state.began)));
            state.log.push(ExecEventKind::Ended(exit));
        }
        state.link = None;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Sends a credit; there is nobody to send it to while the sandbox can't be reached.
    fn allow(&self, credit: Option<u64>) {
        if let Some(limit) = credit
            && let Some((session, stream)) = self.link()
        {
            session.allow(stream, limit);
        }
    }
}

impl Receive for Running {
    fn data(&self, is_error: bool, data: Bytes) -> Result<Option<u64>, SessionEnd> {
        let kind = match (self.about.pty, is_error) {
            (Some(_), _) => ExecEventKind::Pty,
            (None, true) => ExecEventKind::Stderr,
            (None, false) => ExecEventKind::Stdout,
        };
        let credit = self.state.lock().log.receive(kind, data);
        let credit = credit.map_err(|error| SessionEnd(error.to_string()))?;
        self.changed.notify_waiters();
        Ok(credit)
    }

    fn event(&self, event: Event) -> Result<bool, SessionEnd> {
        match event {
            Event::Started { pid } => {
                let pid = pid.and_then(|pid| u32::try_from(pid).ok());
                let mut state = self.state.lock();
                state.start = Start::Done {
                    pid: pid.unwrap_or_default(),
                };
                state.began = Instant::now();
                drop(state);
                self.changed.notify_waiters();
                Ok(false)
            }
            Event::Dropped { bytes } => {
                let credit = self.state.lock().log.dropped(bytes);
                self.allow(credit);
                self.changed.notify_waiters();
                Ok(false)
            }
            Event::Resumed { from, input } => {
                let link = {
                    let mut state = self.state.lock();
                    state.log.resume(from);
                    state.link.clone()
                };
                if let Some((session, stream)) = link {
                    session.input_arrived(stream, input);
                }
                Ok(false)
            }
            Event::Exited(exit) => {
                if let Some((session, stream)) = self.link() {
                    session.say(stream, Request::Release);
                }
                let code = exit.code.or(exit.signal.map(|signal| 128 + signal));
                self.finish(Exit {
                    code: code.unwrap_or(-1),
                    signal: exit.signal,
                    timed_out: exit.timed_out,
                    unseen: None,
                });
                Ok(true)
            }
            Event::Refused { message, .. } => {
                let mut state = self.state.lock();
                let is_start = matches!(state.start, Start::Asked);
                if is_start {
                    state.start = Start::Refused { message };
                }
                drop(state);
                if is_start {
                    self.changed.notify_waiters();
                } else {
                    // One that can't be taken up again is as good as ended.
                    self.gone();
                }
                Ok(true)
            }
            _ => Err(SessionEnd("a command said what no command can".into())),
        }
    }

    fn over(&self, end: &SessionEnd) {
        let mut state = self.state.lock();
        state.link = None;
        if matches!(state.start, Start::Asked) {
            state.start = Start::Unknown(end.clone());
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

/// Why a command does not run.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The sandbox says so.
    Refused { message: String },
    /// Nobody knows.
    Over(SessionEnd),
}

impl StartError {
    pub(crate) fn shown(self, id: &wire::sandbox::SandboxId) -> SandboxError {
        match self {
            Self::Refused { message, .. } => SandboxError::ExecFailed { reason: message },
            Self::Over(end) => SandboxError::Session {
                id: id.clone(),
                reason: end.to_string(),
            },
        }
    }
}

/// Somebody who reads a command's events.
#[derive(Debug)]
pub(crate) struct Reader {
    running: Arc<Running>,
    id: u64,
}

impl Reader {
    /// What comes next: at least one event, and none after the last.
    pub(crate) async fn next(&self) -> VecDeque<ExecEvent> {
        let taken = self.running.when(|state| {
            let (taken, credit) = state.log.take(self.id);
            (!taken.is_empty()).then_some((taken, credit))
        });
        let (taken, credit) = tokio::select! {
            biased;
            taken = taken => taken,
            () = self.running.unanswered() => {
                self.running.give_up();
                self.running.state.lock().log.take(self.id)
            }
        };
        self.running.allow(credit);
        taken
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let credit = self.running.state.lock().log.leave(self.id);
        self.running.allow(credit);
    }
}

fn age_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
