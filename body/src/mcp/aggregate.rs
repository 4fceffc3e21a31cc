//! One endpoint over all servers: their tools and prompts as `<server>__<name>`, their resources
//! as they are; what a client sees of them is its own choice and that of `mcp.json`.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::oneshot;

use super::{
    Relay,
    filter::{JOIN, shown},
    message::{Answer, Message, code},
    queue::{Outgoing, Sink},
    reply::Call,
    server::{NoProcess, NotReady, Server},
    session::{Level, Session},
    upstream::{Asker, To, Upstream},
    version,
};

/// One that does not list in this time is left out.
const LISTING: Duration = Duration::from_secs(15);
/// Pages of a list that are fetched.
const PAGES: usize = 100;

/// What the endpoint says of itself.
pub fn capabilities() -> Value {
    json!({
        "tools": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "prompts": {"listChanged": true},
        "completions": {},
        "logging": {},
    })
}

/// Who it says it is.
pub fn server_info() -> Value {
    json!({"name": "vivarium", "title": "Vivarium", "version": wire::VERSION})
}

/// Answers `initialize`: at once, as servers start when they are needed.
pub fn initialize(session: &Session, message: &Message) -> Answer {
    let asked = session.client().map_or("", |client| &*client.version);
    let result = json!({
        "protocolVersion": version::agreed(asked, version::NEWEST_WITH_SESSIONS),
        "capabilities": capabilities(),
        "serverInfo": server_info(),
    });
    Answer::result(
        message.id().unwrap_or("null"),
        result.to_string().as_bytes(),
    )
}

