//! Servers elsewhere that send messages on, and that let a call be asked for again and again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{any, get, post},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::{
    client::{Client, Machine},
    remote::{json_text, odd, welcome},
};

const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream")];

fn late(id: &Value) -> Value {
    let result = json!({"content": [{"type": "text", "text": "late"}]});
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// Frameworks send `/messages` on to `/messages/`.
#[tokio::test]
async fn messages_of_the_older_transport_may_be_sent_on() {
    let (say, said) = mpsc::channel::<String>(9);
    let said = Arc::new(Mutex::new(said));
    let listen = get(async move || {
        let first = "event: endpoint\ndata: /messages?back=http://b.example/\n\n".to_owned();
        let events = stream::unfold((Some(first), said), async |(first, said)| {
            let event = match first {
                Some(first) => first,
                None => said.lock().await.recv().await?,
            };
            Some((Ok::<_, std::convert::Infallible>(event), (None, said)))
        });
        (EVENTS, Body::from_stream(events))
    });
    let take = post(async move |text: String| {
        let message: Value = serde_json::from_str(&text).unwrap();
        let answer = match message["method"].as_str() {
            Some("initialize") => welcome(&message),
            Some("tools/call") => late(&message["id"]),
            _ => return StatusCode::ACCEPTED,
        };
        let _ = say.send(format!("data: {answer}\n\n")).await;
        StatusCode::ACCEPTED
    });
    let on = any(async || (StatusCode::TEMPORARY_REDIRECT, [("location", "/messages/")]));
    let routes = Router::new()
        .route("/sse", listen)
        .route("/messages", on)
        .route("/messages/", take);
    let odd = odd(routes).await;
    let entry = json!({"url": format!("http://{}/sse", odd.address), "type": "sse"});
    let machine = Machine::start(json!({"odd": entry})).await;
    let client = Client::open(&machine, "odd").await;
    for _ in 0..2 {
        assert_eq!(client.call("x", json!({})).await.as_deref(), Ok("late"));
    }
    assert_eq!(machine.status("odd").await["restarts"], 0);
    machine.end().await;
}

/// A long call need not hold a connection: the server ends the stream, and is asked again.
#[tokio::test]
async fn a_call_is_asked_for_as_often_as_its_server_ends_the_stream() {
    const POLLS: u64 = 12;
    let asked = Arc::new(AtomicU64::new(0));
    let number = Arc::clone(&asked);
    let post = post(async move |text: String| {
        let message: Value = serde_json::from_str(&text).unwrap();
        match message["method"].as_str() {
            Some("initialize") => json_text(&welcome(&message)),
            Some("tools/call") => {
                asked.store(message["id"].as_u64().unwrap(), Ordering::SeqCst);
                (EVENTS, "id: e1\nretry: 1\ndata:\n\n").into_response()
            }
            _ => StatusCode::ACCEPTED.into_response(),
        }
    });
    let polled = AtomicU64::new(0);
    let polled = Arc::new(polled);
    let counted = Arc::clone(&polled);
    let get = get(async move |head: HeaderMap| {
        if head.get("last-event-id").is_none() {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        match counted.fetch_add(1, Ordering::SeqCst) + 1 {
            3 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            POLLS => {
                let answer = late(&number.load(Ordering::SeqCst).into());
                (EVENTS, format!("data: {answer}\n\n")).into_response()
            }
            _ => (EVENTS, "").into_response(),
        }
    });
    let odd = odd(Router::new().route("/mcp", post.merge(get))).await;
    let entry = json!({"url": format!("http://{}/mcp", odd.address)});
    let machine = Machine::start(json!({"odd": entry})).await;
    let client = Client::open(&machine, "odd").await;
    assert_eq!(client.call("x", json!({})).await.as_deref(), Ok("late"));
    assert_eq!(polled.load(Ordering::SeqCst), POLLS);
    machine.end().await;
}

/// What a server has begun is not asked of it a second time.
#[tokio::test]
async fn a_call_that_was_taken_is_not_asked_again_of_a_new_session() {
    let calls = Arc::new(AtomicU64::new(0));
    let called = Arc::clone(&calls);
    let post = post(async move |text: String| {
        let message: Value = serde_json::from_str(&text).unwrap();
        match message["method"].as_str() {
            Some("initialize") => {
                let session = [("mcp-session-id", "s")];
                (session, json_text(&welcome(&message))).into_response()
            }
            Some("tools/call") => {
                called.fetch_add(1, Ordering::SeqCst);
                (EVENTS, "id: e1\nretry: 1\ndata:\n\n").into_response()
            }
            _ => StatusCode::ACCEPTED.into_response(),
        }
    });
    let get = get(async |head: HeaderMap| match head.get("last-event-id") {
        Some(_) => StatusCode::NOT_FOUND,
        None => StatusCode::METHOD_NOT_ALLOWED,
    });
    let odd = odd(Router::new().route("/mcp", post.merge(get))).await;
    let entry = json!({"url": format!("http://{}/mcp", odd.address)});
    let machine = Machine::start(json!({"odd": entry})).await;
    let client = Client::open(&machine, "odd").await;
    let error = client.call("x", json!({})).await.unwrap_err();
    assert!(error.contains("before it responded"), "{error}");
    // The new session's own beginning is in flight for a moment.
    let begun = |line: &Value| line["restarts"] == 1 && line["in_flight"] == 0;
    machine.until("odd", begun).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    machine.end().await;
}
