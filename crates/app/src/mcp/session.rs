//! Sessions of our own with MCP servers, over Streamable HTTP. Messages pass as they are: what the
//! server says beside its answers becomes events of the stream.
//!
//! A session ends when it is closed, when the endpoint has forgotten it, or with the app.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use machine_client::{
    Answer, Client, EventReader, Method, Request, StatusCode,
    header::CONTENT_TYPE,
    json::{self, JsonError},
    segment,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    inspector::{McpAnswer, McpOpenRequest, McpRequest, McpSession},
    stream::Event,
};

use super::message;
use crate::{
    body::{failed, too_large},
    journal::Journal,
};

/// The newest revision that has sessions.
const PROTOCOL: &str = "2025-11-25";
const SESSION_HEADER: &str = "mcp-session-id";
/// Before the stream of what the server says by itself is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a server may take to open a session; the relay may have to start it first, and gives it
/// ten minutes for that.
const OPENING: Duration = Duration::from_secs(10 * 60 + 10);
/// The same for all servers together, which the relay doesn't wait for.
const OPENING_ALL: Duration = Duration::from_secs(60);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// All that are open, by our names for them.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
}

pub(crate) struct Session {
    /// Our name.
    name: String,
    client: Client,
    path: String,
    /// The endpoint's name, where it gave one.
    remote: Option<String>,
    protocol: String,
    journal: Journal,
    stop: CancellationToken,
}

impl Sessions {
    /// Opens one: `initialize`, `notifications/initialized`, and the stream from the server.
    pub(crate) async fn open(
        &self,
        client: Client,
        request: &McpOpenRequest,
        journal: &Journal,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<McpSession, Failure> {
        let path = request.server.as_deref().map_or_else(
            || "/mcp".to_owned(),
            |server| format!("/servers/{}/mcp", segment(server)),
        );
        let mut session = Session {
            name: ulid::Ulid::generate().to_string(),
            client,
            path,
            remote: None,
            protocol: PROTOCOL.into(),
            journal: journal.clone(),
            stop: stop.child_token(),
        };
        let capabilities = if request.answers {
            json!({"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}})
        } else {
            json!({})
        };
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": PROTOCOL,
            "capabilities": capabilities,
            "clientInfo": {"name": "vivarium", "title": "Vivarium", "version": wire::VERSION},
        }});
        let asking = async {
            let answer = session.post(message(&hello)?).await?;
            let remote = answer.headers().get(SESSION_HEADER);
            let remote = remote.and_then(|value| value.to_str().ok().map(str::to_owned));
            let (said, _) = session.until_answer(answer, &json!(0)).await?;
            Ok::<_, Failure>((remote, said))
        };
        let patience = match request.server {
            Some(_) => OPENING,
            None => OPENING_ALL,
        };
        let asked = tokio::time::timeout(patience, asking).await;
        let (remote, said) = asked.unwrap_or_else(|_| {
            Err(
                Failure::new(FailureCode::Unhealthy, "The server did not open a session")
                    .because(format!("no answer within {} s", patience.as_secs()))
                    .next(Advice::ReadServerLog),
            )
        })?;
        session.remote = remote;
        if let Some(error) = said.get("error") {
            return Err(
                Failure::new(FailureCode::Unhealthy, "The server rejected the session")
                    .because(error["message"].as_str().unwrap_or("no reason given"))
                    .next(Advice::ReadServerLog),
            );
        }
        let initialized = said["result"].clone();
        if let Some(protocol) = initialized["protocolVersion"].as_str() {
            session.protocol = protocol.into();
        }
        session
            .tell(json!({"method": "notifications/initialized"}))
            .await?;
        let session = Arc::new(session);
        let name = session.name.clone();
        self.open.lock().insert(name.clone(), Arc::clone(&session));
        let open = Arc::clone(&self.open);
        tasks.spawn(async move {
            if let Some(cause) = session.listen().await {
                open.lock().remove(&session.name);
                session.journal.publish(Event::McpClosed {
                    session: session.name.clone(),
                    cause,
                });
            }
        });
        Ok(McpSession {
            session: name,
            initialized,
        })
    }

