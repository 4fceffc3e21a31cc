//! A command in a sandbox: its output by number, its stdin, signals, terminal and end.

mod about;
mod log;
mod running;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use frames::message::Request;
use futures_util::{StreamExt, stream, stream::BoxStream};
use wire::sandbox::{ExecAnswer, ExecView, PtySize};

pub(crate) use self::{about::About, running::Running};
use crate::error::SandboxError;

/// The most of stdout, and of stderr, that [`Exec::wait`] answers.
const ANSWER_BYTES: usize = 16 << 20;

/// A command. Cheap to clone; dropping it ends nothing.
#[derive(Clone, Debug)]
pub struct Exec(pub(crate) Arc<Running>);

/// Something that a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecEvent {
    /// Counts from 1.
    pub seq: u64,
    /// What.
    pub kind: ExecEventKind,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecEventKind {
    /// It wrote to stdout.
    Stdout(Bytes),
    /// It wrote to stderr.
    Stderr(Bytes),
    /// Its terminal shows this.
    Pty(Bytes),
    /// Events up to this number, and after the one that was asked for, are no longer kept.
    Dropped {
        /// Number of the last of them.
        to: u64,
    },
    /// It ended; nothing follows.
    Ended(Exit),
}

impl ExecEventKind {
    /// Output, if it is that.
    #[must_use]
    pub fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Stdout(data) | Self::Stderr(data) | Self::Pty(data) => Some(data),
            Self::Dropped { .. } | Self::Ended(_) => None,
        }
    }

    fn size(&self) -> usize {
        self.data().map_or(0, Bytes::len)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status, or 128 + the signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether its time was over.
    pub timed_out: bool,
    /// Why its own end wasn't seen; `None` if it was.
    pub unseen: Option<Unseen>,
}

/// Why a command's end wasn't seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The sandbox ended under it.
    SandboxGone,
    /// Its time is over, and the sandbox doesn't answer.
    NoAnswer {
        /// For how many seconds the sandbox had said nothing.
        silent_s: u64,
    },
}

impl Exec {
    /// Its id, for `Sandboxes::exec_of`.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.about.id.clone()
    }

    /// Its process id inside the sandbox.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// What it is, and where it stands.
    #[must_use]
    pub fn view(&self) -> ExecView {
        self.0.view()
    }

    /// Its events after a number: what is kept of them, then what comes, to its end. A command that
    /// writes more than its readers take waits for the slowest of them; without a reader only the
    /// newest output is kept. One that isn't in the background waits for its first reader.
    #[must_use]
    pub fn events(&self, after: u64) -> BoxStream<'static, ExecEvent> {
        let reader = self.0.reader(after);
        let state = (reader, VecDeque::new(), false);
        stream::unfold(state, |(reader, mut taken, is_over)| async move {
            if is_over {
                return None;
            }
            let event: ExecEvent = match taken.pop_front() {
                Some(event) => event,
                None => {
                    taken = reader.next().await;
                    taken.pop_front()?
                }
            };
            let is_over = matches!(event.kind, ExecEventKind::Ended(_));
            Some((event, (reader, taken, is_over)))
        })
        .boxed()
    }

    /// Writes to its stdin or its terminal; waits until the sandbox takes it.
    ///
    /// # Errors
    /// [`SandboxError::ExecClosed`]; [`SandboxError::Session`] if the sandbox doesn't answer.
    pub async fn write_stdin(&self, bytes: Bytes) -> Result<(), SandboxError> {
        let closed = self.0.input.lock().await;
        let sent = match self.0.link() {
            Some((session, stream)) if !*closed => session.send(stream, &bytes).await,
            _ => false,
        };
        drop(closed);
        match self.0.link().and_then(|(session, _)| session.silent_for()) {
            _ if sent => Ok(()),
            Some(silent) => Err(self.0.no_answer(silent.as_secs())),
            None => Err(SandboxError::ExecClosed(self.id())),
        }
    }

    /// Ends its stdin. The second time does nothing.
    ///
    /// # Errors
    /// [`SandboxError::ExecClosed`] if it has ended.
    pub async fn close_stdin(&self) -> Result<(), SandboxError> {
        let mut closed = self.0.input.lock().await;
        let (session, stream) = self.linked()?;
        if !std::mem::replace(&mut *closed, true) {
            session.close_input(stream);
        }
        Ok(())
    }

    /// Sends a signal to it and to all that it started in its group.
    ///
    /// # Errors
    /// [`SandboxError::ExecClosed`] if it has ended; [`SandboxError::Invalid`].
    pub async fn signal(&self, signal: i32) -> Result<(), SandboxError> {
        if !(1..=64).contains(&signal) {
            return Err(SandboxError::Invalid {
                field: "signal",
                reason: format!("{signal} isn't the number of a signal"),
            });
        }
        let (session, stream) = self.linked()?;
        session.say(
            stream,
            Request::Signal {
                signal,
                group: true,
            },
        );
        Ok(())
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// [`SandboxError::ExecClosed`] if it has ended; [`SandboxError::Invalid`] if it has no terminal.
    pub async fn resize(&self, size: PtySize) -> Result<(), SandboxError> {
        if self.0.about.pty.is_none() {
            return Err(SandboxError::Invalid {
                field: "pty",
                reason: "the command has no terminal".into(),
            });
        }
        let (session, stream) = self.linked()?;
        let PtySize { cols, rows } = size;
        session.say(
            stream,
            Request::Resize(frames::message::Size { cols, rows }),
        );
        Ok(())
    }

    /// Waits for its end, and answers all that it wrote, up to a limit.
    ///
    /// # Errors
    /// [`SandboxError::Session`] if its time is over and the sandbox doesn't answer.
    pub async fn answer(&self) -> Result<ExecAnswer, SandboxError> {
        let answer = self.wait().await;
        match self.0.end().and_then(|exit| exit.unseen) {
            Some(Unseen::NoAnswer { silent_s }) => Err(self.0.no_answer(silent_s)),
            Some(Unseen::SandboxGone) | None => Ok(answer),
        }
    }

    /// The same; a command whose sandbox doesn't answer counts as killed.
    pub async fn wait(&self) -> ExecAnswer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut truncated = false;
        let mut end = None;
        let mut events = self.events(0);
        while let Some(event) = events.next().await {
            let (into, data) = match &event.kind {
                ExecEventKind::Stdout(data) | ExecEventKind::Pty(data) => (&mut stdout, data),
                ExecEventKind::Stderr(data) => (&mut stderr, data),
                ExecEventKind::Dropped { .. } => {
                    truncated = true;
                    continue;
                }
                ExecEventKind::Ended(exit) => {
                    end = Some(*exit);
                    continue;
                }
            };
            let kept = data.len().min(ANSWER_BYTES - into.len());
            truncated |= kept < data.len();
            into.extend_from_slice(&data[..kept]);
        }
        ExecAnswer {
            exec_id: self.id(),
            stdout: text(stdout),
            stderr: text(stderr),
            exit_code: end.map(|exit| exit.code),
            timed_out: end.is_some_and(|exit| exit.timed_out),
            truncated,
            timing_ms: self.0.timing_ms(),
        }
    }

    fn linked(&self) -> Result<(init_client::Session, frames::StreamId), SandboxError> {
        let link = self.0.link();
        link.ok_or_else(|| SandboxError::ExecClosed(self.id()))
    }
}

/// Bytes as text; a copy is made only of what is not UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
