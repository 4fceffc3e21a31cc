//! Servers that speak only the revision without sessions, with clients of every revision.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use hyper::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    client::{Client, Machine, begin, called, last_message, scripted, until_said},
    remote::{json_text, odd},
};

async fn one() -> Machine {
    Machine::start(json!({"a": scripted("without-sessions")})).await
}

#[tokio::test]
async fn a_client_with_a_session_uses_it_as_any_other() {
    let machine = one().await;
    for version in ["2025-03-26", "2025-11-25"] {
        let reply = begin(&machine, "/servers/a/mcp", json!({}), version)
            .await
            .json();
        let result = &reply["result"];
        assert_eq!(result["protocolVersion"], version, "{reply}");
        assert_eq!(result["serverInfo"]["name"], "without sessions");
        // Nobody would tell of changes.
        assert_eq!(result["capabilities"]["tools"], json!({}));
    }
    let client = Client::open(&machine, "a").await;
    client.echo("ä").await;
    for (method, params) in [
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "error"})),
    ] {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        assert_eq!(
            client.post(request).await.json()["result"],
            json!({}),
            "{method}"
        );
    }
    assert_eq!(
        client.call("level", json!({})).await.as_deref(),
        Ok("error")
    );
    let line = machine.status("a").await;
    assert_eq!(
        (&line["protocol"], &line["state"]),
        (&json!("2026-07-28"), &json!("ready"))
    );
    // A call that nobody waits for is cancelled.
    let headers = [("mcp-session-id", &*client.session)];
    let hang = called("hang", json!({})).to_string();
    let mut stream = machine
        .send(Method::POST, &client.path, &headers, hang)
        .await;
    let said = until_said(&mut stream, "progressToken").await;
    assert!(said.contains("\"p\""), "{said}");
    drop(stream);
    machine.until("a", |line| line["in_flight"] == 0).await;
    assert_eq!(
        client.call("cancelled", json!({})).await.as_deref(),
        Ok("1")
    );
    machine.end().await;
}

#[tokio::test]
async fn at_the_endpoint_of_all_servers_it_is_one_of_them() {
    let machine = one().await;
    let reply = begin(&machine, "/mcp", json!({}), "2025-11-25").await;
    let client = Client {
        machine: &machine,
        path: "/mcp".to_owned(),
        session: reply.session.unwrap(),
    };
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let listed = client.post(list).await.json();
    assert_eq!(listed["result"]["tools"][0]["name"], "a__echo", "{listed}");
    let word = json!({"word": "x"});
    assert_eq!(client.call("a__echo", word).await.as_deref(), Ok("x"));
    machine.end().await;
}

#[tokio::test]
async fn what_it_wants_to_know_is_asked_of_the_client_and_the_call_goes_on() {
    let machine = one().await;
    let client = Client::with(&machine, "a", json!({"sampling": {}}), "2025-11-25").await;
    let headers = [("mcp-session-id", &*client.session)];
    for answer in [
        json!({"result": {"model": "m"}}),
        json!({"error": {"code": -1, "message": "not now"}}),
    ] {
        let ask = called("ask", json!({})).to_string();
        let mut stream = machine
            .send(Method::POST, &client.path, &headers, ask)
            .await;
        let question = last_message(&until_said(&mut stream, "}\n\n").await);
        assert_eq!(question["method"], "sampling/createMessage", "{question}");
        assert_eq!(question["params"]["maxTokens"], 1);
        let mut said = answer.clone();
        said["jsonrpc"] = "2.0".into();
        said["id"] = question["id"].clone();
        assert_eq!(client.post(said).await.status, 202);
        let told = last_message(&until_said(&mut stream, "}\n\n").await);
        assert_eq!(told["id"], "c1", "{told}");
        if answer["error"].is_null() {
            assert_eq!(told["result"]["content"][0]["text"], "{\"model\": \"m\"}");
        } else {
            assert_eq!(told["error"]["message"], "not now");
        }
    }
    // One that answers nothing is told so.
    let other = Client::open(&machine, "a").await;
    let error = other.call("ask", json!({})).await.unwrap_err();
    assert!(error.contains("asks for input"), "{error}");
    machine.end().await;
}

#[tokio::test]
async fn elsewhere_it_gets_the_headers_of_its_revision() {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let heads = Arc::clone(&seen);
    let take = post(async move |head: HeaderMap, text: String| {
        let message: Value = serde_json::from_str(&text).unwrap();
        let id = &message["id"];
        let word = |name: &str| {
            head.get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        if word("mcp-protocol-version").as_deref() != Some("2026-07-28") {
            let error = json!({"code": -32022, "message": "unsupported protocol version"});
            let refused = json!({"jsonrpc": "2.0", "id": null, "error": error});
            return (StatusCode::BAD_REQUEST, json_text(&refused)).into_response();
        }
        assert_eq!(word("mcp-method").as_deref(), message["method"].as_str());
        heads.lock().push(head);
        let result = match message["method"].as_str() {
            Some("server/discover") => json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "far", "version": "1"},
            }),
            _ => json!({"resultType": "complete", "content": [{"type": "text", "text": "far"}]}),
        };
        json_text(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    });
    let odd = odd(Router::new().route("/mcp", take)).await;
    let entry = json!({"url": format!("http://{}/mcp", odd.address)});
    let machine = Machine::start(json!({"a": entry})).await;
    let client = Client::open(&machine, "a").await;
    assert_eq!(client.call("ä", json!({})).await.as_deref(), Ok("far"));
    let heads = seen.lock().clone();
    let last = heads.last().unwrap();
    assert_eq!(last["mcp-name"], "=?base64?w6Q=?=");
    assert!(!heads.iter().any(|head| head.contains_key("mcp-session-id")));
    machine.end().await;
}
