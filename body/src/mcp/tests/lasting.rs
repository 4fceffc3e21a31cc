//! What lasts, and for how long: streams that break and are taken up again, sessions that nobody
//! uses, processes of one request.

use std::time::Duration;

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    super::server::Limits,
    client::{
        Client, DEADLINE, Machine, begin, called, last_message, limits, listener, scripted,
        until_said,
    },
};

async fn with(limits: Limits) -> Machine {
    Machine::start_with(listener().await, json!({"a": scripted("")}), limits).await
}

fn patient() -> Limits {
    Limits {
        patience: DEADLINE,
        ..limits()
    }
}

/// A call's stream whose first event was read, and that is dropped: the event's id.
async fn dropped(machine: &Machine, client: &Client<'_>, tool: &str) -> String {
    let headers = [("mcp-session-id", &*client.session)];
    let text = called(tool, json!({})).to_string();
    let mut stream = machine
        .send(Method::POST, &client.path, &headers, text)
        .await;
    let said = until_said(&mut stream, "}\n\n").await;
    let (_, id) = said.rsplit_once("id: ").unwrap();
    id.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_whose_stream_broke_goes_on_and_its_answer_is_fetched() {
    let machine = with(patient()).await;
    let client = Client::open(&machine, "a").await;
    let id = dropped(&machine, &client, "wait").await;
    // It goes on: nobody cancelled it.
    assert_eq!(machine.status("a").await["in_flight"], 1);
    let headers = |id| {
        [
            ("mcp-session-id", &*client.session),
            ("accept", "text/event-stream"),
            ("last-event-id", id),
        ]
    };
    let mut first = machine
        .send(Method::GET, &client.path, &headers(&id), Body::empty())
        .await;
    // A second reader takes the place of the first, whose connection may be half gone.
    let mut second = machine
        .send(Method::GET, &client.path, &headers(&id), Body::empty())
        .await;
    assert_eq!(
        client.call("release", json!({})).await.as_deref(),
        Ok("released")
    );
    let said = until_said(&mut second, "released late").await;
    assert!(!said.contains("progressToken"), "{said}");
    let rest = http_body_util::BodyExt::collect(first.body_mut())
        .await
        .unwrap();
    assert!(!String::from_utf8_lossy(&rest.to_bytes()).contains("late"));
    drop(second);
    // What was said is told again to who missed it, from any event on.
    let (post, _) = id.split_once('-').unwrap();
    let mut again = machine
        .send(
            Method::GET,
            &client.path,
            &headers(&format!("{post}-0")),
            Body::empty(),
        )
        .await;
    let said = until_said(&mut again, "released late").await;
    assert!(said.contains("progressToken"), "{said}");
    // Of another session it is nothing.
    let other = Client::open(&machine, "a").await;
    let foreign = [
        ("mcp-session-id", &*other.session),
        ("accept", "text/event-stream"),
        ("last-event-id", &*id),
    ];
    let reply = machine
        .ask(Method::GET, &client.path, &foreign, Body::empty())
        .await;
    assert_eq!(reply.status, 400);
    machine.end().await;
}

/// Clients and proxies give up on a connection that says nothing.
#[tokio::test]
async fn a_silent_call_has_its_stream_at_once() {
    let machine = with(patient()).await;
    let client = Client::open(&machine, "a").await;
    let silent = called("silent", json!({}));
    let headers = [("mcp-session-id", &*client.session)];
    let text = silent.to_string();
    let sent = machine.send(Method::POST, &client.path, &headers, text);
    let mut stream = tokio::time::timeout(Duration::from_secs(5), sent)
        .await
        .expect("an answer's head at once");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    // It names an event to come back to.
    let first = until_said(&mut stream, "\n\n").await;
    assert!(
        first.starts_with("id: p") && first.contains("data: \n"),
        "{first}"
    );
    assert_eq!(
        client.call("release", json!({})).await.as_deref(),
        Ok("released")
    );
    until_said(&mut stream, "released late").await;

    // Without a session too.
    let params = silent["params"].clone();
    let sent = stateless(&machine, "/servers/a/mcp", "tools/call", params, None);
    let mut stream = tokio::time::timeout(Duration::from_secs(5), sent)
        .await
        .expect("an answer's head at once");
    assert_eq!(until_said(&mut stream, "\n\n").await, ":\n\n");
    client.call("release", json!({})).await.unwrap();
    until_said(&mut stream, "released late").await;

    // Whoever takes no stream gets JSON.
    let plain = [headers[0], ("accept", "application/json")];
    let text = silent.to_string();
    let (answer, released) = tokio::join!(
        machine.ask(Method::POST, &client.path, &plain, text),
        async {
            machine.until("a", |line| line["in_flight"] == 1).await;
            tokio::time::sleep(super::super::reply::AT_ONCE * 2).await;
            client.call("release", json!({})).await
        }
    );
    released.unwrap();
    let is_json = answer.text.starts_with('{');
    assert!(
        is_json && answer.text.contains("released late"),
        "{}",
        answer.text
    );
    machine.end().await;
}

/// Whoever is asked for may have to start first.
#[tokio::test]
async fn a_list_of_all_servers_has_its_stream_at_once_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let mut slow = scripted("slow");
    slow["args"].as_array_mut().unwrap().push(json!(file));
    let limits = Limits {
        listing: DEADLINE,
        ..limits()
    };
    let machine = Machine::start_with(listener().await, json!({"a": slow}), limits).await;
    let reply = begin(&machine, "/mcp", json!({}), "2025-11-25").await;
    let session = reply.session.unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let headers = [("mcp-session-id", &*session)];
    let sent = machine.send(Method::POST, "/mcp", &headers, list);
    let mut stream = tokio::time::timeout(Duration::from_secs(5), sent)
        .await
        .expect("an answer's head at once");
    until_said(&mut stream, "\n\n").await;
    std::fs::write(&file, "").unwrap();
    until_said(&mut stream, "a__echo").await;
    machine.end().await;
}

