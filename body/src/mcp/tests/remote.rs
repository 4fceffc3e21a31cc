//! Servers elsewhere: a second relay is one, and so are servers that answer as none should.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use hyper::Method;
use serde_json::{Value, json};
use tokio::{net::TcpSocket, task::JoinSet};

use super::client::{Client, Machine, begin, called, last_message, listener, scripted, until_said};

/// An entry for a server of another relay.
fn far(other: &Machine, path: &str) -> Value {
    json!({
        "url": format!("http://{}{path}", other.address),
        "headers": {"Authorization": "Bearer token-of-the-tests"},
    })
}

async fn pair(path: &str, kind: Option<&str>) -> (Machine, Machine) {
    let other = Machine::start(json!({"a": scripted("")})).await;
    let mut entry = far(&other, path);
    if let Some(kind) = kind {
        entry["type"] = kind.into();
    }
    let machine = Machine::start(json!({"far": entry})).await;
    (other, machine)
}

/// All that a server in the machine does, one elsewhere does as well.
async fn works(path: &str, kind: Option<&str>) {
    let (other, machine) = pair(path, kind).await;
    let client = Client::open(&machine, "far").await;
    client.echo("ä\u{2028}x").await;
    assert!(client.call("nothing", json!({})).await.is_err());
    let text = client.call("large", json!({"bytes": 8 << 20})).await;
    assert_eq!(text.unwrap().len(), 8 << 20);
    client.echo("on").await;

    // Progress comes while a call is under way, and a call that nobody waits for is cancelled.
    let headers = [("mcp-session-id", &*client.session)];
    let hang = called("hang", json!({})).to_string();
    let mut stream = machine
        .send(Method::POST, &client.path, &headers, hang)
        .await;
    let said = until_said(&mut stream, "progressToken").await;
    assert!(said.contains(r#""p""#), "{said}");
    drop(stream);
    machine.until("far", |line| line["in_flight"] == 0).await;
    other.until("a", |line| line["in_flight"] == 0).await;
    assert_eq!(
        client.call("cancelled", json!({})).await.as_deref(),
        Ok("1")
    );

    // What the server says by itself.
    let get = [headers[0], ("accept", "text/event-stream")];
    let mut stream = machine
        .send(Method::GET, &client.path, &get, Body::empty())
        .await;
    client.call("flood", json!({"count": 3})).await.unwrap();
    until_said(&mut stream, "id: 3\n").await;

    // What it asks goes to the client whose session it is.
    let sampling = json!({"sampling": {}});
    let asked = Client::with(&machine, "far", sampling, "2025-11-25").await;
    let headers = [("mcp-session-id", &*asked.session)];
    let ask = called("ask", json!({})).to_string();
    let mut stream = machine.send(Method::POST, &asked.path, &headers, ask).await;
    let question = last_message(&until_said(&mut stream, "}\n\n").await);
    assert_eq!(question["method"], "sampling/createMessage");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"model": "m"}});
    assert_eq!(asked.post(answer).await.status, 202);
    let said = until_said(&mut stream, "\n\n").await;
    assert!(said.contains("\\\"model\\\": \\\"m\\\""), "{said}");

    let line = machine.status("far").await;
    assert_eq!(
        (&line["state"], &line["pid"], &line["own_processes"]),
        (&json!("ready"), &Value::Null, &json!(1))
    );
    assert_eq!(line["server_info"]["name"], "scripted");
    // Its sessions there end with it.
    machine.end().await;
    other
        .until("a", |line| {
            line["sessions"] == 0 && line["own_processes"] == 0
        })
        .await;
    other.end().await;
}

#[tokio::test]
async fn streamable_http() {
    works("/servers/a/mcp", None).await;
}

#[tokio::test]
async fn the_older_transport_by_its_name() {
    works("/servers/a/sse", Some("sse")).await;
}

