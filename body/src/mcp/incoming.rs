//! What a server says, and whom it is passed on to.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Deserialize;
use wire::mcp::{McpDirection, McpKind};

use super::{
    lines::Line,
    message::{self, Answer, Message, code, lined},
    queue::{Full, Outgoing},
    session::Session,
    traces::Told,
    upstream::{Pending, To, Upstream},
};

/// Results that are looked into for a tool's error.
const SMALL: usize = 64 << 10;

impl Upstream {
    /// A line of the server's.
    pub(super) fn received(self: &Arc<Self>, line: Line) {
        match line {
            Line::Whole(text) if text.is_empty() => {}
            Line::Whole(text) => match Message::read(lined(text)) {
                Ok(message) => self.heard(&message),
                Err(error) => tracing::debug!(
                    server = &*self.core.name,
                    %error,
                    "a line that is no message was left out"
                ),
            },
            Line::TooLong { head, tail, bytes } => self.too_long(&head, &tail, bytes),
        }
    }

    fn heard(self: &Arc<Self>, message: &Message) {
        match message.kind {
            McpKind::Response | McpKind::Error => self.answered(message),
            McpKind::Request => self.asked(message),
            McpKind::Notification => self.noted(message),
        }
    }

    fn answered(self: &Arc<Self>, message: &Message) {
        let number = message
            .id()
            .and_then(|id| id.trim_matches('"').parse().ok());
        let number = number.map(|number: u64| self.rounds.lock().known(number));
        if let Some(number) = number
            && message.kind == McpKind::Response
            && self.asks_for_input(number, &message.payload())
        {
            return;
        }
        let pending = number.and_then(|number| self.table().pending.remove(&number));
        let Some(pending) = pending else {
            // Answered twice, cancelled meanwhile, or never asked.
            tracing::debug!(
                server = &*self.core.name,
                id = message.id(),
                "an answer that nobody waits for"
            );
            return;
        };
        let payload = message.payload();
        let answer = match message.kind {
            McpKind::Error => Answer::error(&pending.id, &payload),
            _ => Answer::result(&pending.id, &payload),
        };
        if pending.session_id.is_some() {
            let failed = answer.is_error || is_tool_error(&pending, &payload);
            self.core.stats.answered(pending.begun.elapsed(), failed);
        }
        self.answer(pending, answer);
    }

    /// Hands an answer to who waits for it, and tells it.
    pub(super) fn answer(&self, pending: Pending, answer: Answer) {
        let took: Duration = pending.begun.elapsed();
        // Whether it responds is asked again and again, and is nobody's message.
        let is_ping = matches!(pending.to, To::Us(_)) && &*pending.method == "ping";
        let told = Told {
            server: &self.core.name,
            session: pending.session_id.as_ref(),
            direction: McpDirection::ServerToClient,
            kind: if answer.is_error {
                McpKind::Error
            } else {
                McpKind::Response
            },
            method: Some(&pending.method),
            id: Some(&pending.id),
            text: &answer.text,
            duration: Some(took),
            redact: self.core.redact(),
        };
        if !is_ping {
            self.tell(&told);
        }
        match pending.to {
            To::Client(sink) => {
                if sink.put(Outgoing::Answer(answer)) == Err(Full::Stuck)
                    && let Some(session) = pending.session.and_then(|session| session.upgrade())
                {
                    session.end();
                }
            }
            // Who asked may have gone.
            To::Us(to) => drop(to.send(answer)),
            To::Nobody => {}
        }
    }

    /// The server asks: the client that it belongs to, or, where it is shared, nobody.
    fn asked(self: &Arc<Self>, message: &Message) {
        let id = message.id().unwrap_or("null");
        let owner = self.owner.as_ref().and_then(Weak::upgrade);
        let owner = owner.filter(|_| message.method() != "ping");
        self.tell(&Told {
            session: owner.as_ref().map(|session| &session.id),
            ..self.told(McpDirection::ServerToClient, message)
        });
        let Some(session) = owner else {
            let answer = if message.method() == "ping" {
                Answer::result(id, b"{}")
            } else {
                let text = "this client does not accept requests";
                Answer::refusal(id, code::METHOD_NOT_FOUND, text)
            };
            self.pass(answer.text);
            return;
        };
        let number = session.ask(self, self.life(), id);
        session.deliver_request(message.with(Some(&number.to_string()), &[]));
    }

