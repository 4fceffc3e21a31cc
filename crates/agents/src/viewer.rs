//! Somebody who looks at an agent's terminal: a client of tmux on a terminal of its own in the container,
//! which is a stream of the conversation. Any number may look at once, each as fast as it reads.

use std::sync::{Arc, atomic::Ordering};

use agent_status::ToHelper;
use bytes::Bytes;
use frames::message::{Event, Request, Size};
use init_client::{Call, Piece};
use wire::agent::AgentState;

use crate::{agent::Agent, error::AgentError, link::argv};

/// The most that look at one agent at once.
pub(crate) const MOST_VIEWERS: usize = 64;
/// What the viewer's terminal can do; tmux draws for that.
const TERM: &str = "xterm-256color";

/// How somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Whether nothing is typed. The terminal's size doesn't count then.
    pub read_only: bool,
}

/// A terminal that shows an agent's. Dropping it ends it; the agent goes on.
#[derive(Debug)]
pub struct Viewer {
    call: Call,
    agent: Place,
    read_only: bool,
}

/// One of as many viewers as there may be.
#[derive(Debug)]
struct Place(Arc<Agent>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Viewer {
    /// Opens it.
    pub(crate) async fn open(agent: &Arc<Agent>, look: Look) -> Result<Self, AgentError> {
        let link = agent.link().await?;
        let place = Place::take(agent)?;
        let mut words = vec!["tmux", "-u", "attach-session", "-t", "=agent"];
        if look.read_only {
            words.extend(["-f", "read-only,ignore-size"]);
        }
        let mut exec = argv(&words, true);
        exec.pty = Some(size(look.cols, look.rows));
        exec.env = vec![("TERM".into(), TERM.into())];
        let call = Call::new(&link.session, Request::Exec(exec));
        let call = call.map_err(|end| agent.helper_error(end.to_string()))?;
        agent.tell(ToHelper::Seen);
        Ok(Self {
            call,
            agent: place,
            read_only: look.read_only,
        })
    }

    /// What it shows next, to be written to a terminal; `None` at its end. Whoever doesn't ask holds
    /// up nobody else.
    ///
    /// # Errors
    /// [`AgentError::Helper`] if the connection ended: the agent may go on.
    pub async fn next(&self) -> Result<Option<Bytes>, AgentError> {
        let agent = &self.agent.0;
        loop {
            let piece = self.call.next().await;
            match piece.map_err(|end| agent.helper_error(end.to_string()))? {
                Some(Piece::Data(data)) => return Ok(Some(data)),
                Some(Piece::Event(Event::Exited(_))) | None => return Ok(None),
                Some(Piece::Event(Event::Refused { message, .. })) => {
                    return Err(agent.helper_error(message));
                }
                Some(Piece::Event(_)) => {}
            }
        }
    }

    /// Types; false if nothing can be typed any more, or never could.
    pub async fn write(&self, typed: &[u8]) -> bool {
        if self.read_only {
            return false;
        }
        let agent = &self.agent.0;
        let waits = matches!(
            agent.snapshot.borrow().state,
            AgentState::Waiting { .. } | AgentState::YourTurn
        );
        if waits && is_answer(typed) {
            agent.tell(ToHelper::Typed);
            agent.tell(ToHelper::Seen);
        }
        self.call.send(typed).await
    }

    /// Its terminal has another size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.call.say(Request::Resize(size(cols, rows)));
    }
}

impl Place {
    fn take(agent: &Arc<Agent>) -> Result<Self, AgentError> {
        let taken = agent
            .viewers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |viewers| {
                (viewers < MOST_VIEWERS).then_some(viewers + 1)
            });
        match taken {
            Ok(_) => Ok(Self(Arc::clone(agent))),
            Err(_) => Err(AgentError::TooManyViewers {
                id: agent.about.id.clone(),
                limit: MOST_VIEWERS,
            }),
        }
    }
}

fn size(cols: u16, rows: u16) -> Size {
    Size { cols, rows }
}

/// Whether what was typed may answer a question: a character, Enter or Escape; not arrows, nor what a
/// terminal reports by itself.
fn is_answer(typed: &[u8]) -> bool {
    match typed {
        [] => false,
        [0x1b] => true,
        [0x1b, ..] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_and_reports_answer_nothing() {
        for typed in ["\r", "y", "\x1b", "1", "ü"] {
            assert!(is_answer(typed.as_bytes()), "{typed:?}");
        }
        for typed in ["", "\x1b[A", "\x1b[I", "\x1b[<0;1;1M", "\x1b[?1;2c"] {
            assert!(!is_answer(typed.as_bytes()), "{typed:?}");
        }
    }
}
