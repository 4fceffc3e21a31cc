//! One endpoint over all servers: their tools and prompts as `<server>__<name>`, their resources
//! as they are; what a client sees of them is its own choice and that of `mcp.json`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json, value::RawValue};

use super::{
    Relay,
    all_servers::{ask, attach, visible},
    filter::{shown_prompt, shown_tool},
    listing::{self, List},
    message::{Answer, Message, code},
    queue::{Outgoing, Sink},
    reply::Call,
    server::Server,
    session::{Level, Session},
    tool_names::may_be_short,
    upstream::{Asker, To},
    version,
};

/// A server that has never run may take so long to say how it is to be used.
const INTRODUCED: Duration = Duration::from_secs(3);
/// Of one server's instructions, so many letters are passed on.
const INSTRUCTIONS: usize = 16 << 10;

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

/// Answers `initialize`.
pub async fn initialize(relay: &Relay, session: &Arc<Session>, message: &Message) -> Answer {
    let asked = session.client().map_or("", |client| &*client.version);
    let mut result = json!({
        "protocolVersion": version::agreed(asked, version::NEWEST_WITH_SESSIONS),
        "capabilities": capabilities(),
        "serverInfo": server_info(),
    });
    if let Some(instructions) = instructions(relay, session).await {
        result["instructions"] = instructions.into();
    }
    Answer::result(
        message.id().unwrap_or("null"),
        result.to_string().as_bytes(),
    )
}

/// What the servers say of how they are to be used, each under its name; none if none says it.
/// Those that never ran are started, since a client asks for their lists next.
pub async fn instructions(relay: &Relay, session: &Arc<Session>) -> Option<String> {
    let servers = visible(relay, session);
    let patience = relay.common.limits.listing.min(INTRODUCED);
    let asking = servers.iter().map(|server| async move {
        if let Some(known) = server.core.instructions() {
            return known;
        }
        let answers = session.client().is_some_and(|client| client.answers);
        let upstream = if answers || server.core.entry().isolate {
            attach(session, server).ok()?
        } else {
            Arc::clone(&server.shared)
        };
        let ready = tokio::time::timeout(patience, upstream.ready()).await;
        ready.ok()?.ok()?.instructions.clone()
    });
    let said = futures_util::future::join_all(asking).await;
    let parts: Vec<String> = servers
        .iter()
        .zip(said)
        .filter_map(|(server, said)| {
            let text: String = said?.trim().chars().take(INSTRUCTIONS).collect();
            (!text.is_empty()).then(|| format!("# {}\n\n{text}", server.core.name))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// A request of a session's over all servers. What is answered here is in the sink; else the call.
pub fn request(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
) -> impl Future<Output = Option<Call>> + Send + use<> {
    let (relay, session) = (Arc::clone(relay), Arc::clone(session));
    let (message, sink) = (message.clone(), sink.clone());
    async move {
        match handle(&relay, &session, &message, &sink).await {
            Ok(call) => call,
            Err(answer) => {
                let _ = sink.put(Outgoing::Answer(answer));
                None
            }
        }
    }
}

async fn handle(
    relay: &Arc<Relay>,
    session: &Arc<Session>,
    message: &Message,
    sink: &Sink,
) -> Result<Option<Call>, Answer> {
    // Tasks are not declared here: a request for one is an ordinary call.
    let plain = message.without_task();
    let message = plain.as_ref().unwrap_or(message);
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
        "tools/call" | "prompts/get" => {
            let name = text(&fields.name).ok_or_else(|| invalid("params.name is missing"))?;
            let tool = message.method() == "tools/call";
            let found = find(relay, session, &name, tool).await;
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
                let found = find(relay, session, name, false).await;
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
            relay.remember(session);
            for upstream in session.upstreams() {
                upstream.level();
            }
            done(json!({}))
        }
        other => match List::of(other) {
            Some(which) => {
                let result = listing::list(relay, session, which).await;
                let answer = Answer::result(id, result.as_bytes());
                let _ = sink.put(Outgoing::Answer(answer));
                Ok(None)
            }
            None => Err(Answer::refusal(
                id,
                code::METHOD_NOT_FOUND,
                &format!("method not supported by the endpoint of all servers: {other:?}"),
            )),
        },
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
async fn find(
    relay: &Relay,
    session: &Arc<Session>,
    name: &str,
    tool: bool,
) -> Option<(Arc<Server>, String)> {
    let mut found = by_name(relay, session, name, tool);
    if found.len() <= 1 && !may_be_short(name) {
        return found.pop();
    }
    // It was cut, or may be of several servers: the lists say whose it is.
    let listed = || {
        let named = relay.names.find(tool, name)?;
        let mut servers = visible(relay, session).into_iter();
        let server = servers.find(|server| server.core.name == named.server)?;
        is_shown(session, &server, &named.own, name, tool).then_some((server, named.own))
    };
    if let Some(listed) = listed() {
        return Some(listed);
    }
    let which = if tool { List::Tools } else { List::Prompts };
    let _ = listing::list(relay, session, which).await;
    listed().or_else(|| {
        found
            .into_iter()
            .max_by_key(|(server, _)| server.core.name.len())
    })
}

/// Whose a name may be by what it says.
fn by_name(relay: &Relay, session: &Session, name: &str, tool: bool) -> Vec<(Arc<Server>, String)> {
    let mut found = Vec::new();
    for server in visible(relay, session) {
        let mut owns = Vec::new();
        if tool {
            let entry = server.core.entry();
            let renamed = entry.rename.into_iter().filter(|(_, to)| to == name);
            owns.extend(renamed.map(|(own, _)| own));
        }
        let plain = name.strip_prefix(&*server.core.name);
        let plain = plain.and_then(|rest| rest.strip_prefix(session.filter.separator()));
        owns.extend(plain.map(str::to_owned));
        for own in owns {
            if is_shown(session, &server, &own, name, tool) {
                found.push((Arc::clone(&server), own));
            }
        }
    }
    found
}

fn is_shown(session: &Session, server: &Server, own: &str, name: &str, tool: bool) -> bool {
    if tool {
        shown_tool(session, server, own).is_some_and(|shown| shown.shown == name)
    } else {
        shown_prompt(session, server, own).shown == name
    }
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
    for which in [List::Resources, List::Templates] {
        let _ = listing::list(relay, session, which).await;
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
        let call = super::dispatch::request(session, &upstream, message, sink);
        relay.remember(session);
        return Ok(call);
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