    pub(crate) fn find(&self, name: &str) -> Result<Arc<Session>, Failure> {
        self.open.lock().get(name).cloned().ok_or_else(|| {
            Failure::new(FailureCode::NotFound, "This session has ended").next(Advice::OpenSession)
        })
    }

    /// Says farewell; one that is over already is no failure.
    pub(crate) async fn close(&self, name: &str) {
        let session = self.open.lock().remove(name);
        if let Some(session) = session {
            session.stop.cancel();
            session.farewell().await;
        }
    }
}

impl Session {
    /// Asks, and waits for the answer; what the server says meanwhile becomes events.
    pub(crate) async fn request(&self, request: McpRequest) -> Result<McpAnswer, Failure> {
        let begun = Instant::now();
        let id = json!(request.id);
        let mut asked = json!({"jsonrpc": "2.0", "id": id, "method": request.method});
        let body = match &request.params_text {
            Some(params) => with_params(&asked, params)?,
            None => {
                if !request.params.is_null() {
                    asked["params"] = request.params;
                }
                message(&asked)?
            }
        };
        let answer = self.post(body).await?;
        let (mut said, text) = self.until_answer(answer, &id).await?;
        let duration_ms = begun.elapsed().as_secs_f64() * 1000.0;
        Ok(if request.as_text {
            McpAnswer {
                result: Value::Null,
                error: None,
                duration_ms,
                text: Some(text),
            }
        } else {
            McpAnswer {
                result: said["result"].take(),
                error: said.get_mut("error").map(Value::take),
                duration_ms,
                text: None,
            }
        })
    }

    /// Sends a notification, or an answer.
    pub(crate) async fn tell(&self, mut said: Value) -> Result<(), Failure> {
        let Some(fields) = said.as_object_mut() else {
            return Err(Failure::new(
                FailureCode::Invalid,
                "A JSON-RPC message must be an object",
            ));
        };
        fields.insert("jsonrpc".into(), "2.0".into());
        self.post(message(&said)?).await?;
        Ok(())
    }

    async fn post(&self, body: Vec<u8>) -> Result<Answer, Failure> {
        let answer = self.call(Method::POST, Some(body)).await?;
        if self.remote.is_some() && answer.status() == StatusCode::NOT_FOUND {
            return Err(forgotten());
        }
        answer.accepted().await.map_err(failed)
    }

    async fn call(&self, method: Method, body: Option<Vec<u8>>) -> Result<Answer, Failure> {
        let mut headers = vec![("mcp-protocol-version", self.protocol.as_str())];
        if let Some(remote) = &self.remote {
            headers.push((SESSION_HEADER, remote));
        }
        let accept = if method == Method::GET {
            "text/event-stream"
        } else {
            "application/json, text/event-stream"
        };
        let request = Request {
            method,
            path: &self.path,
            body,
            accept,
            headers: &headers,
        };
        self.client.send(request).await.map_err(failed)
    }