/// The servers that a session sees, by name.
fn visible(relay: &Relay, session: &Session) -> Vec<Arc<Server>> {
    let mut servers = relay.servers();
    servers.retain(|server| {
        server.core.enabled()
            && session.filter.sees(&server.core.name)
            && super::process::exists(&server.core.entry())
    });
    servers
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    NoProcess(#[from] NoProcess),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error("the MCP server {0:?} was removed")]
    Gone(Arc<str>),
    /// In the server's own words.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
}

fn attach(session: &Arc<Session>, server: &Server) -> Result<Arc<Upstream>, NoProcess> {
    let upstream = session.attached(&server.core.name, || server.process(session))?;
    if upstream.owner.is_some() {
        upstream.greet();
    } else if session.level().is_some() {
        upstream.level();
    }
    Ok(upstream)
}

/// A request of a session's over all servers. What is answered here is in the sink; else the call.
pub async fn request(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
) -> Option<Call> {
    match handle(relay, session, message, sink).await {
        Ok(call) => call,
        Err(answer) => {
            let _ = sink.put(Outgoing::Answer(answer));
            None
        }
    }
}

async fn handle(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
) -> Result<Option<Call>, Answer> {
    let id = message.id().unwrap_or("null");
    let invalid = |text: &str| Answer::refusal(id, code::INVALID_PARAMS, text);
    let fields = message
        .fields()
        .map_err(|error| Answer::refusal(id, error.code(), &error.to_string()))?;
    let text = |place: &Option<std::ops::Range<usize>>| -> Option<String> {
        serde_json::from_str(message.at(place.clone()?)).ok()
    };
    let done = |result: Value| {
        let answer = Answer::result(id, result.to_string().as_bytes());
        let _ = sink.put(Outgoing::Answer(answer));
        Ok(None)
    };
    match message.method() {
        "initialize" => Err(Answer::refusal(
            id,
            code::INVALID_REQUEST,
            "this session is already initialized",
        )),
        "ping" => done(json!({})),
        "tools/list" => list(relay, session, id, sink, "tools", "tools/list").await,
        "prompts/list" => list(relay, session, id, sink, "prompts", "prompts/list").await,
        "resources/list" => list(relay, session, id, sink, "resources", "resources/list").await,
        "resources/templates/list" => {
            let method = "resources/templates/list";
            list(relay, session, id, sink, "resourceTemplates", method).await
        }
        "tools/call" | "prompts/get" => {
            let name = text(&fields.name).ok_or_else(|| invalid("params.name is missing"))?;
            let tool = message.method() == "tools/call";
            let found = find(relay, session, &name, tool);
            let word = if tool { "tool" } else { "prompt" };
            let (server, own) = found.ok_or_else(|| invalid(&format!("unknown {word}: {name}")))?;
            let own = Value::from(own).to_string();
            let place = fields.name.clone().unwrap_or_default();
            pass(session, &server, message, sink, &[(place, &own)]).map(Some)
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            let uri = text(&fields.uri).ok_or_else(|| invalid("params.uri is missing"))?;
            resource(relay, session, message, sink, &uri).await
        }
        "completion/complete" => {
            let place = fields.reference.clone();
            let reference = place.clone().map(|place| message.at(place));
            let mut reference: Value = reference
                .and_then(|text| serde_json::from_str(text).ok())
                .ok_or_else(|| invalid("params.ref is missing"))?;
            let server = if let Some(uri) = reference["uri"].as_str() {
                route(relay, session, uri).await
            } else {
                let name = reference["name"].as_str().unwrap_or_default();
                let found = find(relay, session, name, false);
                found.map(|(server, own)| {
                    reference["name"] = own.into();
                    server
                })
            };
            let server = server.ok_or_else(|| invalid("params.ref not found"))?;
            let reference = reference.to_string();
            let place = place.unwrap_or_default();
            pass(session, &server, message, sink, &[(place, &reference)]).map(Some)
        }
        "logging/setLevel" => {
            let level = fields
                .level
                .and_then(|place| Level::read(message.at(place)));
            session.set_level(level.ok_or_else(|| invalid("invalid params.level"))?);
            for upstream in session.upstreams() {
                upstream.level();
            }
            done(json!({}))
        }
        other => Err(Answer::refusal(
            id,
            code::METHOD_NOT_FOUND,
            &format!("method not supported by the endpoint of all servers: {other:?}"),
        )),
    }
}

fn pass(
    session: &Arc<Session>,
    server: &Server,
    message: &Message,
    sink: &Sink,
    cuts: &[(std::ops::Range<usize>, &str)],
) -> Result<Call, Answer> {
    let id = message.id().unwrap_or("null");
    let upstream = attach(session, server)
        .map_err(|error| Answer::refusal(id, code::SERVER_GONE, &error.to_string()))?;
    let asker = Asker {
        session: Some(session),
        to: To::Client(sink.clone()),
    };
    let number = upstream.call(asker, message, cuts)?;
    Ok(Call::new(&upstream, number))
}

/// Whose a tool or prompt is, and what it is called there.
fn find(relay: &Relay, session: &Session, name: &str, tool: bool) -> Option<(Arc<Server>, String)> {
    for server in visible(relay, session) {
        let own = if tool {
            let entry = server.core.entry();
            let renamed = entry.rename.iter().find(|(_, to)| *to == name);
            renamed.map(|(own, _)| own.clone())
        } else {
            None
        };
        let plain = name.strip_prefix(&*server.core.name);
        let plain = plain
            .and_then(|rest| rest.strip_prefix(JOIN))
            .map(str::to_owned);
        let Some(own) = own.or(plain) else { continue };
        if !tool || shown(session, &server, &own).as_deref() == Some(name) {
            return Some((server, own));
        }
    }
    None
}

/// A list of all servers, in the order of their names.
async fn list(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    id: &str,
    sink: &Sink,
    field: &str,
    method: &str,
) -> Result<Option<Call>, Answer> {
    let servers = visible(relay, session);
    let fetching = servers.iter().map(|server| async move {
        let fetched = tokio::time::timeout(LISTING, fetch(session, server, field, method)).await;
        match fetched {
            Ok(Ok(items)) => items,
            Ok(Err(problem)) => {
                tracing::warn!(server = &*server.core.name, %problem, "left out of {method}");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(
                    server = &*server.core.name,
                    "left out of {method}: it took too long"
                );
                Vec::new()
            }
        }
    });
    let items: Vec<String> = futures_util::future::join_all(fetching).await.concat();
    let result = format!("{{\"{field}\":[{}]}}", items.join(","));
    let _ = sink.put(Outgoing::Answer(Answer::result(id, result.as_bytes())));
    Ok(None)
}

/// One server's list, with names as they are shown.
async fn fetch(
    session: &Arc<Session>,
    server: &Server,
    field: &str,
    method: &str,
) -> Result<Vec<String>, Unanswered> {
    let upstream = attach(session, server)?;
    let hello = upstream.ready().await?;
    let kind = method.split('/').next().unwrap_or_default();
    let mut items = Vec::new();
    if hello.capabilities.get(kind).is_none() {
        return Ok(items);
    }
    let mut params = "{}".to_owned();
    for _ in 0..PAGES {
        let answer = ask(&upstream, method, &params).await?;
        let payload = answer.payload();
        if answer.is_error {
            let words = String::from_utf8_lossy(&payload).into_owned();
            return Err(Unanswered::Refused(words));
        }
        let text = std::str::from_utf8(&payload).unwrap_or_default();
        let page: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text)?;
        let found = page.get(field).map_or("[]", |found| found.get());
        let found: Vec<&RawValue> = serde_json::from_str(found)?;
        items.extend(
            found
                .into_iter()
                .filter_map(|item| item_shown(session, server, field, item.get())),
        );
        let cursor = page
            .get("nextCursor")
            .filter(|cursor| cursor.get() != "null");
        match cursor {
            Some(cursor) => params = format!("{{\"cursor\":{}}}", cursor.get()),
            None => break,
        }
    }
    Ok(items)
}

