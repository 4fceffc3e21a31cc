//! HTTP+SSE (revision 2024-11-05): one event stream a session, and an address it announces for
//! messages.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::value::RawValue;
use wire::mcp::McpKind;

use super::{
    Relay, dispatch,
    filter::Filter,
    message::{Answer, LARGEST, Message, code},
    queue::{self, Outbox, Outgoing, Sink},
    reply::{self, event, refused},
    server::Server,
    session::{Channel, Session},
    streamable::{Read, read},
};

/// `GET /servers/{name}/sse`. `prefix` is what stands before the route, `token` what the address
/// had instead of a header.
pub fn open(relay: &Arc<Relay>, server: &Server, prefix: &str, token: Option<&str>) -> Response {
    let (sink, outbox) = queue::queue();
    let id: Arc<str> = crate::secrets::make(32).into();
    let session = Session::new(
        Arc::clone(&id),
        Some(Arc::clone(&server.core.name)),
        None,
        Filter::default(),
        Channel::Stream(sink),
    );
    relay.keep(&session);
    let mut address = format!(
        "{prefix}/servers/{}/message?session_id={id}",
        server.core.name
    );
    if let Some(token) = token {
        address.push_str("&token=");
        address.push_str(token);
    }
    let endpoint = Bytes::from(format!("event: endpoint\ndata: {address}\n\n"));
    let ended = session.ended();
    let open = Open {
        outbox,
        session,
        relay: Arc::clone(relay),
    };
    let events = stream::unfold(open, |mut open| async move {
        loop {
            let chunk = match tokio::time::timeout(super::http::PING, open.outbox.next()).await {
                Ok(Some(Outgoing::Cancelled)) => continue,
                Ok(Some(next)) => event(None, next.text()),
                Ok(None) => return None,
                Err(_) => Bytes::from_static(b":\n\n"),
            };
            return Some((chunk, open));
        }
    });
    let events = events.take_until(Box::pin(async move { ended.cancelled().await }));
    let first = stream::once(async { endpoint });
    reply::streamed(relay.until_the_end(first.chain(events)))
}

/// A stream that is read: when it is not any more, its session ends.
struct Open {
    outbox: Outbox,
    session: Arc<Session>,
    relay: Arc<Relay>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.relay.end(&self.session);
    }
}

/// `POST /servers/{name}/message?session_id=`.
pub async fn post(
    relay: &Arc<Relay>,
    server: &Server,
    query: &HashMap<String, String>,
    body: Body,
) -> Response {
    let id = query.get("session_id").or_else(|| query.get("sessionId"));
    let session = id.and_then(|id| relay.session(id));
    let session = session.filter(|session| session.server.as_ref() == Some(&server.core.name));
    let Some((session, sink)) = session.and_then(|session| match &session.channel {
        Channel::Stream(sink) => Some((Arc::clone(&session), sink.clone())),
        Channel::Mailbox(_) => None,
    }) else {
        return reply::no_session();
    };
    let body = match read(body).await {
        Read::Whole(body) => body,
        Read::TooLarge(Some(id)) => {
            let text = format!(
                "the message is larger than the limit of {} MiB",
                LARGEST >> 20
            );
            let _ = sink.put(Outgoing::Answer(Answer::refusal(
                &id,
                code::INVALID_REQUEST,
                &text,
            )));
            return StatusCode::ACCEPTED.into_response();
        }
        Read::TooLarge(None) => return super::streamable::too_large(None),
        Read::Broken => {
            let text = "the body could not be read completely";
            return refused(StatusCode::BAD_REQUEST, code::PARSE, text);
        }
    };
    let texts: Vec<Bytes> = if body.trim_ascii_start().first() == Some(&b'[') {
        match serde_json::from_slice::<Vec<&RawValue>>(&body) {
            Ok(parts) => parts
                .into_iter()
                .map(|part| body.slice_ref(part.get().as_bytes()))
                .collect(),
            Err(error) => return refused(StatusCode::BAD_REQUEST, code::PARSE, &error.to_string()),
        }
    } else {
        vec![body]
    };
    for text in texts {
        match Message::read(text) {
            Ok(message) => one(server, &session, &message, &sink).await,
            Err(error) => {
                return refused(StatusCode::BAD_REQUEST, error.code(), &error.to_string());
            }
        }
    }
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

async fn one(server: &Server, session: &Arc<Session>, message: &Message, sink: &Sink) {
    let answer = |answer: Answer| {
        // Who does not read is found out by what comes next.
        let _ = sink.put(Outgoing::Answer(answer));
    };
    if message.kind != McpKind::Request {
        dispatch::told(session, message);
        return;
    }
    if message.method() == "initialize" && session.client().is_none() {
        match dispatch::client(message) {
            Ok(client) => {
                session.introduce(client);
                answer(dispatch::initialize(server, session, message).await);
            }
            Err(refusal) => answer(refusal),
        }
        return;
    }
    let id = message.id().unwrap_or("null");
    if session.client().is_none() {
        let text = "send initialize first";
        return answer(Answer::refusal(id, code::INVALID_REQUEST, text));
    }
    match session.attached(&server.core.name, || server.process(session)) {
        Ok(upstream) => {
            // It ends with its answer or with its session.
            if let Some(call) = dispatch::request(session, &upstream, message, sink) {
                call.leave();
            }
        }
        Err(error) => answer(Answer::refusal(id, code::SERVER_GONE, &error.to_string())),
    }
}