    /// Reads until the answer to `id`: what it says, and its text.
    async fn until_answer(
        &self,
        mut answer: Answer,
        id: &Value,
    ) -> Result<(Value, String), Failure> {
        let is_ours = |said: &Value| {
            said.get("id") == Some(id)
                && (said.get("result").is_some() || said.get("error").is_some())
        };
        let kind = answer.headers().get(CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            let bytes = answer.bytes().await.map_err(failed)?;
            let said: Value = json::from_slice(&bytes).map_err(|error| match error {
                JsonError::TooMany { .. } => too_large(&error),
                error => Failure::new(
                    FailureCode::Internal,
                    "The server's response is not valid JSON",
                )
                .because(error.to_string()),
            })?;
            return if is_ours(&said) {
                Ok((said, String::from_utf8_lossy(&bytes).into_owned()))
            } else {
                Err(unanswered())
            };
        }
        let mut reader = EventReader::default();
        loop {
            let chunk = tokio::select! {
                () = self.stop.cancelled() => return Err(closed()),
                chunk = answer.chunk() => chunk.map_err(failed)?,
            };
            let Some(chunk) = chunk else {
                return Err(unanswered());
            };
            for event in reader.push(&chunk).map_err(|error| too_large(&error))? {
                let said = match json::from_slice::<Value>(event.data.as_bytes()) {
                    Ok(said) => said,
                    // It may be the answer, which nobody should wait for then.
                    Err(error @ JsonError::TooMany { .. }) => return Err(too_large(&error)),
                    Err(_) => continue,
                };
                if is_ours(&said) {
                    return Ok((said, event.data));
                }
                self.publish(said);
            }
        }
    }

    /// Publishes what the server says by itself, until the session ends; then why, unless it was
    /// closed by us.
    async fn listen(&self) -> Option<String> {
        loop {
            let stream = tokio::select! {
                () = self.stop.cancelled() => return None,
                answer = self.call(Method::GET, None) => answer,
            };
            match stream {
                // It has nothing to say by itself.
                Ok(answer) if answer.status() == StatusCode::METHOD_NOT_ALLOWED => {
                    self.stop.cancelled().await;
                    return None;
                }
                Ok(answer) if answer.status().is_success() => self.read(answer).await,
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => {
                    return Some("The machine no longer has this session".into());
                }
                Ok(answer) => {
                    return Some(format!("The machine responded with {}", answer.status()));
                }
                Err(failure) => return Some(failure.to_string()),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn read(&self, mut answer: Answer) {
        let mut reader = EventReader::default();
        loop {
            let chunk = tokio::select! {
                () = self.stop.cancelled() => return,
                chunk = answer.chunk() => chunk,
            };
            let Ok(Some(chunk)) = chunk else {
                return;
            };
            let events = match reader.push(&chunk) {
                Ok(events) => events,
                Err(error) => {
                    tracing::warn!(%error, "an MCP server's stream is opened again");
                    return;
                }
            };
            for event in events {
                match json::from_slice(event.data.as_bytes()) {
                    Ok(said) => self.publish(said),
                    Err(error) => tracing::debug!(%error, "a message of an MCP server is left out"),
                }
            }
        }
    }

    fn publish(&self, message: Value) {
        if message.is_object() {
            self.journal.publish(Event::McpMessage {
                session: self.name.clone(),
                message,
            });
        }
    }

    async fn farewell(&self) {
        // An endpoint that is gone has nothing to be told.
        let _ = tokio::time::timeout(FAREWELL, self.call(Method::DELETE, None)).await;
    }
}

/// A request whose parameters are this text, with numbers as they stand in it.
fn with_params(asked: &Value, params: &str) -> Result<Vec<u8>, Failure> {
    serde_json::from_str::<serde::de::IgnoredAny>(params).map_err(|error| {
        Failure::new(FailureCode::Invalid, "The parameters are not valid JSON")
            .because(error.to_string())
    })?;
    let mut body = message(asked)?;
    // Before the closing bracket of the object.
    body.pop();
    body.extend_from_slice(b",\"params\":");
    body.extend_from_slice(params.as_bytes());
    body.push(b'}');
    Ok(body)
}

fn forgotten() -> Failure {
    Failure::new(
        FailureCode::NotFound,
        "The machine no longer has this session",
    )
    .next(Advice::OpenSession)
}

fn closed() -> Failure {
    Failure::new(FailureCode::Cancelled, "The session was closed")
}

fn unanswered() -> Failure {
    Failure::new(
        FailureCode::Cancelled,
        "The server did not respond to this request",
    )
}

#[cfg(test)]
mod tests;
