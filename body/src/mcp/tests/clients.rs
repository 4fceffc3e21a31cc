//! Faults of clients: each is its own affair.

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Machine, begin, called, last_message, scripted, until_said};

async fn one() -> Machine {
    Machine::start(json!({"a": scripted("")})).await
}

#[tokio::test]
async fn a_client_that_vanishes_has_its_call_cancelled() {
    let machine = one().await;
    let (gone, stays) = (
        Client::open(&machine, "a").await,
        Client::open(&machine, "a").await,
    );
    let headers = [("mcp-session-id", &*gone.session)];
    let text = called("hang", json!({})).to_string();
    let mut stream = machine.send(Method::POST, &gone.path, &headers, text).await;
    let said = until_said(&mut stream, "progressToken").await;
    assert!(said.contains(r#""progressToken": "p""#), "{said}");
    assert_eq!(machine.status("a").await["in_flight"], 1);
    drop(stream);
    machine.until("a", |line| line["in_flight"] == 0).await;
    assert_eq!(stays.call("cancelled", json!({})).await.as_deref(), Ok("1"));
    machine.end().await;
}

#[tokio::test]
async fn a_client_may_cancel_by_the_id_it_knows() {
    let machine = one().await;
    let client = Client::open(&machine, "a").await;
    let headers = [("mcp-session-id", &*client.session)];
    let text = called("hang", json!({})).to_string();
    let mut stream = machine
        .send(Method::POST, &client.path, &headers, text)
        .await;
    until_said(&mut stream, "progressToken").await;
    // Another's id of the same name is another call.
    let other = Client::open(&machine, "a").await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c1"}});
    assert_eq!(other.post(cancel.clone()).await.status, 202);
    assert_eq!(machine.status("a").await["in_flight"], 1);
    assert_eq!(client.post(cancel).await.status, 202);
    assert_eq!(
        client.call("cancelled", json!({})).await.as_deref(),
        Ok("1")
    );
    let rest = http_body_util::BodyExt::collect(stream.into_body())
        .await
        .unwrap();
    assert!(rest.to_bytes().is_empty());
    machine.end().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_session_and_nobody_else_notices() {
    let machine = one().await;
    let (stuck, good) = (
        Client::open(&machine, "a").await,
        Client::open(&machine, "a").await,
    );
    let headers = [
        ("mcp-session-id", &*stuck.session),
        ("accept", "text/event-stream"),
    ];
    let unread = machine
        .send(Method::GET, &stuck.path, &headers, Body::empty())
        .await;
    assert_eq!(unread.status(), 200);
    // More than its sockets and its mailbox hold.
    let flood = json!({"count": 800, "size": 50_000});
    assert_eq!(good.call("flood", flood).await.as_deref(), Ok("flooded"));
    good.echo("on").await;
    let again = stuck
        .post(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        .await;
    assert_eq!(again.status, 404);
    drop(unread);
    machine.end().await;
}

#[tokio::test]
async fn what_a_stream_missed_it_gets_when_it_comes_back() {
    let machine = one().await;
    let client = Client::open(&machine, "a").await;
    let get = [
        ("mcp-session-id", &*client.session),
        ("accept", "text/event-stream"),
    ];
    let mut first = machine
        .send(Method::GET, &client.path, &get, Body::empty())
        .await;
    client.call("flood", json!({"count": 3})).await.unwrap();
    until_said(&mut first, "id: 1\n").await;
    drop(first);
    let back = [get[0], get[1], ("last-event-id", "1")];
    let mut second = machine
        .send(Method::GET, &client.path, &back, Body::empty())
        .await;
    let said = until_said(&mut second, "id: 3\n").await;
    assert!(
        said.contains("id: 2\n") && !said.contains("id: 1\n"),
        "{said}"
    );
    machine.end().await;
}

#[tokio::test]
async fn what_a_server_asks_goes_to_its_client_and_back() {
    let machine = one().await;
    let client = Client::with(&machine, "a", json!({"sampling": {}}), "2025-11-25").await;
    let headers = [("mcp-session-id", &*client.session)];
    let text = called("ask", json!({})).to_string();
    let mut stream = machine
        .send(Method::POST, &client.path, &headers, text)
        .await;
    let asked = last_message(&until_said(&mut stream, "}\n\n").await);
    assert_eq!(asked["method"], "sampling/createMessage");
    // Nobody asked this.
    let stray = json!({"jsonrpc": "2.0", "id": 99, "result": {"stray": true}});
    assert_eq!(client.post(stray).await.status, 202);
    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"model": "m"}});
    assert_eq!(client.post(answer).await.status, 202);
    let said = until_said(&mut stream, "\n\n").await;
    assert!(
        said.contains("\\\"model\\\": \\\"m\\\"") && !said.contains("stray"),
        "{said}"
    );
    machine.end().await;
}

#[tokio::test]
async fn batches_are_of_one_revision() {
    let machine = one().await;
    let old = Client::with(&machine, "a", json!({}), "2025-03-26").await;
    let ask = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let reply = old.post(json!([ask(1), note, {"no": 1}, ask(2)])).await;
    let answers = reply.json();
    let ids: Vec<&Value> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert!(
        ids.len() == 3 && ids.contains(&&json!(1)) && ids.contains(&&json!(2)),
        "{answers}"
    );
    assert_eq!(old.post(json!([note])).await.status, 202);
    assert_eq!(old.post(json!([])).await.status, 400);
    let new = Client::open(&machine, "a").await;
    assert_eq!(new.post(json!([ask(1)])).await.status, 400);
    machine.end().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_gets_an_error_and_the_session_goes_on() {
    let machine = one().await;
    let client = Client::open(&machine, "a").await;
    let reply = client
        .post(called("echo", json!({"word": "x".repeat(65 << 20)})))
        .await;
    assert_eq!(reply.status, 200);
    let error = reply.json();
    assert_eq!(error["id"], "c1");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("64 MiB")
    );
    client.echo("on").await;
    machine.end().await;
}

#[tokio::test]
async fn what_is_wrong_about_a_request_is_said() {
    let machine = one().await;
    let client = Client::open(&machine, "a").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let session = ("mcp-session-id", &*client.session);
    let code = async |path: &str, headers: &[(&str, &str)], body: &str| {
        machine
            .ask(Method::POST, path, headers, body.to_owned())
            .await
            .status
    };
    let own = "/servers/a/mcp";
    assert_eq!(code(own, &[session], &ping).await, 200);
    assert_eq!(code(own, &[], &ping).await, 400);
    assert_eq!(code(own, &[("mcp-session-id", "wrong")], &ping).await, 404);
    assert_eq!(code("/mcp", &[session], &ping).await, 404);
    assert_eq!(code("/servers/nobody/mcp", &[session], &ping).await, 404);
    assert_eq!(
        code(
            own,
            &[session, ("mcp-protocol-version", "1999-01-01")],
            &ping
        )
        .await,
        400
    );
    assert_eq!(
        code(own, &[session, ("content-type", "text/plain")], &ping).await,
        415
    );
    assert_eq!(
        code(own, &[session, ("accept", "text/html")], &ping).await,
        406
    );
    assert_eq!(code(own, &[session], "nonsense").await, 400);
    assert_eq!(
        code(own, &[session, ("host", "evil.example")], &ping).await,
        403
    );
    assert_eq!(
        code(own, &[session, ("origin", "https://evil.example")], &ping).await,
        403
    );
    assert_eq!(
        code(own, &[session, ("authorization", "")], &ping).await,
        401
    );
    assert_eq!(
        code(own, &[session, ("authorization", "Bearer no")], &ping).await,
        401
    );
    let with = format!("{own}?token=token-of-the-tests");
    assert_eq!(
        code(&with, &[session, ("authorization", "")], &ping).await,
        200
    );
    let again = begin(&machine, own, json!({}), "2031-01-01").await.json();
    assert_eq!(again["result"]["protocolVersion"], "2025-11-25");
    client.echo("on").await;
    machine.end().await;
}
