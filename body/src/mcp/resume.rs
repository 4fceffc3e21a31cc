//! The event stream that answers a POST: what it said is kept for a while, so that a client whose
//! connection broke takes it up where it stopped, with a GET and `Last-Event-ID`.
//! <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery>

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{
    message::{Answer, code},
    queue::{Outbox, Outgoing},
    reply::{self, Finish, Post, SILENCE, event},
    session::{Channel, Session},
    version,
};

/// Of what was read already, so much is kept.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 1 << 20;

/// A stream that was read to its end is kept where it is no longer than this.
const WHOLE_BYTES: usize = 64 << 10;

/// A POST's stream.
pub struct Answering {
    /// Of its session's POSTs; none where it can't be taken up again.
    number: Option<u64>,
    /// What its events' ids end with: the request's id, for a relay that knows the stream no more.
    request: String,
    /// Whether a client that hears nothing for long is told a number to come back with.
    primes: bool,
    source: tokio::sync::Mutex<Source>,
    kept: Mutex<Kept>,
    /// A newer reader took its place.
    taken: Notify,
}

/// What is still to come.
pub struct Source {
    pub outbox: Outbox,
    /// Answers that are missing.
    pub left: usize,
    /// Dropped, the calls are cancelled.
    pub post: Option<Post>,
    pub finish: Option<Finish>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    last: u64,
    /// Counts readers; only the newest reads.
    readers: u64,
    /// Since when nobody reads.
    left: Option<Instant>,
    /// All is said.
    done: bool,
}

impl Kept {
    fn is_spent(&self) -> bool {
        self.done && self.events.is_empty()
    }
}

impl Answering {
    /// Begins with these messages; those of a session may be taken up again.
    pub fn begin(source: Source, first: Vec<Bytes>) -> Arc<Self> {
        let session = source.post.as_ref().and_then(Post::session);
        let done = source.left == 0;
        let request = source.post.as_ref().and_then(Post::request);
        let answering = Arc::new(Self {
            request: request.map(coded).unwrap_or_default(),
            number: session.as_ref().map(|(_, number)| *number),
            primes: session.as_ref().is_some_and(|(session, _)| {
                let client = session.client();
                client.is_some_and(|client| &*client.version >= version::PRIMES)
            }),
            source: tokio::sync::Mutex::new(source),
            kept: Mutex::default(),
            taken: Notify::new(),
        });
        for text in first {
            answering.keep(text);
        }
        answering.kept().done = done;
        if let Some((session, _)) = session
            && let Channel::Mailbox(mailbox) = &session.channel
        {
            mailbox.answering(&answering);
        }
        answering
    }

    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// Whether nobody came back for so long, or nothing is left to come back for.
    pub fn is_over(&self, patience: Duration) -> bool {
        let kept = self.kept();
        kept.left.is_some_and(|left| left.elapsed() >= patience) || kept.is_spent()
    }

    /// Whether nothing of it can be told again.
    pub fn is_spent(&self) -> bool {
        self.kept().is_spent()
    }

    /// The stream, from after this event on.
    pub fn read(self: &Arc<Self>, after: u64) -> Response {
        reply::streamed(self.reading(after))
    }

    /// The whole stream, with something at once though nothing was said yet.
    pub fn read_from_the_start(self: &Arc<Self>) -> Response {
        let sign = self.sign();
        reply::streamed(stream::once(async { sign }).chain(self.reading(0)))
    }

    fn reading(self: &Arc<Self>, after: u64) -> impl Stream<Item = Bytes> + Send + use<> {
        let reader = {
            let mut kept = self.kept();
            kept.readers += 1;
            kept.left = None;
            kept.readers
        };
        self.taken.notify_waiters();
        let reading = Reading {
            answering: Arc::clone(self),
            reader,
            seen: after,
        };
        stream::unfold(reading, |mut reading| async move {
            let chunk = reading.next().await?;
            Some((chunk, reading))
        })
    }

    fn keep(&self, text: Bytes) {
        let mut kept = self.kept();
        kept.last += 1;
        kept.bytes += text.len();
        let number = kept.last;
        kept.events.push_back((number, text));
        // The newest is unread.
        while kept.events.len() > 1 && (kept.events.len() > KEPT || kept.bytes > KEPT_BYTES) {
            if let Some((_, gone)) = kept.events.pop_front() {
                kept.bytes -= gone.len();
            }
        }
    }

