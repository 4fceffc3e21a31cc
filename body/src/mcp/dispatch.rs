//! What a client of one server says: most of it is passed on; what concerns the session is done
//! here.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use wire::mcp::{McpDirection, McpKind};

use super::{
    message::{Answer, Message, code},
    queue::{Outgoing, Sink},
    reply::Call,
    server::Server,
    session::{Client, Level, Session},
    traces::Told,
    upstream::{Asker, Hello, State, To, Upstream},
    version,
};

/// Who the client says it is.
pub fn client(message: &Message) -> Result<Client, Answer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        protocol_version: String,
        #[serde(default)]
        capabilities: Value,
    }
    let id = message.id().unwrap_or("null");
    let params: Option<Params> = message.params_as();
    let Some(params) = params else {
        let text = "initialize needs protocolVersion, capabilities and clientInfo";
        return Err(Answer::refusal(id, code::INVALID_PARAMS, text));
    };
    let has = |name: &str| {
        params
            .capabilities
            .get(name)
            .is_some_and(|value| !value.is_null())
    };
    Ok(Client {
        hello: one_line(message.params().unwrap_or_default()),
        version: params.protocol_version,
        answers: ["sampling", "elicitation", "roots"]
            .iter()
            .any(|name| has(name)),
    })
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Begins a session's conversation with its server; waits until it is ready.
pub async fn initialize(server: &Server, session: &Arc<Session>, message: &Message) -> Answer {
    let id = message.id().unwrap_or("null");
    let refused = |text: &str| Answer::refusal(id, code::SERVER_GONE, text);
    let upstream = match session.attached(&server.core.name, || server.process(session)) {
        Ok(upstream) => upstream,
        Err(error) => return refused(&error.to_string()),
    };
    let hello = match upstream.ready().await {
        Ok(hello) => hello,
        Err(error) => return refused(&error.to_string()),
    };
    let asked = session.client().map_or("", |client| &*client.version);
    Answer::result(id, &welcome(&upstream, &hello, asked))
}

/// What the client is answered: the server's own words, in the older revision of both.
fn welcome(upstream: &Upstream, hello: &Hello, asked: &str) -> Vec<u8> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place<'a> {
        #[serde(borrow)]
        protocol_version: &'a RawValue,
    }
    let spoken = version::agreed(asked, &hello.version);
    if (upstream.owner.is_some() && !upstream.is_stateless()) || spoken == hello.version {
        return hello.result.to_vec();
    }
    let text = std::str::from_utf8(&hello.result).unwrap_or_default();
    let Ok(found) = serde_json::from_str::<Place<'_>>(text) else {
        return hello.result.to_vec();
    };
    let old = found.protocol_version.get();
    let start = old.as_ptr() as usize - text.as_ptr() as usize;
    let (before, after) = (&text[..start], &text[start + old.len()..]);
    format!("{before}\"{spoken}\"{after}").into_bytes()
}

/// A request of a session with one server. What is answered at once is in the sink; else the call.
pub fn request(
    session: &Arc<Session>,
    upstream: &Arc<Upstream>,
    message: &Message,
    sink: &Sink,
) -> Option<Call> {
    let id = message.id().unwrap_or("null");
    let at_once = |answer: Answer| {
        let _ = sink.put(Outgoing::Answer(answer));
        None
    };
    let fields = message.fields().unwrap_or_default();
    let uri = fields.uri.map(|place| message.at(place));
    let uri: Option<String> = uri.and_then(|uri| serde_json::from_str(uri).ok());
    let shared = upstream.owner.is_none();
    match (message.method(), uri) {
        ("logging/setLevel", _) => {
            let level = fields
                .level
                .and_then(|place| Level::read(message.at(place)));
            if let Some(level) = level.filter(|_| has(upstream, "logging")) {
                session.set_level(level);
                // Of a shared process the lowest that anybody asked for; of one's own, this one.
                upstream.level();
                return at_once(Answer::result(id, b"{}"));
            }
        }
        ("resources/subscribe", Some(uri)) => {
            session.subscribe(&uri);
            upstream.table().subscribed.insert(uri);
        }
        ("resources/unsubscribe", Some(uri)) => {
            session.unsubscribe(&uri);
            let sessions = upstream.sessions();
            if shared && sessions.iter().any(|session| session.is_subscribed(&uri)) {
                return at_once(Answer::result(id, b"{}"));
            }
            upstream.table().subscribed.remove(&uri);
        }
        _ => {}
    }
    if message.method() == "initialize" {
        let text = "this session is already initialized";
        return at_once(Answer::refusal(id, code::INVALID_REQUEST, text));
    }
    let asker = Asker {
        session: Some(session),
        to: To::Client(sink.clone()),
    };
    match upstream.call(asker, message, &[]) {
        Ok(number) => Some(Call::new(upstream, number)),
        Err(answer) => at_once(answer),
    }
}

fn has(upstream: &Upstream, capability: &str) -> bool {
    match upstream.state() {
        State::Ready { hello, .. } => hello.capabilities.get(capability).is_some(),
        _ => true,
    }
}

/// A notification of a session's, or its answer to a server's request.
pub fn told(session: &Arc<Session>, message: &Message) {
    if message.kind == McpKind::Notification {
        notified(session, message);
    } else if let Some((upstream, id)) = session.answered(message.id().unwrap_or_default()) {
        let text = message.with(Some(&id), &[]);
        upstream.tell(&Told {
            session: Some(&session.id),
            ..upstream.told(McpDirection::ClientToServer, message)
        });
        if upstream.is_stateless() {
            upstream.take_input(&id, message);
        } else {
            upstream.pass(text);
        }
    }
}

/// A server's request that the client can't be asked is refused in its name.
pub fn refuse(session: &Arc<Session>, question: Bytes) {
    let Ok(question) = Message::read(question) else {
        return;
    };
    let text = "the client can only be asked during tools/call, prompts/get and resources/read";
    let id = question.id().unwrap_or("null");
    let refusal = Answer::refusal(id, code::INVALID_REQUEST, text);
    if let Ok(refusal) = Message::read(refusal.text) {
        told(session, &refusal);
    }
}

fn notified(session: &Arc<Session>, message: &Message) {
    let fields = message.fields().unwrap_or_default();
    if message.method() == "notifications/initialized" {
        session.greet();
    }
    for upstream in session.upstreams() {
        match message.method() {
            "notifications/initialized" => upstream.greet(),
            "notifications/cancelled" => {
                let id = fields.request_id.clone().map(|place| message.at(place));
                if id.is_some_and(|id| upstream.cancel(session, id, "the client cancelled")) {
                    return;
                }
            }
            // What a shared process hears would be said in everybody's name.
            _ if upstream.owner.is_none() => {}
            _ => {
                upstream.tell(&Told {
                    session: Some(&session.id),
                    ..upstream.told(McpDirection::ClientToServer, message)
                });
                upstream.pass(message.with(None, &[]));
            }
        }
    }
}
