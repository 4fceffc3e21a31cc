//! Revision 2026-07-28: no session, every request stands for itself. To the server it goes as one
//! of a session's, so that servers need not know the revision.
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http>

use std::sync::Arc;

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};
use wire::mcp::McpKind;

use super::{
    Relay, aggregate, dispatch,
    filter::Filter,
    message::{Answer, Message, code},
    queue,
    reply::{Finish, Form, Post, json, refused, respond},
    rounds::{self, Round},
    session::{Channel, Client, Level, Session},
    streamable::{At, VERSION},
    version,
};

/// What the protocol's own keys of `_meta` begin with.
const OURS: &str = "io.modelcontextprotocol/";
/// Methods that this revision no longer has.
const GONE: [&str; 5] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];
/// Whose results a client may keep for a while: it is told not to.
const CACHED: [&str; 5] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

/// The protocol's keys of a request's `_meta`, without their common beginning.
fn meta(message: &Message) -> Map<String, Value> {
    let fields = message.fields().unwrap_or_default();
    let meta = fields.meta.map(|place| message.at(place));
    let meta: Option<Map<String, Value>> = meta.and_then(|text| serde_json::from_str(text).ok());
    let ours = meta.unwrap_or_default().into_iter();
    ours.filter_map(|(name, value)| Some((name.strip_prefix(OURS)?.to_owned(), value)))
        .collect()
}

/// Whether a message is of this revision.
pub fn is_meant(spoken: Option<&str>, message: &Message) -> bool {
    spoken == Some(version::STATELESS)
        || (spoken.is_none_or(|spoken| version::WITH_SESSIONS.contains(&spoken))
            && meta(message).contains_key("protocolVersion"))
}

/// A revision that nobody knows here.
pub fn unsupported(message: &Message, spoken: &str) -> Response {
    let error = json!({
        "code": code::UNSUPPORTED_VERSION,
        "message": format!("revision {spoken:?} is not supported"),
        "data": {"supported": version::all(), "requested": spoken},
    });
    let answer = Answer::error(message.id().unwrap_or("null"), error.to_string().as_bytes());
    json(StatusCode::BAD_REQUEST, answer.text)
}

/// Checks the headers against the body; the reason where they differ.
fn mismatch(headers: &HeaderMap, message: &Message, meta: &Map<String, Value>) -> Option<String> {
    let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(spoken) = word(VERSION) else {
        return Some("the header MCP-Protocol-Version is missing".to_owned());
    };
    let version = meta.get("protocolVersion").and_then(Value::as_str);
    if version.is_some_and(|version| version != spoken) {
        return Some(format!(
            "MCP-Protocol-Version is {spoken:?}, but the body has {version:?}"
        ));
    }
    let method = message.method();
    if word("mcp-method") != Some(method) {
        return Some(format!("Mcp-Method must be {method:?}"));
    }
    let fields = message.fields().unwrap_or_default();
    let place = match method {
        "tools/call" | "prompts/get" => fields.name,
        "resources/read" => fields.uri,
        _ => return None,
    };
    let name: Option<String> = place.and_then(|place| serde_json::from_str(message.at(place)).ok());
    let given = word("mcp-name").and_then(decoded);
    (given != name).then(|| format!("Mcp-Name must be {:?}", name.unwrap_or_default()))
}

