//! Questions of servers to clients without sessions (revision 2026-07-28): the call waits here
//! while the client asks its person, and goes on when the request comes again with the answers.
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr>

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::mcp::McpKind;

use super::{
    Relay, dispatch,
    mailbox::Mailbox,
    message::{Answer, Message},
    queue::{Outbox, Outgoing},
    reply::{self, AT_ONCE, Post, SILENCE, event, json},
    session::{Channel, Client, Session},
    stateless::finished,
    streamable::At,
    version,
};

/// A call waits so long for its client's answer.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Calls that may wait so.
const MOST: usize = 256;
/// Requests whose answer may be that the client is asked something; of no other it may.
pub const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// A call under way.
pub struct Round {
    pub session: Arc<Session>,
    pub outbox: Outbox,
    /// Dropped with it, so that the call is cancelled where it did not end.
    pub post: Post,
    pub method: Arc<str>,
}

/// What is known of clients between their requests.
#[derive(Default)]
pub struct Rounds {
    waiting: Mutex<HashMap<String, (Round, Instant)>>,
    /// Sessions by who the client is.
    clients: Mutex<HashMap<String, Arc<Session>>>,
}

impl Rounds {
    /// Whether nobody is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty() && self.clients.lock().is_empty()
    }

    /// Forgets calls whose client did not come back, and clients that are gone.
    pub fn tidy(&self) {
        self.waiting
            .lock()
            .retain(|_, (_, since)| since.elapsed() < PATIENCE);
        self.clients
            .lock()
            .retain(|_, session| !session.has_ended());
    }
}

/// What a client offers to answer; none where it offers nothing.
pub fn offers(meta: &Map<String, Value>) -> Option<Value> {
    let capabilities = meta.get("clientCapabilities")?;
    let offered = ["sampling", "elicitation", "roots"]
        .into_iter()
        .filter_map(|name| {
            let value = capabilities.get(name).filter(|value| !value.is_null())?;
            Some((name.to_owned(), value.clone()))
        });
    let offered: Map<String, Value> = offered.collect();
    (!offered.is_empty()).then_some(Value::Object(offered))
}

/// The session of a client that offers to answer: one for all its requests, as its processes are.
pub fn session(
    relay: &Relay,
    at: &At,
    filter: super::filter::Filter,
    meta: &Map<String, Value>,
    offers: &Value,
) -> Arc<Session> {
    let info = meta.get("clientInfo").cloned();
    let info = info.unwrap_or_else(|| json!({"name": "unnamed", "version": "0"}));
    let key = format!("{:?} {filter:?} {info} {offers}", at.name());
    let mut clients = relay.rounds.clients.lock();
    if let Some(session) = clients.get(&key).filter(|session| !session.has_ended()) {
        return Arc::clone(session);
    }
    let client = Client {
        hello: json!({
            "protocolVersion": version::NEWEST_WITH_SESSIONS,
            "capabilities": offers,
            "clientInfo": info,
        })
        .to_string(),
        version: version::STATELESS.to_owned(),
        answers: true,
    };
    let id: Arc<str> = crate::secrets::make(16).into();
    let channel = Channel::Mailbox(Mailbox::default());
    let session = Session::hearing(id, at.name(), client, filter, channel, Vec::new());
    relay.keep(&session);
    clients.insert(key, Arc::clone(&session));
    session
}

/// What a request would go on with is not there.
#[derive(Debug, thiserror::Error)]
#[error("unknown or expired requestState")]
pub struct NoSuchCall;

/// The call that a request goes on with; its answers are handed to the server.
pub fn resumed(relay: &Relay, message: &Message) -> Option<Result<Round, NoSuchCall>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        request_state: Option<String>,
        #[serde(default)]
        input_responses: Map<String, Value>,
    }
    let params: Params = message.params_as()?;
    let state = params.request_state?;
    let Some((round, _)) = relay.rounds.waiting.lock().remove(&state) else {
        return Some(Err(NoSuchCall));
    };
    for (number, result) in params.input_responses {
        let answer = json!({"jsonrpc": "2.0", "id": number.parse::<u64>().ok(), "result": result});
        if let Ok(answer) = Message::read(answer.to_string().into()) {
            dispatch::told(&round.session, &answer);
        }
    }
    Some(Ok(round))
}

