//! Sessions that go on after their relay was ended and another one started.

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Machine, begin, called, last_message, scripted, until_said};

/// The same client of another relay.
fn on<'a>(machine: &'a Machine, path: &str, session: &str) -> Client<'a> {
    Client {
        machine,
        path: path.to_owned(),
        session: session.to_owned(),
    }
}

async fn stream(client: &Client<'_>, last: &str) -> hyper::Response<hyper::body::Incoming> {
    let headers = [
        ("mcp-session-id", &*client.session),
        ("accept", "text/event-stream"),
        ("last-event-id", last),
    ];
    client
        .machine
        .send(Method::GET, &client.path, &headers, Body::empty())
        .await
}

const PATH: &str = "/servers/a/mcp";

#[tokio::test]
async fn a_session_with_one_server_goes_on_with_what_it_asked_for() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let shared = Client::open(&machine, "a").await;
    let own = Client::with(&machine, "a", json!({"sampling": {}}), "2025-11-25").await;
    let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "x://1"}});
    assert_eq!(shared.post(subscribe).await.status, 200);
    let (shared, own) = (shared.session.clone(), own.session.clone());

    let machine = machine.again().await;
    let (shared, own) = (on(&machine, PATH, &shared), on(&machine, PATH, &own));
    let mut heard = stream(&shared, "").await;
    until_said(&mut heard, "The machine was restarted").await;
    // What the server asks still reaches its client, in a process of its own.
    let headers = [("mcp-session-id", &*own.session)];
    let ask = called("ask", json!({})).to_string();
    let mut asking = machine.send(Method::POST, PATH, &headers, ask).await;
    let question = last_message(&until_said(&mut asking, "}\n\n").await);
    assert_eq!(question["method"], "sampling/createMessage", "{question}");
    assert_eq!(machine.status("a").await["own_processes"], 1);
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"model": "m"}});
    assert_eq!(own.post(answer).await.status, 202);
    until_said(&mut asking, "\\\"m\\\"").await;
    // What was subscribed to is told, to who subscribed.
    let other = Client::open(&machine, "a").await;
    other.call("tell", json!({"uri": "x://1"})).await.unwrap();
    let said = until_said(&mut heard, "resources/updated").await;
    assert!(said.contains("x://1") && !said.contains("x://2"), "{said}");
    shared.echo("on").await;
    drop(heard);
    machine.end().await;
}

#[tokio::test]
async fn a_session_over_all_servers_keeps_what_it_chose_to_see() {
    let machine = Machine::start(json!({"a": scripted(""), "b": scripted("")})).await;
    let reply = begin(
        &machine,
        "/mcp?servers=b&separator=-",
        json!({}),
        "2025-11-25",
    )
    .await;
    let session = reply.session.unwrap();
    let machine = machine.again().await;
    let client = on(&machine, "/mcp", &session);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let listed = client.post(list).await.json();
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    let names: Vec<&Value> = tools.map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["b-echo", "b-pid"]);
    let mut heard = stream(&client, "").await;
    let said = until_said(&mut heard, "prompts/list_changed").await;
    assert!(said.contains("tools/list_changed"), "{said}");
    drop(heard);
    machine.end().await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_answered_with_an_error_and_never_with_another_s_stream() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let client = Client::open(&machine, "a").await;
    let headers = [("mcp-session-id", &*client.session)];
    let text = called("hang", json!({})).to_string();
    let mut cut = machine.send(Method::POST, PATH, &headers, text).await;
    let said = until_said(&mut cut, "}\n\n").await;
    let (_, id) = said.rsplit_once("id: ").unwrap();
    let (id, session) = (
        id.lines().next().unwrap().to_owned(),
        client.session.clone(),
    );
    drop(cut);
    let machine = machine.again().await;
    let client = on(&machine, PATH, &session);
    client.echo("on").await;
    let mut told = stream(&client, &id).await;
    let answer = last_message(&until_said(&mut told, "}\n\n").await);
    assert_eq!(answer["id"], "c1");
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("restarted before"), "{words}");
    machine.end().await;
}

#[tokio::test]
async fn a_session_that_ended_does_not_come_back() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let client = Client::open(&machine, "a").await;
    let session = client.session.clone();
    let headers = [("mcp-session-id", &*session)];
    let ended = machine.ask(Method::DELETE, PATH, &headers, "").await;
    assert_eq!(ended.status, 204);
    let gone = Client::open(&machine, "a").await.session.clone();
    let machine = machine.again().await;
    let ping = || json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(on(&machine, PATH, &session).post(ping()).await.status, 404);
    // One of a server that is no more, or at another address.
    assert_eq!(on(&machine, "/mcp", &gone).post(ping()).await.status, 404);
    let removed = machine.ask(Method::DELETE, "/servers/a", &[], "").await;
    assert_eq!(removed.status, 200);
    assert_eq!(on(&machine, PATH, &gone).post(ping()).await.status, 404);
    machine.end().await;
}