    fn noted(&self, message: &Message) {
        let Ok(fields) = message.fields() else {
            return;
        };
        let told = self.told(McpDirection::ServerToClient, message);
        match message.method() {
            "notifications/progress" => {
                let Some(token) = fields.progress_token else {
                    return;
                };
                let Ok(number) = message.at(token.clone()).trim_matches('"').parse::<u64>() else {
                    return;
                };
                let Some((to, session, text)) = ({
                    let table = self.table();
                    table.pending.get(&number).and_then(|pending| {
                        let text = message.with(None, &[(token, pending.progress.as_deref()?)]);
                        let To::Client(sink) = &pending.to else {
                            return None;
                        };
                        Some((sink.clone(), pending.session_id.clone(), text))
                    })
                }) else {
                    return;
                };
                self.tell(&Told {
                    session: session.as_ref(),
                    ..told
                });
                // One who does not read is found out by the answer.
                let _ = to.put(Outgoing::Note(text));
            }
            "notifications/cancelled" => {
                self.tell(&told);
                let owner = self.owner.as_ref().and_then(Weak::upgrade);
                if let (Some(session), Some(place)) = (owner, fields.request_id)
                    && let Some(number) = session.withdrawn(message.at(place.clone()))
                {
                    session.deliver(message.with(None, &[(place, &number.to_string())]));
                }
            }
            "notifications/resources/updated" => {
                self.tell(&told);
                let uri = fields.uri.map(|place| message.at(place));
                let uri: Option<String> = uri.and_then(|uri| serde_json::from_str(uri).ok());
                // A server may say it of what lies below what was subscribed to.
                let subscribed = |session: &Arc<Session>| {
                    uri.as_deref().is_some_and(|uri| {
                        session.is_subscribed(uri)
                            || session
                                .subscriptions()
                                .iter()
                                .any(|one| uri.starts_with(&**one))
                    })
                };
                self.spread(message, subscribed);
            }
            "notifications/message" => {
                self.tell(&told);
                let asked = self.table().level.is_some();
                self.spread(message, |session| session.wants(message, asked));
            }
            _ => {
                self.tell(&told);
                self.spread(message, |_| true);
            }
        }
    }

    fn spread(&self, message: &Message, to: impl Fn(&Arc<Session>) -> bool) {
        for session in self.sessions() {
            if session.hears(message.method()) && to(&session) {
                session.deliver(message.text.clone());
            }
        }
    }

    fn too_long(&self, head: &[u8], tail: &[u8], bytes: usize) {
        let text = format!(
            "the response has {} MiB; the limit is {} MiB",
            bytes >> 20,
            message::LARGEST >> 20
        );
        tracing::warn!(
            server = &*self.core.name,
            bytes,
            "a message is too large and was left out"
        );
        let number = message::id_of_cut(head, tail);
        let number = number.and_then(|id| id.trim_matches('"').parse().ok());
        let mut theirs: Vec<Pending> = Vec::new();
        {
            let mut table = self.table();
            match number.and_then(|number: u64| table.pending.remove(&number)) {
                Some(pending) => theirs.push(pending),
                // Whose it was can't be told: all are, rather than that one waits for ever.
                None if number.is_none() => {
                    theirs.extend(table.pending.drain().map(|(_, one)| one))
                }
                None => {}
            }
        }
        for pending in theirs {
            self.core.stats.answered(Duration::ZERO, true);
            let answer = Answer::refusal(&pending.id, code::INTERNAL, &text);
            self.answer(pending, answer);
        }
    }
}

fn is_tool_error(pending: &Pending, result: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Result {
        #[serde(default)]
        is_error: bool,
    }
    // Few results speak of it: the others are not read.
    let speaks = |text: &str| text.contains("\"isError\"");
    &*pending.method == "tools/call"
        && result.len() <= SMALL
        && std::str::from_utf8(result).is_ok_and(speaks)
        && serde_json::from_slice::<Result>(result).is_ok_and(|result| result.is_error)
}
