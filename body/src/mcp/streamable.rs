//! Streamable HTTP with sessions (revisions 2025-03-26 to 2025-11-25), for one server or for all.
//! <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use serde_json::value::RawValue;
use wire::mcp::McpKind;

use super::{
    Relay, aggregate, dispatch,
    filter::Filter,
    mailbox::Mailbox,
    message::{self, Answer, LARGEST, Message, code, lined},
    queue::{self, Outgoing, Sink},
    reply::{self, Form, Post, event, json, no_session, refused, respond},
    resume,
    server::Server,
    session::{Channel, Client, Session},
    stateless, version,
};

/// The session's header.
pub const SESSION: &str = "mcp-session-id";
/// The revision's header.
pub const VERSION: &str = "mcp-protocol-version";
/// A larger body is not even read to its end.
const NEVER_READ: usize = 512 << 20;
const ENDS: usize = 4 << 10;

/// Which server a route is of.
#[derive(Clone)]
pub enum At {
    One(Arc<Server>),
    All,
}

impl At {
    pub fn name(&self) -> Option<Arc<str>> {
        match self {
            Self::One(server) => Some(Arc::clone(&server.core.name)),
            Self::All => None,
        }
    }
}

/// A request's body.
pub enum Read {
    Whole(Bytes),
    /// Of a larger one, the id where it could be found.
    TooLarge(Option<String>),
    Broken,
}

/// Reads a body; of one that is too large the ends, and the rest goes by.
pub async fn read(body: Body) -> Read {
    let mut chunks = body.into_data_stream();
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let (mut head, mut tail, mut bytes) = (Bytes::new(), BytesMut::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return Read::Broken;
        };
        bytes += chunk.len();
        if bytes > NEVER_READ {
            return Read::TooLarge(None);
        }
        if bytes > LARGEST {
            if head.is_empty() {
                head = Bytes::copy_from_slice(&whole[..ENDS.min(whole.len())]);
                whole = BytesMut::new();
            }
            tail.extend_from_slice(&chunk);
            let gone = tail.len().saturating_sub(ENDS);
            tail = tail.split_off(gone);
        } else if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&chunk);
        }
    }
    if bytes > LARGEST {
        Read::TooLarge(message::id_of_cut(&head, &tail))
    } else if whole.is_empty() {
        Read::Whole(first)
    } else {
        Read::Whole(whole.freeze())
    }
}

/// What is answered to a message that is too large.
pub fn too_large(id: Option<String>) -> Response {
    let text = format!(
        "the message is larger than the limit of {} MiB",
        LARGEST >> 20
    );
    match id {
        Some(id) => json(
            StatusCode::OK,
            Answer::refusal(&id, code::INVALID_REQUEST, &text).text,
        ),
        None => refused(StatusCode::PAYLOAD_TOO_LARGE, code::INVALID_REQUEST, &text),
    }
}