/// A program that is fetched first says nothing meanwhile.
#[tokio::test]
async fn a_slow_start_has_minutes_and_its_limit_is_told() {
    assert!(Limits::default().start >= Duration::from_secs(5 * 60));
    let limits = Limits {
        start: Duration::from_secs(1),
        ..limits()
    };
    let mute = json!({"a": scripted("mute")});
    let machine = Machine::start_with(listener().await, mute, limits).await;
    let reply = begin(&machine, "/servers/a/mcp", json!({}), "2025-11-25").await;
    assert!(
        reply
            .text
            .contains("did not respond to initialize within 1 s"),
        "{}",
        reply.text
    );
    machine.end().await;
}

#[tokio::test]
async fn a_stream_that_nobody_takes_up_again_ends_its_call() {
    let machine = with(Limits {
        patience: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let client = Client::open(&machine, "a").await;
    let id = dropped(&machine, &client, "hang").await;
    machine.until("a", |line| line["in_flight"] == 0).await;
    assert_eq!(
        client.call("cancelled", json!({})).await.as_deref(),
        Ok("1")
    );
    let headers = [
        ("mcp-session-id", &*client.session),
        ("accept", "text/event-stream"),
        ("last-event-id", &*id),
    ];
    let reply = machine
        .ask(Method::GET, &client.path, &headers, Body::empty())
        .await;
    assert!(reply.status == 400 && reply.text.contains("has ended"));
    machine.end().await;
}

#[tokio::test]
async fn a_session_ends_with_the_streams_that_wait() {
    let machine = with(patient()).await;
    let client = Client::open(&machine, "a").await;
    dropped(&machine, &client, "hang").await;
    let headers = [("mcp-session-id", &*client.session)];
    let reply = machine
        .ask(Method::DELETE, &client.path, &headers, Body::empty())
        .await;
    assert_eq!(reply.status, 204);
    machine.until("a", |line| line["in_flight"] == 0).await;
    machine.end().await;
}

#[tokio::test]
async fn sessions_that_nobody_uses_end_and_those_with_a_process_sooner() {
    let machine = with(Limits {
        idle_own: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let shared = Client::open(&machine, "a").await;
    let sampling = json!({"sampling": {}});
    let own = Client::with(&machine, "a", sampling.clone(), "2025-11-25").await;
    machine.until("a", |line| line["own_processes"] == 0).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(own.post(ping.clone()).await.status, 404);
    shared.echo("on").await;
    // One with a stream is used.
    let read = Client::with(&machine, "a", sampling, "2025-11-25").await;
    let get = [
        ("mcp-session-id", &*read.session),
        ("accept", "text/event-stream"),
    ];
    let stream = machine
        .send(Method::GET, &read.path, &get, Body::empty())
        .await;
    if stream.status() == 200 {
        let pid = read.call("pid", json!({})).await.unwrap();
        assert!(super::client::lives(&pid));
    }
    machine.end().await;

    let machine = with(Limits {
        idle: Duration::from_millis(1),
        ..limits()
    })
    .await;
    let idle = Client::open(&machine, "a").await;
    machine.until("a", |line| line["sessions"] == 0).await;
    assert_eq!(idle.post(ping).await.status, 404);
    machine.end().await;
}

#[tokio::test]
async fn beyond_the_most_sessions_those_go_that_nobody_used_for_longest() {
    let machine = with(Limits {
        sessions: 2,
        ..limits()
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::open(&machine, "a").await);
    }
    machine.until("a", |line| line["sessions"] == 2).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(clients[0].post(ping.clone()).await.status, 404);
    assert_eq!(clients[1].post(ping).await.status, 404);
    clients[2].echo("on").await;
    clients[3].echo("on").await;
    machine.end().await;
}

const STATELESS: &str = "2026-07-28";

async fn stateless(
    machine: &Machine,
    path: &str,
    method: &str,
    mut params: Value,
    level: Option<&str>,
) -> hyper::Response<hyper::body::Incoming> {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = STATELESS.into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    if let Some(level) = level {
        params["_meta"]["io.modelcontextprotocol/logLevel"] = level.into();
    }
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let message = json!({"jsonrpc": "2.0", "id": "c1", "method": method, "params": params});
    let headers = [
        ("mcp-protocol-version", STATELESS),
        ("mcp-method", method),
        ("mcp-name", &*name),
    ];
    machine
        .send(Method::POST, path, &headers, message.to_string())
        .await
}

#[tokio::test]
async fn changes_are_heard_without_a_session_by_who_named_them() {
    let machine = with(limits()).await;
    let client = Client::open(&machine, "a").await;
    let wanted =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["x://1"]}});
    for path in ["/servers/a/mcp", "/mcp"] {
        let mut stream =
            stateless(&machine, path, "subscriptions/listen", wanted.clone(), None).await;
        let said = until_said(&mut stream, "acknowledged").await;
        assert!(said.contains("toolsListChanged") && said.contains("x://1"));
        // Others' resources, prompts and logs are not told.
        let tell = json!({"uri": "x://1"});
        client.call("tell", tell).await.unwrap();
        let said = until_said(&mut stream, "tools/list_changed").await;
        assert!(
            said.contains("subscriptionId") && said.contains("c1"),
            "{said}"
        );
        if path == "/servers/a/mcp" {
            assert!(said.contains("resources/updated") && said.contains("x://1"));
        }
        for other in ["x://2", "prompts/list_changed", "notifications/message"] {
            assert!(!said.contains(other), "{other}: {said}");
        }
    }
    let bad = stateless(
        &machine,
        "/servers/a/mcp",
        "subscriptions/listen",
        json!({}),
        None,
    )
    .await;
    assert_eq!(bad.status(), 400);
    // A listener that goes is forgotten.
    let _ = machine.until("a", |line| line["sessions"] == 1).await;
    machine.end().await;
}

#[tokio::test]
async fn log_messages_come_without_a_session_where_a_level_is_named() {
    let machine = with(limits()).await;
    let flood = || called("flood", json!({"count": 2}))["params"].clone();
    for (level, heard) in [(Some("info"), true), (Some("error"), false), (None, false)] {
        let answer = stateless(&machine, "/servers/a/mcp", "tools/call", flood(), level).await;
        let text = http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&text.to_bytes()).into_owned();
        assert!(text.contains("flooded"), "{text}");
        assert_eq!(
            text.contains("notifications/message"),
            heard,
            "{level:?}: {text}"
        );
    }
    machine.until("a", |line| line["sessions"] == 0).await;
    machine.end().await;
}

#[tokio::test]
async fn an_isolated_request_without_a_session_has_a_process_of_its_own() {
    let mut alone = scripted("");
    alone["isolate"] = json!(true);
    let machine = Machine::start(json!({"a": alone})).await;
    let mut pids = Vec::new();
    for _ in 0..3 {
        let params = called("pid", json!({}))["params"].clone();
        let answer = stateless(&machine, "/servers/a/mcp", "tools/call", params, None).await;
        let text = http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap();
        let answer = last_message(&String::from_utf8_lossy(&text.to_bytes()));
        let pid = answer["result"]["content"][0]["text"].as_str().unwrap();
        super::client::gone(pid).await;
        pids.push(pid.to_owned());
        machine.until("a", |line| line["own_processes"] == 0).await;
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    let reply = begin(&machine, "/servers/a/mcp", json!({}), "2025-11-25").await;
    assert_eq!(reply.status, 200);
    machine.end().await;
}
