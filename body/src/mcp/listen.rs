//! `subscriptions/listen` (revision 2026-07-28): changes that a client without a session names.
//! <https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions>

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Relay, aggregate, dispatch,
    filter::Filter,
    message::{Answer, Message, code},
    queue::{self, Outbox, Outgoing},
    reply::{self, Post, event, json},
    session::Channel,
    stateless::session,
    streamable::At,
};

/// `subscriptions/listen`: a stream of the changes that the client names.
pub async fn listen(relay: &Arc<Relay>, at: &At, filter: Filter, message: &Message) -> Response {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Wanted {
        tools_list_changed: bool,
        prompts_list_changed: bool,
        resources_list_changed: bool,
        resource_subscriptions: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Params {
        notifications: Wanted,
    }
    let id = message.id().unwrap_or("null").to_owned();
    let Some(Params {
        notifications: wanted,
    }) = message.params_as()
    else {
        let text = "params.notifications is missing";
        let answer = Answer::refusal(&id, code::INVALID_PARAMS, text);
        return json(StatusCode::BAD_REQUEST, answer.text);
    };
    let mut hears = Vec::new();
    let mut agreed = Map::new();
    for (on, field, method) in [
        (
            wanted.tools_list_changed,
            "toolsListChanged",
            "notifications/tools/list_changed",
        ),
        (
            wanted.prompts_list_changed,
            "promptsListChanged",
            "notifications/prompts/list_changed",
        ),
        (
            wanted.resources_list_changed,
            "resourcesListChanged",
            "notifications/resources/list_changed",
        ),
    ] {
        if on {
            hears.push(method);
            agreed.insert(field.to_owned(), true.into());
        }
    }
    if !wanted.resource_subscriptions.is_empty() {
        hears.push("notifications/resources/updated");
        agreed.insert(
            "resourceSubscriptions".to_owned(),
            json!(wanted.resource_subscriptions),
        );
    }
    let (sink, outbox) = queue::queue();
    let session = session(at, filter, Channel::Stream(sink.clone()), hears);
    let post = Post::only(&session);
    if matches!(at, At::All) {
        relay.keep(&session);
    }
    let (answers, _unread) = queue::queue();
    if let At::One(server) = at
        && let Ok(upstream) = session.attached(&server.core.name, || server.process(&session))
    {
        upstream.greet();
    }
    for uri in &wanted.resource_subscriptions {
        let params = json!({"uri": uri});
        let text =
            json!({"jsonrpc": "2.0", "id": 0, "method": "resources/subscribe", "params": params});
        let Ok(subscribe) = Message::read(Bytes::from(text.to_string())) else {
            continue;
        };
        let call = match at {
            At::All => aggregate::request(relay, &session, &subscribe, &answers).await,
            At::One(_) => session
                .upstreams()
                .first()
                .and_then(|upstream| dispatch::request(&session, upstream, &subscribe, &answers)),
        };
        if let Some(call) = call {
            call.leave();
        }
    }
    let acknowledged = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"notifications": agreed},
    });
    let _ = sink.put(Outgoing::Note(acknowledged.to_string().into()));
    drop(sink);
    let ended = session.ended();
    drop(session);
    let events = stream::unfold((outbox, id, post), |mut state| async move {
        let chunk = next_heard(&mut state.0, &state.1).await?;
        Some((chunk, state))
    });
    let events = events.take_until(Box::pin(async move { ended.cancelled().await }));
    reply::streamed(relay.until_the_end(events))
}

/// The next notification, with the request's id as that of the subscription.
async fn next_heard(outbox: &mut Outbox, id: &str) -> Option<Bytes> {
    loop {
        let next = tokio::time::timeout(super::http::PING, outbox.next());
        let text = match next.await {
            Ok(Some(Outgoing::Note(text))) => text,
            Ok(Some(_)) => continue,
            Ok(None) => return None,
            Err(_) => return Some(Bytes::from_static(b":\n\n")),
        };
        let Ok(mut note) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        if !note["params"].is_object() {
            note["params"] = json!({});
        }
        let id: Value = serde_json::from_str(id).unwrap_or_default();
        note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = id;
        return Some(event(None, note.to_string().as_bytes()));
    }
}