fn word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `POST`: messages.
pub async fn post(
    relay: Arc<Relay>,
    at: At,
    filter: Filter,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let kind = word(&headers, "content-type").unwrap_or_default();
    if !kind
        .trim_start()
        .to_lowercase()
        .starts_with("application/json")
    {
        let text = "Content-Type must be application/json";
        return refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code::INVALID_REQUEST,
            text,
        );
    }
    let accept = word(&headers, "accept").unwrap_or("*/*");
    if ![
        "application/json",
        "text/event-stream",
        "*/*",
        "application/*",
    ]
    .iter()
    .any(|kind| accept.contains(kind))
    {
        let text = "Accept must include application/json and text/event-stream";
        return refused(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, text);
    }
    let body = match read(body).await {
        Read::Whole(body) => body,
        Read::TooLarge(id) => return too_large(id),
        Read::Broken => {
            let text = "the body could not be read completely";
            return refused(StatusCode::BAD_REQUEST, code::PARSE, text);
        }
    };
    let spoken = word(&headers, VERSION);
    if body.trim_ascii_start().first() == Some(&b'[') {
        return batch(&relay, &at, &headers, &body).await;
    }
    let message = match Message::read(body) {
        Ok(message) => message,
        Err(error) => {
            return refused(StatusCode::BAD_REQUEST, error.code(), &error.to_string());
        }
    };
    // Of a session's messages only one that names the revision is looked into for it.
    let in_session = spoken.is_some() && word(&headers, SESSION).is_some();
    if spoken == Some(version::STATELESS) || (!in_session && stateless::is_meant(spoken, &message))
    {
        return stateless::post(relay, at, filter, &headers, message).await;
    }
    if let Some(spoken) = spoken
        && !version::WITH_SESSIONS.contains(&spoken)
    {
        return stateless::unsupported(&message, spoken);
    }
    if message.kind == McpKind::Request
        && message.method() == "initialize"
        && word(&headers, SESSION).is_none()
    {
        return begin(&relay, &at, filter, &message).await;
    }
    let session = match find(&relay, &at, &headers) {
        Ok(session) => session,
        Err(missing) => return missing.into_response(),
    };
    if message.kind != McpKind::Request {
        dispatch::told(&session, &message);
        relay.remember(&session);
        return StatusCode::ACCEPTED.into_response();
    }
    let (sink, outbox) = queue::queue();
    let mut post = Post::of(&session, &sink, true);
    post.answers(message.id());
    one(&relay, &at, &session, &message, &sink, &mut post);
    relay.remember(&session);
    drop(sink);
    respond(outbox, 1, false, Form::of(&headers), post, None).await
}

/// A request of a session's: what answers it is in the sink, or will be.
fn one(
    relay: &Arc<Relay>,
    at: &At,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
    post: &mut Post,
) {
    match at {
        At::One(server) => {
            let made = session.attached(&server.core.name, || server.process(session));
            match made {
                Ok(upstream) => post.add(dispatch::request(session, &upstream, message, sink)),
                Err(error) => {
                    let id = message.id().unwrap_or("null");
                    let answer = Answer::refusal(id, code::SERVER_GONE, &error.to_string());
                    let _ = sink.put(Outgoing::Answer(answer));
                }
            }
        }
        At::All => post.ask(aggregate::request(relay, session, message, sink)),
    }
}

async fn batch(relay: &Arc<Relay>, at: &At, headers: &HeaderMap, body: &Bytes) -> Response {
    let bad = |text: &str| refused(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, text);
    let session = match find(relay, at, headers) {
        Ok(session) => session,
        Err(missing) => return missing.into_response(),
    };
    let agreed = session.client().map_or("", |client| &*client.version);
    if agreed > version::BATCHES {
        return bad("revisions after 2025-03-26 do not support batches");
    }
    let parts: Vec<&RawValue> = match serde_json::from_slice(body) {
        Ok(parts) => parts,
        Err(error) => return refused(StatusCode::BAD_REQUEST, code::PARSE, &error.to_string()),
    };
    if parts.is_empty() {
        return bad("a batch must contain at least one message");
    }
    let (sink, outbox) = queue::queue();
    let mut post = Post::of(&session, &sink, true);
    let mut expected = 0;
    for part in parts {
        let text = body.slice_ref(part.get().as_bytes());
        match Message::read(text) {
            Ok(message) if message.kind == McpKind::Request => {
                expected += 1;
                one(relay, at, &session, &message, &sink, &mut post);
            }
            Ok(message) => dispatch::told(&session, &message),
            Err(error) => {
                expected += 1;
                let answer = Answer::refusal("null", error.code(), &error.to_string());
                let _ = sink.put(Outgoing::Answer(answer));
            }
        }
    }
    drop(sink);
    if expected == 0 {
        return StatusCode::ACCEPTED.into_response();
    }
    respond(outbox, expected, true, Form::of(headers), post, None).await
}

/// A session that ends unless it is kept: its client may vanish while its server starts.
struct Unless(Option<Arc<Session>>);

impl Drop for Unless {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.end();
        }
    }
}