#[tokio::test]
async fn the_older_transport_found_out() {
    works("/servers/a/sse", None).await;
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_begun_anew_without_the_client_noticing() {
    let (other, machine) = pair("/servers/a/mcp", Some("http")).await;
    let client = Client::open(&machine, "far").await;
    client.echo("one").await;
    for times in 1..=3 {
        other.forget_sessions();
        client.echo("again").await;
        assert_eq!(machine.status("far").await["restarts"], times);
    }
    machine.end().await;
    other.end().await;
}

#[tokio::test]
async fn one_that_goes_and_comes_back_takes_calls_again() {
    let (other, machine) = pair("/servers/a/mcp", None).await;
    let client = Client::open(&machine, "far").await;
    client.echo("one").await;
    let address = other.address.clone();
    other.end().await;
    let error = client.call("echo", json!({})).await.unwrap_err();
    assert!(
        error.contains(&address) && !error.contains("token-of"),
        "{error}"
    );
    let other = Machine::start_at(&address, json!({"a": scripted("")})).await;
    let again = async {
        while client.call("echo", json!({"word": "x"})).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::client::DEADLINE, again)
        .await
        .unwrap();
    machine.end().await;
    other.end().await;
}

#[tokio::test]
async fn its_secrets_are_nowhere_to_be_seen() {
    let (other, machine) = pair("/servers/a/mcp?api_key=k3y", None).await;
    Client::open(&machine, "far").await.echo("x").await;
    for path in ["/servers", "/status", "/traces"] {
        let text = machine.get(path).await.to_string();
        assert!(
            !text.contains("token-of") && !text.contains("k3y"),
            "{path}: {text}"
        );
    }
    // What is shown may be entered again.
    let shown = machine.get("/servers").await;
    let servers = shown["servers"].as_array().unwrap();
    let entry = &servers.iter().find(|one| one["name"] == "far").unwrap()["entry"];
    assert_eq!(entry["headers"]["Authorization"], "•••");
    let put = machine
        .ask(Method::PUT, "/servers/far", &[], entry.to_string())
        .await;
    assert_eq!(put.status, 200, "{}", put.text);
    Client::open(&machine, "far").await.echo("y").await;
    machine.end().await;
    other.end().await;
}

/// A server of the test's own.
pub struct Odd {
    pub address: String,
    /// Aborted, it takes no connections any more; those it has go on.
    serving: JoinSet<()>,
}

pub async fn odd(routes: Router) -> Odd {
    let listener = listener().await;
    let address = listener.local_addr().unwrap().to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    Odd { address, serving }
}

pub fn json_text(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

pub fn welcome(asked: &Value) -> Value {
    let info = json!({"name": "odd", "version": "1"});
    let result = json!({"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info});
    json!({"jsonrpc": "2.0", "id": asked["id"], "result": result})
}

/// What `initialize` is answered where one can't be used.
async fn refusal(routes: Router, path: &str) -> String {
    let odd = odd(routes).await;
    let entry =
        json!({"url": format!("http://{}{path}", odd.address), "headers": {"X-Key": "s3cret"}});
    let machine = Machine::start(json!({"odd": entry, "good": scripted("")})).await;
    let reply = begin(&machine, "/servers/odd/mcp", json!({}), "2025-11-25").await;
    let error = reply.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reply.session.is_none() && error.contains(&odd.address) && !error.contains("s3cret"));
    let line = machine.until("odd", |line| line["state"] == "idle").await;
    assert_eq!(line["problem"], error);
    Client::open(&machine, "good").await.echo("on").await;
    machine.end().await;
    error
}

#[tokio::test]
async fn one_that_can_not_be_used_says_why() {
    let status = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        any(async move || (status, "<html>no</html>"))
    };
    let said = refusal(Router::new().route("/mcp", status(401)), "/mcp").await;
    assert!(
        said.contains("Authorization") && said.contains("OAuth"),
        "{said}"
    );
    let said = refusal(Router::new().route("/mcp", status(403)), "/mcp").await;
    assert!(said.contains("headers"), "{said}");
    let said = refusal(Router::new().route("/mcp", status(200)), "/mcp").await;
    assert!(said.contains("unexpected response"), "{said}");
    let said = refusal(Router::new(), "/mcp").await;
    assert!(said.contains("check that this is the address"), "{said}");
    let told = post(async || (StatusCode::BAD_GATEWAY, r#"{"error": "no backend"}"#));
    let said = refusal(Router::new().route("/mcp", told), "/mcp").await;
    assert!(
        said.contains("502") && said.contains("no backend"),
        "{said}"
    );
    let elsewhere = any(async || {
        let to = [("location", "http://localhost.example/mcp")];
        (StatusCode::TEMPORARY_REDIRECT, to)
    });
    let said = refusal(Router::new().route("/mcp", elsewhere), "/mcp").await;
    assert!(said.contains("redirects to another address"), "{said}");
    let circle = any(async || (StatusCode::PERMANENT_REDIRECT, [("location", "/mcp")]));
    let said = refusal(Router::new().route("/mcp", circle), "/mcp").await;
    assert!(said.contains("redirects in a loop"), "{said}");
}

#[tokio::test]
async fn one_that_is_not_there_says_so() {
    // Taken, and not listened at: connections are refused, and nobody else comes to be there.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    let entry = json!({"url": format!("http://{address}/mcp")});
    let named = json!({"url": "http://no-such-name.invalid/mcp"});
    let machine = Machine::start(json!({"far": entry, "named": named})).await;
    for server in ["far", "named"] {
        let path = format!("/servers/{server}/mcp");
        let reply = begin(&machine, &path, json!({}), "2025-11-25").await;
        let error = reply.json()["error"]["message"].to_string();
        assert!(error.contains("unreachable"), "{error}");
    }
    let problem = machine.status("named").await["problem"].to_string();
    assert!(
        problem.contains("host name not found: no-such-name.invalid"),
        "{problem}"
    );
    machine.end().await;
}

/// What is under way is not lost because another request found no connection.
#[tokio::test]
async fn what_is_under_way_goes_on_where_another_request_can_not_connect() {
    let release = Arc::new(tokio::sync::Notify::new());
    let released = Arc::clone(&release);
    let answer = post(async move |text: String| {
        let message: Value = serde_json::from_str(&text).unwrap();
        let id = &message["id"];
        // Nothing is left to send the next request over.
        let close = [("connection", "close")];
        match message["method"].as_str() {
            Some("initialize") => (close, json_text(&welcome(&message))).into_response(),
            Some("tools/call") => {
                released.notified().await;
                let result = json!({"content": [{"type": "text", "text": "late"}]});
                let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
                (close, json_text(&answer)).into_response()
            }
            _ => (close, StatusCode::ACCEPTED).into_response(),
        }
    });
    let mut odd = odd(Router::new().route("/mcp", answer)).await;
    let entry = json!({"url": format!("http://{}/mcp", odd.address)});
    let machine = Machine::start(json!({"odd": entry})).await;
    let client = Client::open(&machine, "odd").await;
    let rest = async {
        machine.until("odd", |line| line["in_flight"] == 1).await;
        odd.serving.shutdown().await;
        let error = client.call("slow", json!({})).await.unwrap_err();
        assert!(error.contains("unreachable"), "{error}");
        let line = machine.status("odd").await;
        assert_eq!(
            (&line["in_flight"], &line["state"]),
            (&json!(1), &json!("ready"))
        );
        release.notify_one();
    };
    let (answered, ()) = tokio::join!(client.call("slow", json!({})), rest);
    assert_eq!(answered.as_deref(), Ok("late"));
    // It is there after all; the next request tells that it is not.
    assert!(client.call("slow", json!({})).await.is_err());
    machine.until("odd", |line| line["state"] != "ready").await;
    machine.end().await;
}

/// A server that redirects, breaks off the stream of an answer, and knows what it said.
#[tokio::test]
async fn broken_streams_are_taken_up_where_they_stopped() {
    let resumed = Arc::new(Mutex::new(Vec::<String>::new()));
    let headers = Arc::new(Mutex::new(Vec::<HeaderMap>::new()));
    let (told, seen) = (Arc::clone(&resumed), Arc::clone(&headers));
    let asked = Arc::new(AtomicU64::new(0));
    let number = Arc::clone(&asked);
    let post = post(async move |head: HeaderMap, text: String| {
        seen.lock().unwrap().push(head);
        let message: Value = serde_json::from_str(&text).unwrap();
        let id = &message["id"];
        match message["method"].as_str() {
            Some("initialize") => {
                let session = [("mcp-session-id", "s1")];
                (session, json_text(&welcome(&message))).into_response()
            }
            Some("tools/call") => {
                asked.store(id.as_u64().unwrap(), Ordering::SeqCst);
                let events = "id: e1\nretry: 10\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n";
                ([("content-type", "text/event-stream")], events).into_response()
            }
            Some(method) if id.is_null() => {
                assert!(method.starts_with("notifications/"), "{method}");
                StatusCode::ACCEPTED.into_response()
            }
            // In the transport's own words, for this request alone.
            _ => (
                StatusCode::BAD_REQUEST,
                json_text(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "not that"}})),
            )
                .into_response(),
        }
    });
    let get = get(async move |head: HeaderMap| {
        let Some(last) = head.get("last-event-id") else {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        };
        told.lock().unwrap().push(last.to_str().unwrap().to_owned());
        let id = number.load(Ordering::SeqCst);
        let result = json!({"content": [{"type": "text", "text": "late"}]});
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        let events = format!("id: e2\ndata: {answer}\n\n");
        ([("content-type", "text/event-stream")], events).into_response()
    });
    let moved = any(async || (StatusCode::TEMPORARY_REDIRECT, [("location", "/real/")]));
    let routes = Router::new()
        .route("/mcp", moved)
        .route("/real/", post.merge(get));
    let odd = odd(routes).await;
    let entry = json!({"url": format!("http://{}/mcp", odd.address), "headers": {"X-Key": "k"}});
    let machine = Machine::start(json!({"odd": entry})).await;
    let client = Client::open(&machine, "odd").await;
    assert_eq!(client.call("x", json!({})).await.as_deref(), Ok("late"));
    assert_eq!(*resumed.lock().unwrap(), ["e1"]);
    let refused = client
        .post(json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}))
        .await;
    assert_eq!(refused.json()["error"]["message"], "not that");
    assert_eq!(machine.status("odd").await["restarts"], 0);
    machine.end().await;
    let headers = headers.lock().unwrap();
    assert!(headers.iter().all(|head| head["x-key"] == "k"));
    assert!(headers[0].get("mcp-session-id").is_none());
    assert_eq!(headers[1]["mcp-session-id"], "s1");
    assert_eq!(headers[1]["mcp-protocol-version"], "2025-11-25");
}