/// What comes next of a call.
enum Next {
    Answer(StatusCode, Bytes),
    Question(Box<Message>),
    Note(Bytes),
    Silence,
    Nothing,
}

impl Round {
    async fn next(&mut self, id: &str, patience: Duration) -> Next {
        let silence = tokio::time::sleep(patience);
        tokio::pin!(silence);
        loop {
            let next = tokio::select! {
                next = self.outbox.next() => next,
                () = self.post.asked() => continue,
                () = &mut silence => return Next::Silence,
            };
            return match next {
                Some(Outgoing::Answer(answer)) => {
                    let (status, answer) = finished(Some(&self.method), id, answer);
                    Next::Answer(status, answer.text)
                }
                Some(Outgoing::Note(text)) => match Message::read(text.clone()) {
                    Ok(message) if message.kind == McpKind::Request => {
                        Next::Question(Box::new(message))
                    }
                    // Questions that the server took back can't be taken back here.
                    Ok(message) if message.method() != "notifications/progress" => continue,
                    _ => Next::Note(text),
                },
                Some(Outgoing::Cancelled) | None => Next::Nothing,
            };
        }
    }

    /// It is answered: what a server asked meanwhile is asked with the next call.
    fn over(self) {
        let Self {
            session,
            mut outbox,
            post,
            ..
        } = self;
        drop(post);
        while let Some(left) = outbox.ready() {
            if let Outgoing::Note(text) = left
                && Message::read(text.clone()).is_ok_and(|message| message.kind == McpKind::Request)
            {
                session.deliver_request(text);
            }
        }
    }

    /// Waits for the client to come again: what it is told.
    fn park(self, relay: &Relay, id: &str, question: &Message) -> Bytes {
        let state = crate::secrets::make(32);
        let number = question.id().unwrap_or_default().to_owned();
        let mut asked = json!({"method": question.method()});
        if let Some(params) = question.params_as::<Value>() {
            asked["params"] = params;
        }
        let result = json!({
            "resultType": "input_required",
            "inputRequests": {number: asked},
            "requestState": state,
        });
        let mut waiting = relay.rounds.waiting.lock();
        if waiting.len() >= MOST {
            let oldest = waiting.iter().min_by_key(|(_, (_, since))| *since);
            let oldest = oldest.map(|(state, _)| state.clone());
            // Dropped without the lock: it is cancelled at its server.
            let gone = oldest.and_then(|state| waiting.remove(&state));
            drop(waiting);
            drop(gone);
            waiting = relay.rounds.waiting.lock();
        }
        waiting.insert(state, (self, Instant::now()));
        Answer::result(id, result.to_string().as_bytes()).text
    }

    /// Answers with what comes first: the result, a question, or a stream that ends with either.
    pub async fn respond(mut self, relay: Arc<Relay>, id: String) -> Response {
        let first = match self.next(&id, AT_ONCE).await {
            Next::Answer(status, text) => {
                self.over();
                return json(status, text);
            }
            Next::Question(question) => {
                return json(StatusCode::OK, self.park(&relay, &id, &question));
            }
            Next::Nothing => return StatusCode::NO_CONTENT.into_response(),
            Next::Note(text) => event(None, &text),
            Next::Silence => Bytes::from_static(b":\n\n"),
        };
        let begun = stream::once(async { first });
        let rest = stream::unfold(Some((self, relay, id)), |state| async move {
            let (mut round, relay, id) = state?;
            match round.next(&id, SILENCE).await {
                Next::Answer(_, text) => {
                    round.over();
                    Some((event(None, &text), None))
                }
                Next::Question(question) => {
                    let text = round.park(&relay, &id, &question);
                    Some((event(None, &text), None))
                }
                Next::Note(text) => Some((event(None, &text), Some((round, relay, id)))),
                Next::Silence => Some((Bytes::from_static(b":\n\n"), Some((round, relay, id)))),
                Next::Nothing => None,
            }
        });
        reply::streamed(futures_util::StreamExt::chain(begun, rest))
    }
}
