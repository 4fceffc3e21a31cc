//! What waits to be sent to a client: bounded, so that one who does not read costs little and slows
//! nobody.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::message::{Answer, LARGEST};

/// Messages that may wait.
const MOST: usize = 16 << 10;

/// A message for a client.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A notification, or a request of the server's.
    Note(Bytes),
    /// An answer.
    Answer(Answer),
    /// There will be no answer: the client cancelled.
    Cancelled,
}

impl Outgoing {
    /// The message.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Note(text) => text,
            Self::Answer(answer) => &answer.text,
            Self::Cancelled => &[],
        }
    }
}

/// Where messages are put.
#[derive(Clone, Debug)]
pub struct Sink {
    messages: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<Waiting>,
}

/// What waits.
#[derive(Debug, Default)]
struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// The client does not read, or is gone.
#[derive(Debug, PartialEq, Eq)]
pub enum Full {
    Stuck,
    Gone,
}

impl Sink {
    /// Puts one. Any one message fits, however large: the bound is on what waits already.
    pub fn put(&self, message: Outgoing) -> Result<(), Full> {
        let size = message.text().len();
        let Waiting { messages, bytes } = &*self.waiting;
        if messages.load(Ordering::Relaxed) >= MOST || bytes.load(Ordering::Relaxed) > LARGEST {
            return Err(Full::Stuck);
        }
        messages.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(size, Ordering::Relaxed);
        self.messages.send(message).map_err(|_| Full::Gone)
    }
}

/// Where they are taken.
#[derive(Debug)]
pub struct Outbox {
    messages: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<Waiting>,
}

impl Outbox {
    /// The next one; none when all sinks are gone.
    pub async fn next(&mut self) -> Option<Outgoing> {
        let message = self.messages.recv().await?;
        Some(self.taken(message))
    }

    /// The next one that is there already.
    pub fn ready(&mut self) -> Option<Outgoing> {
        let message = self.messages.try_recv().ok()?;
        Some(self.taken(message))
    }

    fn taken(&self, message: Outgoing) -> Outgoing {
        let Waiting { messages, bytes } = &*self.waiting;
        messages.fetch_sub(1, Ordering::Relaxed);
        bytes.fetch_sub(message.text().len(), Ordering::Relaxed);
        message
    }
}

/// A new one.
pub fn queue() -> (Sink, Outbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(Waiting::default());
    let sink = Sink {
        messages: sender,
        waiting: Arc::clone(&waiting),
    };
    let outbox = Outbox {
        messages: receiver,
        waiting,
    };
    (sink, outbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_has_a_bound_that_reading_lifts() {
        let (sink, mut outbox) = queue();
        let note = || Outgoing::Note(Bytes::from_static(b"x"));
        for _ in 0..MOST {
            sink.put(note()).unwrap();
        }
        assert_eq!(sink.put(note()), Err(Full::Stuck));
        outbox.next().await.unwrap();
        sink.put(note()).unwrap();
        drop(outbox);
        let (large, _kept) = queue();
        let much = Bytes::from(vec![b'x'; LARGEST]);
        large.put(Outgoing::Note(much.clone())).unwrap();
        large.put(Outgoing::Note(much)).unwrap();
        assert_eq!(large.put(note()), Err(Full::Stuck));
    }
}