    /// Waits for the next message, and keeps it; what is sent meanwhile where there is none.
    async fn fetch(&self) -> Option<Bytes> {
        let mut source = self.source.lock().await;
        let next = {
            let Source { outbox, post, .. } = &mut *source;
            let asking = async {
                match post {
                    Some(post) => post.asked().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = outbox.next() => next,
                () = asking => return None,
                () = tokio::time::sleep(SILENCE) => return Some(self.sign()),
            }
        };
        match next {
            Some(Outgoing::Note(text)) => self.keep(text),
            Some(Outgoing::Answer(answer)) => {
                source.left -= 1;
                let answer = match &source.finish {
                    Some(finish) => finish(answer).1,
                    None => answer,
                };
                self.keep(answer.text);
            }
            Some(Outgoing::Cancelled) => source.left -= 1,
            None => source.left = 0,
        }
        if source.left == 0 {
            self.kept().done = true;
            source.post = None;
        }
        None
    }

    /// Something for a connection that is silent.
    fn sign(&self) -> Bytes {
        match self.number {
            Some(number) if self.primes => {
                let last = self.kept().last;
                format!("id: {}\ndata: \n\n", self.id(number, last)).into()
            }
            _ => Bytes::from_static(b":\n\n"),
        }
    }

    fn id(&self, post: u64, event: u64) -> String {
        id(post, event, &self.request)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock()
    }
}

/// Of a request's id, so much is put into those of events.
const LONGEST: usize = 64;

fn id(post: u64, event: u64, request: &str) -> String {
    format!("p{post}-{event}{request}")
}

/// A request's id in letters that an event's id may have; empty if it is too long.
fn coded(request: &str) -> String {
    if request.len() > LONGEST {
        return String::new();
    }
    let bytes = request.bytes().map(|byte| format!("{byte:02x}"));
    format!("-{}", bytes.collect::<String>())
}

fn decoded(coded: &str) -> Option<String> {
    if coded.len() > LONGEST * 2 {
        return None;
    }
    let digits = coded.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let text = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
    // It goes into an answer as it is.
    let id: serde_json::Value = serde_json::from_str(&text).ok()?;
    (id.is_string() || id.is_number()).then(|| id.to_string())
}

/// What a `Last-Event-ID` names.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub post: u64,
    pub event: u64,
    /// Id of the request that the stream answers.
    pub request: Option<String>,
}

/// The place that a `Last-Event-ID` names; none where it is of another stream.
pub fn place(id: &str) -> Option<Place> {
    let (post, rest) = id.strip_prefix('p')?.split_once('-')?;
    let (event, request) = match rest.split_once('-') {
        Some((event, request)) => (event, decoded(request)),
        None => (rest, None),
    };
    Some(Place {
        post: post.parse().ok()?,
        event: event.parse().ok()?,
        request,
    })
}

/// Takes a session's stream up again; none where it is over. Of one that an earlier life of the relay
/// began, the client is told that there will be no answer.
pub fn resume(session: &Session, place: Place) -> Option<Response> {
    let Channel::Mailbox(mailbox) = &session.channel else {
        return None;
    };
    if let Some(answering) = mailbox.answered(place.post) {
        return Some(answering.read(place.event));
    }
    if !session.taken_up || mailbox.has_begun(place.post) {
        return None;
    }
    let text =
        "the machine was restarted before this request was answered; it may have been carried out";
    let answer = Answer::refusal(&place.request?, code::SERVER_GONE, text);
    let told = event(None, &answer.text);
    Some(reply::streamed(stream::once(async { told })))
}

/// A stream that is read.
struct Reading {
    answering: Arc<Answering>,
    reader: u64,
    seen: u64,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let taken = self.answering.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            {
                let kept = self.answering.kept();
                if kept.readers != self.reader {
                    return None;
                }
                let place = kept
                    .events
                    .partition_point(|(number, _)| *number <= self.seen);
                if let Some((number, text)) = kept.events.get(place) {
                    self.seen = *number;
                    let id = self.answering.number;
                    let id = id.map(|post| self.answering.id(post, *number));
                    return Some(event(id.as_deref(), text));
                }
                if kept.done {
                    return None;
                }
            }
            tokio::select! {
                () = taken => {}
                sign = self.answering.fetch() => if sign.is_some() {
                    return sign;
                }
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut kept = self.answering.kept();
        if kept.readers == self.reader {
            kept.left = Some(Instant::now());
            let read = kept.last == self.seen;
            if kept.done && read && kept.bytes > WHOLE_BYTES {
                kept.events.clear();
                kept.bytes = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_events_name_their_stream() {
        for request in ["7", "\"c 1\"", "-3"] {
            let expected = Place {
                post: 3,
                event: 14,
                request: Some(request.to_owned()),
            };
            assert_eq!(place(&id(3, 14, &coded(request))), Some(expected));
        }
        for no_id in ["", &coded(&"1".repeat(LONGEST + 1)), "-7b7d", "-zz", "-1"] {
            let place = place(&id(3, 14, no_id)).unwrap();
            assert_eq!((place.post, place.event, place.request), (3, 14, None));
        }
        for other in ["", "7", "p7", "p-1", "x1-2"] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