async fn begin(relay: &Arc<Relay>, at: &At, filter: Filter, message: &Message) -> Response {
    let client = match dispatch::client(message) {
        Ok(client) => client,
        Err(answer) => return json(StatusCode::OK, answer.text),
    };
    let session = new_session(at, client, filter);
    let mut unless = Unless(Some(Arc::clone(&session)));
    let _busy = session.busy();
    let answer = match at {
        At::One(server) => dispatch::initialize(server, &session, message).await,
        At::All => aggregate::initialize(relay, &session, message).await,
    };
    if answer.is_error {
        return json(StatusCode::OK, lined(answer.text));
    }
    unless.0 = None;
    relay.keep(&session);
    relay.remember(&session);
    let mut response = json(StatusCode::OK, answer.text);
    if let Ok(id) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION, id);
    }
    response
}

fn new_session(at: &At, client: Client, filter: Filter) -> Arc<Session> {
    let id: Arc<str> = crate::secrets::make(32).into();
    let channel = Channel::Mailbox(Mailbox::default());
    Session::new(id, at.name(), Some(client), filter, channel)
}

/// A request names no session that is there.
enum NoSession {
    Unnamed,
    Unknown,
}

impl IntoResponse for NoSession {
    fn into_response(self) -> Response {
        match self {
            Self::Unnamed => {
                let text = "Mcp-Session-Id is missing: send initialize first";
                refused(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, text)
            }
            Self::Unknown => no_session(),
        }
    }
}

/// The session that a request names.
fn find(relay: &Relay, at: &At, headers: &HeaderMap) -> Result<Arc<Session>, NoSession> {
    let id = word(headers, SESSION).ok_or(NoSession::Unnamed)?;
    let session = relay
        .session(id)
        .filter(|session| session.server == at.name());
    session.ok_or(NoSession::Unknown)
}

/// `GET`: the stream of what answers no POST, or, by `Last-Event-ID`, one that broke.
pub fn get(relay: &Arc<Relay>, at: &At, headers: &HeaderMap) -> Response {
    let spoken = word(headers, VERSION);
    if word(headers, SESSION).is_none() || spoken == Some(version::STATELESS) {
        return not_allowed();
    }
    let session = match find(relay, at, headers) {
        Ok(session) => session,
        Err(missing) => return missing.into_response(),
    };
    if !super::http::wants_events(headers) {
        let text = "Accept must include text/event-stream";
        return refused(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, text);
    }
    let last = word(headers, "last-event-id");
    if let Some(place) = last.and_then(resume::place) {
        return resume::resume(&session, place).unwrap_or_else(|| {
            let text = "the stream of this Last-Event-ID has ended";
            refused(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, text)
        });
    }
    let after = last.and_then(|id| id.parse().ok());
    let Channel::Mailbox(mailbox) = &session.channel else {
        return no_session();
    };
    let reader = Reader {
        number: mailbox.read(after),
        session: Arc::clone(&session),
    };
    // Something at once: some clients wait for the first byte.
    let begun = stream::once(async { Bytes::from_static(b":\n\n") });
    let ended = session.ended();
    let events = stream::unfold(reader, |reader| async move {
        let Channel::Mailbox(mailbox) = &reader.session.channel else {
            return None;
        };
        let next = tokio::time::timeout(super::http::PING, mailbox.next(reader.number));
        let chunk = match next.await {
            Ok(next) => {
                let (number, text) = next?;
                event(Some(&number.to_string()), &text)
            }
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((chunk, reader))
    });
    let events = events.take_until(Box::pin(async move { ended.cancelled().await }));
    reply::streamed(relay.until_the_end(begun.chain(events)))
}

struct Reader {
    number: u64,
    session: Arc<Session>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Channel::Mailbox(mailbox) = &self.session.channel {
            mailbox.unread(self.number);
            // Idle from now on, not since its last request.
            drop(self.session.busy());
        }
    }
}

/// `DELETE`: the session ends.
pub fn delete(relay: &Relay, at: &At, headers: &HeaderMap) -> Response {
    match find(relay, at, headers) {
        Ok(session) => {
            relay.end(&session);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(missing) => missing.into_response(),
    }
}

fn not_allowed() -> Response {
    let allow = [(header::ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, allow).into_response()
}
