//! A stream with one answer: a file that is read, a folder that is listed, an archive, a watch.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use frames::{
    StreamId,
    credit::{ENTRY_BYTES, OUTPUT_WINDOW, Receiving},
    message::{Event, Request},
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Receive, Session, SessionEnd};

/// Events that may wait; a sandbox that says more without being read is not to be trusted.
const MOST_EVENTS: usize = 4096;

/// A stream of one's own. Dropping it before its end cancels what it does; after it, what is kept of an
/// exec is forgotten.
#[derive(Debug)]
pub struct Call {
    session: Session,
    stream: StreamId,
    inbox: Arc<Inbox>,
}

/// What comes on a stream.
#[derive(Debug)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// An event.
    Event(Event),
}

#[derive(Debug)]
struct Inbox {
    state: Mutex<State>,
    changed: Notify,
    /// Bytes that may be under way.
    window: u64,
}

#[derive(Debug)]
struct State {
    pieces: VecDeque<Piece>,
    events: usize,
    receiving: Receiving,
    is_ended: bool,
    /// Whether something is kept of it until it is released.
    is_exec: bool,
    over: Option<SessionEnd>,
}

impl Call {
    /// Asks.
    pub fn new(session: &Session, request: Request) -> Result<Self, SessionEnd> {
        Self::with_window(session, request, OUTPUT_WINDOW)
    }

    /// Asks for much at once: that many bytes may be under way.
    pub fn with_window(
        session: &Session,
        request: Request,
        window: u64,
    ) -> Result<Self, SessionEnd> {
        let inbox = Arc::new(Inbox {
            state: Mutex::new(State {
                pieces: VecDeque::new(),
                events: 0,
                receiving: Receiving::new(0, window.max(OUTPUT_WINDOW)),
                is_ended: false,
                is_exec: matches!(request, Request::Exec(_)),
                over: None,
            }),
            changed: Notify::new(),
            window,
        });
        let receiver: Arc<dyn Receive> = Arc::<Inbox>::clone(&inbox);
        let stream = session.request(request, receiver)?;
        if inbox.window > OUTPUT_WINDOW {
            session.allow(stream, inbox.window);
        }
        Ok(Self {
            session: session.clone(),
            stream,
            inbox,
        })
    }

    /// What comes next; `None` after the last event.
    pub async fn next(&self) -> Result<Option<Piece>, SessionEnd> {
        loop {
            let changed = self.inbox.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let mut credit = None;
            let piece = {
                let mut state = self.inbox.state.lock();
                let piece = state.pieces.pop_front();
                match &piece {
                    Some(Piece::Data(data)) => credit = state.receiving.use_up(data.len()),
                    Some(Piece::Event(event)) => {
                        state.events -= 1;
                        if let bytes @ 1.. = weight(event) {
                            credit = state.receiving.use_up(bytes);
                        }
                    }
                    None if state.is_ended => return Ok(None),
                    None => {
                        if let Some(over) = &state.over {
                            return Err(over.clone());
                        }
                    }
                }
                piece
            };
            if let Some(limit) = credit {
                self.session.allow(self.stream, limit);
            }
            match piece {
                Some(piece) => return Ok(Some(piece)),
                None => self.session.while_it_answers(changed).await?,
            }
        }
    }

    /// The first event, which for most requests is the answer.
    pub async fn event(&self) -> Result<Event, SessionEnd> {
        loop {
            match self.next().await? {
                Some(Piece::Event(event)) => return Ok(event),
                Some(Piece::Data(_)) => {}
                None => return Err(SessionEnd("the answer is missing".into())),
            }
        }
    }

    /// Sends input; false if the other side takes no more.
    pub async fn send(&self, data: &[u8]) -> bool {
        self.session.send(self.stream, data).await
    }

    /// Says that the input is whole.
    pub fn close_input(&self) {
        self.session.close_input(self.stream);
    }

    /// Says something about it, such as that its terminal has another size.
    pub fn say(&self, request: Request) {
        self.session.say(self.stream, request);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (is_over, is_exec) = {
            let state = self.inbox.state.lock();
            (state.over.is_some(), state.is_exec)
        };
        if is_over {
            return;
        }
        if !self.inbox.state.lock().is_ended {
            self.session.forget(self.stream);
            self.session.say(self.stream, Request::Cancel);
        }
        if is_exec {
            self.session.say(self.stream, Request::Release);
        }
    }
}

/// As how many bytes of output an event counts.
fn weight(event: &Event) -> usize {
    let entries = match event {
        Event::Entries { entries } => entries.len(),
        Event::Changed { changes, .. } => changes.len(),
        _ => 0,
    };
    entries * ENTRY_BYTES
}

impl Receive for Inbox {
    fn data(&self, _is_error: bool, data: Bytes) -> Result<Option<u64>, SessionEnd> {
        let mut state = self.state.lock();
        let received = state.receiving.receive(data.len());
        received.map_err(|error| SessionEnd(error.to_string()))?;
        match state.pieces.back_mut() {
            // Many small pieces would take far more memory than their bytes.
            Some(Piece::Data(last)) if last.len() + data.len() <= frames::MOST_DATA_BYTES / 8 => {
                *last = [last.as_ref(), data.as_ref()].concat().into();
            }
            _ => state.pieces.push_back(Piece::Data(data)),
        }
        drop(state);
        self.changed.notify_one();
        Ok(None)
    }

    fn event(&self, event: Event) -> Result<bool, SessionEnd> {
        // Each stream that is a call ends with its answer, but for what goes on after it.
        let is_last = !matches!(
            event,
            Event::Started { .. }
                | Event::Entries { .. }
                | Event::File(_)
                | Event::Changed { .. }
                | Event::Resumed { .. }
        );
        let mut state = self.state.lock();
        if state.events >= MOST_EVENTS {
            return Err(SessionEnd(
                "unexpected response: it is longer than was requested".into(),
            ));
        }
        let received = state.receiving.receive(weight(&event));
        received.map_err(|error| SessionEnd(error.to_string()))?;
        state.events += 1;
        state.pieces.push_back(Piece::Event(event));
        state.is_ended |= is_last;
        drop(state);
        self.changed.notify_one();
        Ok(is_last)
    }

    fn over(&self, end: &SessionEnd) {
        self.state.lock().over = Some(end.clone());
        self.changed.notify_one();
    }
}
