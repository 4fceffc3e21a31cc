//! The relay's own routes, the endpoint over all servers, and the revision without sessions.

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Machine, begin, called, scripted, until_said};

#[tokio::test]
async fn servers_are_entered_changed_turned_off_and_removed() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let client = Client::open(&machine, "a").await;
    let put = async |name: &str, entry: Value| {
        let path = format!("/servers/{name}");
        machine
            .ask(Method::PUT, &path, &[], entry.to_string())
            .await
    };
    let post = async |path: &str| machine.ask(Method::POST, path, &[], "").await.status;
    let mut entry = scripted("");
    entry["env"] = json!({"MY_TOKEN": "s3cret", "PLAIN": "seen"});
    let shown = put("b", entry).await.json();
    assert_eq!(
        shown["entry"]["env"],
        json!({"MY_TOKEN": "•••", "PLAIN": "seen"})
    );
    Client::open(&machine, "b").await.echo("x").await;
    assert_eq!(put("c", json!({"command": 7})).await.status, 400);
    assert_eq!(put("c", json!({"args": []})).await.status, 400);
    assert_eq!(put("c", json!({"url": "x.example/mcp"})).await.status, 400);

    assert_eq!(post("/servers/a/disable").await, 200);
    let error = client.call("echo", json!({})).await.unwrap_err();
    assert!(error.contains("turned off"), "{error}");
    machine.until("a", |line| line["state"] == "disabled").await;
    assert_eq!(post("/servers/a/enable").await, 200);
    client.echo("on again").await;
    assert_eq!(post("/servers/nobody/enable").await, 404);

    let remove = async |name: &str| {
        let path = format!("/servers/{name}");
        machine.ask(Method::DELETE, &path, &[], "").await.json()
    };
    assert_eq!(remove("b").await["outcome"], "removed");
    assert_eq!(remove("absent").await["outcome"], "disabled");
    let servers = machine.get("/servers").await;
    let names: Vec<&str> = servers["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "absent"]);

    // The file is written by somebody else, and badly.
    let file = machine.folder.path().join("mcp.json");
    std::fs::write(&file, "{").unwrap();
    let told = async {
        while machine.get("/status").await["files"][0]["error"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::client::DEADLINE, told)
        .await
        .unwrap();
    client.echo("as before").await;
    machine.end().await;
}

#[tokio::test]
async fn traces_are_numbered_replayed_and_redacted() {
    let mut quiet = scripted("");
    quiet["redact"] = json!(true);
    let machine = Machine::start(json!({"a": scripted(""), "quiet": quiet})).await;
    let client = Client::open(&machine, "a").await;
    client.echo("loud").await;
    Client::open(&machine, "quiet").await.echo("hush").await;
    let page = machine.get("/traces").await;
    let events = page["events"].as_array().unwrap();
    assert!(!page.to_string().contains("hush"), "{page}");
    let call = events
        .iter()
        .position(|one| one["method"] == "tools/call")
        .unwrap();
    assert_eq!(events[call]["direction"], "client_to_server");
    assert_eq!(
        (&events[call]["id"], &events[call]["session"]),
        (&json!("c1"), &json!(client.session))
    );
    let answer = &events[call + 1];
    assert_eq!(
        (&answer["kind"], &answer["id"]),
        (&json!("response"), &json!("c1"))
    );
    assert!(answer["duration_ms"].as_f64().unwrap() > 0.0);
    let after = events[call]["seq"].as_u64().unwrap();
    let rest = machine
        .get(&format!("/traces?after={after}&server=a"))
        .await;
    assert_eq!(rest["events"][0], *answer);
    assert_eq!(rest["last"], page["last"]);
    let accept = [("accept", "text/event-stream")];
    let path = format!("/traces?after={}", page["last"]);
    let mut stream = machine
        .send(Method::GET, &path, &accept, Body::empty())
        .await;
    client.echo("live").await;
    let said = until_said(&mut stream, "live").await;
    assert!(said.starts_with("event: trace\nid: "), "{said}");
    machine.end().await;
}

#[tokio::test]
async fn one_address_for_all() {
    let mut chosen = scripted("");
    chosen["tools"] = json!(["ec*"]);
    chosen["rename"] = json!({"echo": "say"});
    let machine =
        Machine::start(json!({"a": scripted(""), "b": chosen, "loop": scripted("loop")})).await;
    let open = async |path: &str| {
        let reply = begin(&machine, path, json!({}), "2025-06-18").await;
        let result = &reply.json()["result"];
        assert_eq!(result["protocolVersion"], "2025-06-18");
        Client {
            machine: &machine,
            path: "/mcp".to_owned(),
            session: reply.session.unwrap(),
        }
    };
    let tools = async |client: &Client<'_>| {
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let listed = client.post(list).await.json();
        let names = listed["result"]["tools"].as_array().unwrap().iter();
        names
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let client = open("/mcp").await;
    assert_eq!(tools(&client).await, ["a__echo", "a__pid", "say"]);
    assert_eq!(
        client
            .call("a__echo", json!({"word": "x"}))
            .await
            .as_deref(),
        Ok("x")
    );
    assert_eq!(
        client.call("say", json!({"word": "y"})).await.as_deref(),
        Ok("y")
    );
    for hidden in ["b__echo", "b__pid", "nobody__x", "echo"] {
        let error = client.call(hidden, json!({})).await.unwrap_err();
        assert!(error.contains("unknown tool"), "{hidden}: {error}");
    }
    let few = open("/mcp?servers=a&tools=*pid").await;
    assert_eq!(tools(&few).await, ["a__pid"]);
    // A server that is added is told of.
    let get = [
        ("mcp-session-id", &*client.session),
        ("accept", "text/event-stream"),
    ];
    let mut stream = machine.send(Method::GET, "/mcp", &get, Body::empty()).await;
    let entry = scripted("").to_string();
    assert_eq!(
        machine
            .ask(Method::PUT, "/servers/c", &[], entry)
            .await
            .status,
        200
    );
    until_said(&mut stream, "notifications/tools/list_changed").await;
    assert_eq!(
        tools(&client).await,
        ["a__echo", "a__pid", "say", "c__echo", "c__pid"]
    );
    machine.end().await;
}

#[tokio::test]
async fn requests_that_stand_for_themselves() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let version = "2026-07-28";
    let ask = async |method: &str, name: &str, mut params: Value| {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = version.into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let message = json!({"jsonrpc": "2.0", "id": "c1", "method": method, "params": params});
        let headers = [
            ("mcp-protocol-version", version),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        machine
            .ask(
                Method::POST,
                "/servers/a/mcp",
                &headers,
                message.to_string(),
            )
            .await
    };
    let found = ask("server/discover", "", json!({})).await.json();
    assert_eq!(found["result"]["supportedVersions"][0], version);
    let listed = ask("tools/list", "", json!({})).await.json();
    assert_eq!(
        (&listed["result"]["resultType"], &listed["result"]["ttlMs"]),
        (&json!("complete"), &json!(0))
    );
    let params = called("echo", json!({"word": "x"}))["params"].clone();
    let reply = ask("tools/call", "echo", params.clone()).await;
    assert_eq!(reply.json()["result"]["content"][0]["text"], "x");
    assert!(reply.session.is_none());
    // What the headers say must be what the body says.
    let wrong = ask("tools/call", "pid", params.clone()).await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["code"]),
        (400, &json!(-32020))
    );
    let gone = ask("ping", "", json!({})).await;
    assert_eq!(
        (gone.status, &gone.json()["error"]["code"]),
        (404, &json!(-32601))
    );
    let headers = [("mcp-protocol-version", "2027-01-01")];
    let text = called("echo", json!({})).to_string();
    let unknown = machine
        .ask(Method::POST, "/servers/a/mcp", &headers, text)
        .await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (400, &json!(-32022))
    );
    let traces = machine.get("/traces").await.to_string();
    assert!(
        !traces.contains("io.modelcontextprotocol/protocolVersion"),
        "{traces}"
    );
    assert_eq!(machine.status("a").await["sessions"], 0);
    machine.end().await;
}

