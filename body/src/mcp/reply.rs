//! How answers go back over HTTP: a JSON body where the answer is all there is, an event stream
//! as soon as there is more, or nothing for long.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};

use wire::mcp::McpKind;

use super::{
    message::{Answer, Message, code},
    queue::{Outbox, Outgoing},
    resume::{Answering, Source},
    session::{Busy, Channel, Session},
    upstream::Upstream,
};

/// An answer that takes no longer is JSON. Otherwise a stream is begun, so that client and proxies
/// see at once that the request is being worked on.
pub const AT_ONCE: Duration = Duration::from_millis(100);
/// How often a silent stream shows that it lives.
pub const SILENCE: Duration = Duration::from_secs(15);

/// A request that is being answered: dropped, it is cancelled at the server.
pub struct Call {
    upstream: Option<Arc<Upstream>>,
    number: u64,
}

impl Call {
    pub fn new(upstream: &Arc<Upstream>, number: u64) -> Self {
        Self {
            upstream: Some(Arc::clone(upstream)),
            number,
        }
    }

    /// It ends with its answer or with its session, and not before.
    pub fn leave(mut self) {
        self.upstream = None;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(upstream) = &self.upstream {
            upstream.abandon(self.number, "the client is gone");
        }
    }
}

/// A POST that is being answered.
pub struct Post {
    session: Option<(Arc<Session>, u64, Busy)>,
    /// A session that is over with this.
    only: Option<Arc<Session>>,
    /// Id of the one request that it is.
    request: Option<Box<str>>,
    calls: Vec<Call>,
    /// Requests over all servers of which it is not known yet whom they concern: servers may have
    /// to start for that.
    asking: FuturesUnordered<BoxFuture<'static, Option<Call>>>,
}

impl Post {
    /// Of a session that has a mailbox: what the mailbox may put onto its answer; requests of
    /// servers only if it `asks`.
    pub fn of(session: &Arc<Session>, sink: &super::queue::Sink, asks: bool) -> Self {
        let number = match &session.channel {
            Channel::Mailbox(mailbox) => mailbox.post(sink.clone(), asks),
            Channel::Stream(_) => 0,
        };
        Self {
            session: Some((Arc::clone(session), number, session.busy())),
            only: None,
            request: None,
            calls: Vec::new(),
            asking: FuturesUnordered::new(),
        }
    }

    /// Of a session that lasts no longer.
    pub fn only(session: &Arc<Session>) -> Self {
        Self {
            session: None,
            only: Some(Arc::clone(session)),
            request: None,
            calls: Vec::new(),
            asking: FuturesUnordered::new(),
        }
    }

    /// The session that it is of, and its number there.
    pub fn session(&self) -> Option<(Arc<Session>, u64)> {
        let (session, number, _) = self.session.as_ref()?;
        Some((Arc::clone(session), *number))
    }

    /// It is one request, of this id.
    pub fn answers(&mut self, request: Option<&str>) {
        self.request = request.map(Box::from);
    }

    pub fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }

    pub fn add(&mut self, call: Option<Call>) {
        self.calls.extend(call);
    }

    /// A request that is asked while its answer is waited for.
    pub fn ask(&mut self, asking: impl Future<Output = Option<Call>> + Send + 'static) {
        self.asking.push(Box::pin(asking));
    }

    /// Goes on asking; for ever, so that it only ends with what it is waited for beside.
    pub async fn asked(&mut self) {
        while let Some(call) = self.asking.next().await {
            self.calls.extend(call);
        }
        std::future::pending().await
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some((session, number, _)) = &self.session
            && let Channel::Mailbox(mailbox) = &session.channel
        {
            mailbox.posted(*number);
        }
        // The calls first: they are told why.
        self.calls.clear();
        if let Some(session) = &self.only {
            session.end();
        }
    }
}

/// What is done to an answer before it goes out, and the status where it is all there is.
pub type Finish = Box<dyn Fn(Answer) -> (StatusCode, Answer) + Send>;

/// What an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, or a stream as soon as it takes a moment.
    Any,
    /// The client takes no stream: JSON, and nothing of what the server says before, unless it asks.
    Json,
}

impl Form {
    /// What a client accepts.
    pub fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::ACCEPT) && !super::http::wants_events(headers) {
            Self::Json
        } else {
            Self::Any
        }
    }
}

fn is_notification(text: &Bytes) -> bool {
    let message = Message::read(text.clone());
    message.is_ok_and(|message| message.kind == McpKind::Notification)
}

/// Waits for the answers and sends them.
pub async fn respond(
    mut outbox: Outbox,
    expected: usize,
    batch: bool,
    form: Form,
    mut post: Post,
    finish: Option<Finish>,
) -> Response {
    let mut answers: Vec<Answer> = Vec::new();
    let mut done = 0;
    let mut status = StatusCode::OK;
    let silence = tokio::time::sleep(AT_ONCE);
    tokio::pin!(silence);
    let first = loop {
        tokio::select! {
            next = outbox.next() => match next {
                Some(Outgoing::Answer(answer)) => {
                    let (found, answer) = match &finish {
                        Some(finish) => finish(answer),
                        None => (StatusCode::OK, answer),
                    };
                    status = found;
                    answers.push(answer);
                    done += 1;
                }
                Some(Outgoing::Cancelled) => done += 1,
                Some(Outgoing::Note(text)) if form == Form::Json && is_notification(&text) => {}
                Some(Outgoing::Note(text)) => break Some(text),
                None => break None,
            },
            () = post.asked() => {}
            () = &mut silence, if form == Form::Any => break None,
        }
        if done == expected {
            return match answers.as_slice() {
                [] => streamed(stream::empty::<Bytes>()),
                [answer] if !batch => json(status, answer.text.clone()),
                answers => json(StatusCode::OK, joined(answers)),
            };
        }
    };
    let waiting: Vec<Bytes> = answers
        .into_iter()
        .map(|answer| answer.text)
        .chain(first)
        .collect();
    let source = Source {
        outbox,
        left: expected - done,
        post: Some(post),
        finish,
    };
    let silent = waiting.is_empty();
    let answering = Answering::begin(source, waiting);
    if silent {
        answering.read_from_the_start()
    } else {
        answering.read(0)
    }
}

fn joined(answers: &[Answer]) -> Bytes {
    let texts: Vec<&[u8]> = answers.iter().map(|answer| &*answer.text).collect();
    [b"[".as_slice(), &texts.join(b",".as_slice()), b"]"]
        .concat()
        .into()
}

/// An event of a stream.
pub fn event(id: Option<&str>, text: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(text.len() + 48);
    event.extend_from_slice(b"event: message\n");
    if let Some(id) = id {
        event.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(text);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// A response that is an event stream.
pub fn streamed(events: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(events.map(Ok::<_, std::convert::Infallible>));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        ),
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, body).into_response()
}

/// A response of JSON text.
pub fn json(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, Body::from(text.into())).into_response()
}

/// A refusal that belongs to no request that could be read.
pub fn refused(status: StatusCode, code: i32, message: &str) -> Response {
    json(status, Answer::refusal("null", code, message).text)
}

/// There is no such session: the client is to begin anew.
pub fn no_session() -> Response {
    let message = "session not found; initialize again";
    refused(StatusCode::NOT_FOUND, code::SESSION_NOT_FOUND, message)
}
