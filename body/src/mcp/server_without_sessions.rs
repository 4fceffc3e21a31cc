//! Servers that speak only the revision without sessions (2026-07-28): what goes to one and comes from
//! it is translated, so that all else here speaks with it as with any other.
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning>
//!
//! Such a server tells of changes only on a stream that is asked for; it is not, and so it is not said
//! to tell of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak, atomic::Ordering},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use wire::mcp::{McpDirection, McpKind};

use super::{
    message::{self, Answer, Message},
    upstream::{Hello, Pending, To, Upstream},
    version,
};

/// What such a server does not have: it is answered here.
const OURS: [&str; 4] = [
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// A call whose server asked for input: what the client said so far.
struct Inputs {
    state: Option<Value>,
    left: HashSet<String>,
    responses: Map<String, Value>,
}

/// What is known of a conversation with such a server.
#[derive(Default)]
pub struct Rounds {
    waiting: HashMap<u64, Inputs>,
    /// Calls that were asked again: the number that each is known by, by the one that it was sent with.
    again: HashMap<u64, u64>,
}

impl Rounds {
    /// The number that a call is known by.
    pub(super) fn known(&mut self, sent: u64) -> u64 {
        self.again.remove(&sent).unwrap_or(sent)
    }

    /// The number that a call was sent with.
    fn sent(&self, known: u64) -> u64 {
        let found = self.again.iter().find(|(_, number)| **number == known);
        found.map_or(known, |(sent, _)| *sent)
    }

    fn forget(&mut self, known: u64) {
        self.waiting.remove(&known);
        self.again.retain(|_, number| *number != known);
    }
}

/// The answer to `server/discover` is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum NotDiscovered {
    #[error("{0}")]
    Refused(String),
    #[error("it supports none of the revisions that are spoken here")]
    Revision,
    #[error("unexpected response to server/discover: {0}")]
    Odd(#[from] serde_json::Error),
}

/// What the server says of itself, as if it had answered `initialize`.
pub fn hello(answer: &Answer) -> Result<Hello, NotDiscovered> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        supported_versions: Vec<String>,
        #[serde(default)]
        capabilities: Map<String, Value>,
        server_info: Option<Value>,
        instructions: Option<String>,
        #[serde(rename = "_meta", default)]
        meta: Map<String, Value>,
    }
    let payload = answer.payload();
    if answer.is_error {
        let words = String::from_utf8_lossy(&payload).into_owned();
        return Err(NotDiscovered::Refused(words));
    }
    let mut read: Read = serde_json::from_slice(&payload)?;
    if !read
        .supported_versions
        .iter()
        .any(|one| one == version::STATELESS)
    {
        return Err(NotDiscovered::Revision);
    }
    for capability in read.capabilities.values_mut() {
        if let Some(fields) = capability.as_object_mut() {
            fields.shift_remove("listChanged");
            fields.shift_remove("subscribe");
        }
    }
    let info = read.meta.get("io.modelcontextprotocol/serverInfo").cloned();
    let server_info = read.server_info.or(info).unwrap_or_default();
    let capabilities = Value::Object(read.capabilities);
    let mut result = json!({
        "protocolVersion": version::NEWEST_WITH_SESSIONS,
        "capabilities": capabilities,
        "serverInfo": server_info,
    });
    if let Some(instructions) = &read.instructions {
        result["instructions"] = instructions.as_str().into();
    }
    Ok(Hello {
        result: result.to_string().into(),
        version: version::STATELESS.to_owned(),
        capabilities,
        server_info,
        instructions: read.instructions,
    })
}

impl Upstream {
    /// Whether its server speaks only the revision without sessions.
    pub fn is_stateless(&self) -> bool {
        self.stateless.load(Ordering::Relaxed)
    }

    /// The request that finds out whether the server speaks that revision, and its answer.
    pub(super) fn discovering(&self) -> (Bytes, oneshot::Receiver<Answer>) {
        self.stateless.store(true, Ordering::Relaxed);
        let (to, answer) = oneshot::channel();
        let method = "server/discover";
        *self.rounds.lock() = Rounds::default();
        let mut table = self.table();
        let number = table.take_number();
        let pending = Pending::ours(number, method, To::Us(to));
        table.pending.insert(number, pending);
        drop(table);
        let text = message::request(number, method, "{}");
        self.tell_text(
            McpKind::Request,
            McpDirection::ClientToServer,
            Some(&method.into()),
            &text,
        );
        (self.translated(text, None).unwrap_or_default(), answer)
    }

    /// What such a server is asked and does not have; the answer.
    pub(super) fn answered_here(&self, method: &str, id: &str) -> Option<Answer> {
        let is_ours = self.is_stateless() && OURS.contains(&method);
        is_ours.then(|| Answer::result(id, b"{}"))
    }

    /// Answers what waited for such a server to be ready and is not for it; false if it is.
    pub(super) fn answer_held(&self, number: u64, text: &Bytes) -> bool {
        let Ok(message) = Message::read(text.clone()) else {
            return false;
        };
        let Some(answer) = self.answered_here(message.method(), "0") else {
            return false;
        };
        if let Some(pending) = self.table().pending.remove(&number) {
            let answer = Answer::result(&pending.id, &answer.payload());
            self.answer(pending, answer);
        }
        true
    }