#[tokio::test]
async fn the_old_way_with_one_stream() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let accept = [("accept", "text/event-stream")];
    let mut stream = machine
        .send(Method::GET, "/servers/a/sse", &accept, Body::empty())
        .await;
    let said = until_said(&mut stream, "\n\n").await;
    let address = said
        .strip_prefix("event: endpoint\ndata: ")
        .unwrap()
        .trim()
        .to_owned();
    let post = async |message: Value| {
        machine
            .ask(Method::POST, &address, &[], message.to_string())
            .await
            .status
    };
    assert_eq!(post(called("echo", json!({}))).await, 202);
    assert!(
        until_said(&mut stream, "\n\n")
            .await
            .contains("send initialize first")
    );
    let info = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    assert_eq!(post(hello).await, 202);
    assert!(until_said(&mut stream, "\n\n").await.contains("2024-11-05"));
    assert_eq!(post(called("echo", json!({"word": "x"}))).await, 202);
    assert!(
        until_said(&mut stream, "\n\n")
            .await
            .contains(r#""text": "x""#)
    );
    assert_eq!(post(called("hang", json!({}))).await, 202);
    until_said(&mut stream, "progressToken").await;
    drop(stream);
    machine
        .until("a", |line| line["in_flight"] == 0 && line["sessions"] == 0)
        .await;
    let reply = machine.ask(Method::POST, &address, &[], "{}").await;
    assert_eq!(reply.status, 404);
    let client = Client::open(&machine, "a").await;
    assert_eq!(
        client.call("cancelled", json!({})).await.as_deref(),
        Ok("1")
    );
    machine.end().await;
}