/// An entry of a list, in the server's own words but for its name.
fn item_shown(session: &Session, server: &Server, field: &str, item: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Item<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        uri: Option<String>,
        uri_template: Option<String>,
    }
    let read: Item<'_> = serde_json::from_str(item).ok()?;
    if let Some(uri) = read.uri.or(read.uri_template) {
        session.learn([(uri, server.core.name.to_string())]);
        return Some(item.to_owned());
    }
    let place = read.name?.get();
    let own: String = serde_json::from_str(place).ok()?;
    let name = if field == "tools" {
        shown(session, server, &own)?
    } else {
        format!("{}{JOIN}{own}", server.core.name)
    };
    let start = place.as_ptr() as usize - item.as_ptr() as usize;
    let (before, after) = (&item[..start], &item[start + place.len()..]);
    Some(format!("{before}{}{after}", Value::from(name)))
}

/// Asks in the relay's name; who does not wait any longer does not ask any longer.
async fn ask(upstream: &Arc<Upstream>, method: &str, params: &str) -> Result<Answer, Unanswered> {
    let (to, answer) = oneshot::channel();
    let number = upstream.ask(method, params, To::Us(to));
    let call = Call::new(upstream, number);
    let gone = |_| Unanswered::Gone(Arc::clone(&upstream.core.name));
    let answer = answer.await.map_err(gone)?;
    call.leave();
    Ok(answer)
}

/// Which server has a resource: as the last lists said, or as they say now.
async fn route(relay: &Arc<Relay>, session: &Arc<Session>, uri: &str) -> Option<Arc<Server>> {
    let known = |session: &Session| {
        let name = session.route(uri)?;
        visible(relay, session)
            .into_iter()
            .find(|server| *server.core.name == *name)
    };
    if let Some(server) = known(session) {
        return Some(server);
    }
    let (sink, _unread) = super::queue::queue();
    for (field, method) in [
        ("resources", "resources/list"),
        ("resourceTemplates", "resources/templates/list"),
    ] {
        let _ = list(relay, session, "0", &sink, field, method).await;
    }
    known(session)
}

async fn resource(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
    uri: &str,
) -> Result<Option<Call>, Answer> {
    let id = message.id().unwrap_or("null");
    if let Some(server) = route(relay, session, uri).await {
        let upstream = attach(session, &server)
            .map_err(|error| Answer::refusal(id, code::SERVER_GONE, &error.to_string()))?;
        return Ok(super::dispatch::request(session, &upstream, message, sink));
    }
    let mut last = None;
    if message.method() == "resources/read" {
        // It may be of a template: whoever knows it answers.
        for server in visible(relay, session) {
            let Ok(upstream) = attach(session, &server) else {
                continue;
            };
            let Ok(hello) = upstream.ready().await else {
                continue;
            };
            if hello.capabilities.get("resources").is_none() {
                continue;
            }
            let params: Option<&RawValue> = message.params_as();
            let params = params
                .map_or("{}", RawValue::get)
                .replace(['\n', '\r'], " ");
            let Ok(answer) = ask(&upstream, "resources/read", &params).await else {
                continue;
            };
            let payload = answer.payload();
            if !answer.is_error {
                session.learn([(uri.to_owned(), server.core.name.to_string())]);
                let _ = sink.put(Outgoing::Answer(Answer::result(id, &payload)));
                return Ok(None);
            }
            last = Some(Answer::error(id, &payload));
        }
    }
    let unknown = || {
        Answer::refusal(
            id,
            code::INVALID_PARAMS,
            &format!("unknown resource: {uri}"),
        )
    };
    Err(last.unwrap_or_else(unknown))
}