    /// A message as such a server gets it; none if there is no such message there.
    pub(super) fn translated(&self, text: Bytes, level: Option<&str>) -> Option<Bytes> {
        let message = Message::read(text).ok()?;
        match message.kind {
            McpKind::Request => Some(message.with_meta(&self.meta(level))),
            McpKind::Notification if message.method() == "notifications/cancelled" => {
                self.cancelling(&message)
            }
            _ => None,
        }
    }

    /// A cancellation of a call that was asked again is that of the last time.
    fn cancelling(&self, message: &Message) -> Option<Bytes> {
        let place = message.fields().ok()?.request_id?;
        let number: u64 = message.at(place.clone()).parse().ok()?;
        let mut rounds = self.rounds.lock();
        let sent = rounds.sent(number).to_string();
        rounds.forget(number);
        Some(message.with(None, &[(place, &sent)]))
    }

    /// The protocol's members of every request's `_meta`.
    fn meta(&self, level: Option<&str>) -> String {
        let hello: Value = serde_json::from_str(&self.hello).unwrap_or_default();
        let mut meta = Map::new();
        let mut set = |name: &str, value: Value| {
            meta.insert(format!("io.modelcontextprotocol/{name}"), value);
        };
        set("protocolVersion", version::STATELESS.into());
        set("clientInfo", hello["clientInfo"].clone());
        let mut capabilities = Map::new();
        for name in ["sampling", "elicitation", "roots"] {
            if let Some(offered) = hello["capabilities"].get(name) {
                capabilities.insert(name.to_owned(), offered.clone());
            }
        }
        set("clientCapabilities", capabilities.into());
        if let Some(level) = level {
            set("logLevel", level.into());
        }
        let whole = Value::Object(meta).to_string();
        whole[1..whole.len() - 1].to_owned()
    }

    /// Asks the client what the server wants to know; false if the answer is one.
    pub(super) fn asks_for_input(self: &Arc<Self>, number: u64, result: &[u8]) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Asked {
            result_type: Option<String>,
            #[serde(default)]
            input_requests: Map<String, Value>,
            request_state: Option<Value>,
        }
        const WORD: &[u8] = b"input_required";
        let is_meant = self.is_stateless() && self.waits(number);
        if !is_meant || !result.windows(WORD.len()).any(|part| part == WORD) {
            return false;
        }
        let Ok(asked) = serde_json::from_slice::<Asked>(result) else {
            return false;
        };
        if asked.result_type.as_deref() != Some("input_required") {
            return false;
        }
        let owner = self.owner.as_ref().and_then(Weak::upgrade);
        let Some(session) = owner else {
            let problem = self
                .core
                .says("asks for input that this client does not give");
            self.fail(number, &problem);
            return true;
        };
        let inputs = Inputs {
            state: asked.request_state,
            left: asked.input_requests.keys().cloned().collect(),
            responses: Map::new(),
        };
        let complete = inputs.left.is_empty();
        self.rounds.lock().waiting.insert(number, inputs);
        for (key, question) in asked.input_requests {
            let id = Value::from(format!("{number}/{key}")).to_string();
            let ours = session.ask(self, self.life(), &id);
            let mut request = json!({"jsonrpc": "2.0", "id": ours, "method": question["method"]});
            if let Some(params) = question.get("params") {
                request["params"] = params.clone();
            }
            session.deliver_request(request.to_string().into());
        }
        if complete {
            self.ask_with_input(number);
        }
        true
    }

    /// The client answers one of the questions of a call.
    pub(super) fn take_input(&self, id: &str, answer: &Message) {
        let id: String = serde_json::from_str(id).unwrap_or_default();
        let Some((number, key)) = id.split_once('/') else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        if answer.kind == McpKind::Error {
            self.rounds.lock().forget(number);
            if let Some(pending) = self.table().pending.remove(&number) {
                let refused = Answer::error(&pending.id, &answer.payload());
                self.answer(pending, refused);
            }
            return;
        }
        let complete = {
            let mut rounds = self.rounds.lock();
            let Some(inputs) = rounds.waiting.get_mut(&number) else {
                return;
            };
            if inputs.left.remove(key) {
                let response = serde_json::from_slice(&answer.payload()).unwrap_or_default();
                inputs.responses.insert(key.to_owned(), response);
            }
            inputs.left.is_empty()
        };
        if complete {
            self.ask_with_input(number);
        }
    }

    /// Asks again, with all that the client said.
    fn ask_with_input(&self, number: u64) {
        let Some(inputs) = self.rounds.lock().waiting.remove(&number) else {
            return;
        };
        let mut table = self.table();
        let text = table
            .pending
            .get(&number)
            .and_then(|pending| pending.text.clone());
        let Some(message) = text.and_then(|text| Message::read(text).ok()) else {
            drop(table);
            return self.fail(number, &self.core.says("asked for input too late"));
        };
        let mut members = json!({ "inputResponses": inputs.responses });
        if let Some(state) = inputs.state {
            members["requestState"] = state;
        }
        let members = members.to_string();
        let again = table.take_number();
        let text = message.with_params(&members[1..members.len() - 1]);
        let Ok(message) = Message::read(text) else {
            return;
        };
        let text = message.with(Some(&again.to_string()), &[]);
        self.rounds.lock().again.insert(again, number);
        self.send(&mut table, again, text);
    }
}