/// A header's value, which may be in Base64 between `=?base64?` and `?=`.
fn decoded(value: &str) -> Option<String> {
    let Some(coded) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in coded.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The headers that a request to a server of this revision has.
pub fn headers(message: &Message) -> Vec<(&'static str, String)> {
    let method = message.method();
    let mut headers = vec![
        (VERSION, version::STATELESS.to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    let fields = message.fields().unwrap_or_default();
    let place = match method {
        "tools/call" | "prompts/get" => fields.name,
        "resources/read" => fields.uri,
        _ => None,
    };
    let name: Option<String> = place.and_then(|place| serde_json::from_str(message.at(place)).ok());
    headers.extend(name.map(|name| ("mcp-name", coded(name))));
    headers
}

/// A text as a header's value: in Base64 if it can't stand there as it is.
fn coded(text: String) -> String {
    use base64::Engine;
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if plain && text.trim() == text && !text.starts_with("=?base64?") {
        return text;
    }
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    format!("=?base64?{coded}?=")
}

/// `POST` of this revision.
pub async fn post(
    relay: Arc<Relay>,
    at: At,
    filter: Filter,
    headers: &HeaderMap,
    message: Message,
) -> Response {
    match message.kind {
        McpKind::Notification => return StatusCode::ACCEPTED.into_response(),
        McpKind::Request => {}
        _ => {
            let text =
                "a POST must contain one request; send responses to servers with a retried request";
            return refused(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, text);
        }
    }
    let id = message.id().unwrap_or("null").to_owned();
    let refusal = |status: StatusCode, code: i32, text: &str| {
        json(status, Answer::refusal(&id, code, text).text)
    };
    let meta = meta(&message);
    if let Some(reason) = mismatch(headers, &message, &meta) {
        return refusal(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, &reason);
    }
    if !meta.contains_key("protocolVersion") || !meta.contains_key("clientCapabilities") {
        let text =
            "params._meta requires io.modelcontextprotocol/protocolVersion and /clientCapabilities";
        return refusal(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, text);
    }
    if GONE.contains(&message.method()) {
        let text = format!(
            "revision {} has no {}",
            version::STATELESS,
            message.method()
        );
        return refusal(StatusCode::NOT_FOUND, code::METHOD_NOT_FOUND, &text);
    }
    match message.method() {
        "server/discover" => return discover(&relay, &at, filter, &id).await,
        "subscriptions/listen" => {
            return super::listen::listen(&relay, &at, filter, &message).await;
        }
        _ => {}
    }
    if let Some(round) = rounds::resumed(&relay, &message) {
        return match round {
            Ok(round) => round.respond(relay, id).await,
            Err(error) => {
                let status = StatusCode::BAD_REQUEST;
                refusal(status, code::INVALID_PARAMS, &error.to_string())
            }
        };
    }
    let level = meta
        .get("logLevel")
        .and_then(Value::as_str)
        .and_then(Level::read);
    let hears = level.map(|_| "notifications/message");
    let (sink, outbox) = queue::queue();
    let Some(plain) = without_ours(&message) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            code::INVALID_PARAMS,
            "params can't be read",
        );
    };
    if let Some(offers) = rounds::offers(&meta) {
        let session = rounds::session(&relay, &at, filter, &meta, &offers);
        let asks = rounds::ASKING.contains(&message.method());
        let mut post = Post::of(&session, &sink, asks);
        match &at {
            At::All => post.ask(aggregate::request(&relay, &session, &plain, &sink)),
            At::One(server) => {
                match session.attached(&server.core.name, || server.process(&session)) {
                    Ok(upstream) => {
                        upstream.greet();
                        post.add(dispatch::request(&session, &upstream, &plain, &sink));
                    }
                    Err(error) => {
                        return refusal(StatusCode::OK, code::SERVER_GONE, &error.to_string());
                    }
                }
            }
        }
        let method = message.method.clone().unwrap_or_else(|| "".into());
        let round = Round {
            session,
            outbox,
            post,
            method,
        };
        return round.respond(relay, id).await;
    }
    let session = session(
        &at,
        filter,
        Channel::Stream(sink.clone()),
        hears.into_iter().collect(),
    );
    if let Some(level) = level {
        session.set_level(level);
    }
    let mut post = Post::only(&session);
    match &at {
        At::All => post.ask(aggregate::request(&relay, &session, &plain, &sink)),
        At::One(server) => {
            let process = if level.is_some() || server.core.entry().isolate {
                session.attached(&server.core.name, || server.process(&session))
            } else {
                Ok(Arc::clone(&server.shared))
            };
            match process {
                Ok(upstream) => {
                    upstream.greet();
                    if level.is_some() {
                        upstream.level();
                    }
                    post.add(dispatch::request(&session, &upstream, &plain, &sink));
                }
                Err(error) => {
                    return refusal(StatusCode::OK, code::SERVER_GONE, &error.to_string());
                }
            }
        }
    }
    // The session has a sink as well, so the queue does not end before its answer.
    drop(sink);
    let method = message.method.clone();
    let finish: Finish = Box::new(move |answer| finished(method.as_deref(), &id, answer));
    respond(outbox, 1, false, Form::of(headers), post, Some(finish)).await
}

/// A session for one request.
pub fn session(
    at: &At,
    filter: Filter,
    channel: Channel,
    hears: Vec<&'static str>,
) -> Arc<Session> {
    let id: Arc<str> = crate::secrets::make(16).into();
    // What servers would ask can't be passed on here: so they are told that nobody answers.
    let client = Client {
        hello: json!({
            "protocolVersion": version::NEWEST_WITH_SESSIONS,
            "capabilities": {},
            "clientInfo": {"name": "vivarium", "title": "Vivarium", "version": wire::VERSION},
        })
        .to_string(),
        version: version::STATELESS.to_owned(),
        answers: false,
    };
    Session::hearing(id, at.name(), client, filter, channel, hears)
}

/// The request as a server of a session gets it.
fn without_ours(message: &Message) -> Option<Message> {
    let place = message.fields().ok()?.meta?;
    let mut meta: Map<String, Value> = serde_json::from_str(message.at(place.clone())).ok()?;
    meta.retain(|name, _| !name.starts_with(OURS));
    let text = message.with(None, &[(place, &Value::Object(meta).to_string())]);
    let plain = Message::read(text).ok()?;
    // Another thing in this revision.
    Some(plain.without_task().unwrap_or(plain))
}

/// An answer as this revision has it.
pub fn finished(method: Option<&str>, id: &str, answer: Answer) -> (StatusCode, Answer) {
    let payload = answer.payload();
    if answer.is_error {
        let Ok(mut error) = serde_json::from_slice::<Value>(&payload) else {
            return (StatusCode::OK, answer);
        };
        return match error["code"].as_i64() {
            // Codes that this revision gave up.
            Some(-32002) => {
                error["code"] = code::INVALID_PARAMS.into();
                (
                    StatusCode::OK,
                    Answer::error(id, error.to_string().as_bytes()),
                )
            }
            Some(-32601) => (StatusCode::NOT_FOUND, answer),
            _ => (StatusCode::OK, answer),
        };
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Has {
        result_type: Option<IgnoredAny>,
        ttl_ms: Option<IgnoredAny>,
    }
    let Ok(has) = serde_json::from_slice::<Has>(&payload) else {
        return (StatusCode::OK, answer);
    };
    let mut first = String::new();
    if has.result_type.is_none() {
        first.push_str(r#""resultType":"complete","#);
    }
    if has.ttl_ms.is_none() && method.is_some_and(|method| CACHED.contains(&method)) {
        first.push_str(r#""ttlMs":0,"cacheScope":"private","#);
    }
    let rest = payload
        .trim_ascii_start()
        .strip_prefix(b"{")
        .unwrap_or_default();
    if rest.trim_ascii_start().first() == Some(&b'}') {
        first.pop();
    }
    let result = [b"{", first.as_bytes(), rest].concat();
    (StatusCode::OK, Answer::result(id, &result))
}

async fn discover(relay: &Relay, at: &At, filter: Filter, id: &str) -> Response {
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": version::all(),
        "ttlMs": 0,
        "cacheScope": "private",
    });
    match at {
        At::All => {
            result["capabilities"] = aggregate::capabilities();
            result["_meta"] =
                json!({"io.modelcontextprotocol/serverInfo": aggregate::server_info()});
            let (sink, _unread) = queue::queue();
            let session = session(at, filter, Channel::Stream(sink), Vec::new());
            // It ends with this, also if nobody waits any more.
            let _only = Post::only(&session);
            if let Some(instructions) = aggregate::instructions(relay, &session).await {
                result["instructions"] = instructions.into();
            }
        }
        At::One(server) => match server.shared.ready().await {
            Ok(hello) => {
                let mut capabilities = hello.capabilities.clone();
                if let Some(capabilities) = capabilities.as_object_mut() {
                    // Another thing in this revision.
                    capabilities.remove("tasks");
                }
                result["capabilities"] = capabilities;
                result["_meta"] = json!({"io.modelcontextprotocol/serverInfo": hello.server_info});
                if let Some(instructions) = &hello.instructions {
                    result["instructions"] = instructions.as_str().into();
                }
            }
            Err(error) => {
                let answer = Answer::refusal(id, code::SERVER_GONE, &error.to_string());
                return json(StatusCode::OK, answer.text);
            }
        },
    }
    json(
        StatusCode::OK,
        Answer::result(id, result.to_string().as_bytes()).text,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_headers_may_be_coded() {
        assert_eq!(decoded("plain").as_deref(), Some("plain"));
        assert_eq!(
            decoded("=?base64?SGVsbG8sIOS4lueVjA==?=").as_deref(),
            Some("Hello, 世界")
        );
        assert_eq!(decoded("=?base64?!?="), None);
        for name in ["plain", "Hello, 世界", " x", "=?base64?x", "a\nb"] {
            let value = coded(name.to_owned());
            assert!(
                value.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{value}"
            );
            assert_eq!(decoded(&value).as_deref(), Some(name));
        }
    }

    #[test]
    fn results_get_what_the_revision_wants() {
        let finish = |method, result: &str| {
            let (_, answer) = finished(Some(method), "1", Answer::result("1", result.as_bytes()));
            String::from_utf8(answer.payload().to_vec()).unwrap()
        };
        assert_eq!(finish("tools/call", "{}"), r#"{"resultType":"complete"}"#);
        assert_eq!(
            finish("tools/list", r#"{"tools":[]}"#),
            r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}"#
        );
        let whole = r#"{"resultType":"input_required"}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&finish("tools/call", whole)).unwrap()["resultType"],
            "input_required"
        );
    }
}
