//! What clients were promised, where no other test looks.

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Machine, begin, called, scripted, until_said};

#[tokio::test]
async fn the_status_tells_all_of_a_server() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let before = crate::clock::Clock::system().unix_ms();
    let client = Client::open(&machine, "a").await;
    client.echo("x").await;
    client.call("fail", json!({})).await.unwrap();
    client.call("die", json!({})).await.unwrap_err();
    let pid = client.call("pid", json!({})).await.unwrap();
    let line = machine
        .until("a", |line| {
            line["state"] == "ready" && line["restarts"] == 1
        })
        .await;
    assert_eq!(line["pid"].to_string(), pid);
    assert!(line["since_ms"].as_u64().unwrap() >= before, "{line}");
    let count = |name: &str| line[name].as_u64().unwrap();
    assert_eq!(
        (
            count("sessions"),
            count("calls"),
            count("errors"),
            count("in_flight")
        ),
        (1, 4, 2, 0)
    );
    assert_eq!(line["last_exit"], 3);
    let took = |name: &str| line[name].as_f64().unwrap();
    assert!(
        0.0 < took("p50_ms") && took("p50_ms") <= took("p95_ms"),
        "{line}"
    );
    assert_eq!(line["stderr"], json!(["a word of mine"]));
    machine.end().await;
}

#[tokio::test]
async fn a_server_is_started_as_its_entry_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    let mut entry = scripted("");
    for word in ["two words", "${WORD_OF_NOBODY:-default}"] {
        entry["args"].as_array_mut().unwrap().push(word.into());
    }
    entry["cwd"] = json!(place);
    entry["env"] = json!({"WORD": "ä b"});
    let machine = Machine::start(json!({"a": entry})).await;
    let client = Client::open(&machine, "a").await;
    let told = client.call("where", json!({})).await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, json!([place, ["two words", "default"], "ä b"]));
    machine.end().await;
}

/// Both clients count alike, and their calls are under way at once in one process.
#[tokio::test]
async fn ids_and_progress_tokens_of_clients_do_not_mix() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let (one, other) = (
        Client::open(&machine, "a").await,
        Client::open(&machine, "a").await,
    );
    let meet = async |client: &Client<'_>, word: &str| {
        client
            .post(called("meet", json!({"word": word})))
            .await
            .text
    };
    let (one, other) = tokio::join!(meet(&one, "first"), meet(&other, "second"));
    for (said, own, foreign) in [(one, "first", "second"), (other, "second", "first")] {
        let events: Vec<Value> = said
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        let [progress, answer] = &*events else {
            panic!("{said}")
        };
        let params = json!({"progressToken": "p", "progress": 1, "message": own});
        assert_eq!(progress["params"], params);
        assert_eq!(
            (&answer["id"], &answer["result"]["content"][0]["text"]),
            (&json!("c1"), &json!(own))
        );
        assert!(!said.contains(foreign), "{said}");
    }
    machine.end().await;
}

#[tokio::test]
async fn a_large_request_passes_as_a_large_answer_does() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let client = Client::open(&machine, "a").await;
    // All of it but the room for the names around the word.
    client.echo(&"x".repeat((64 << 20) - 512)).await;
    machine.end().await;
}

#[tokio::test]
async fn changes_that_a_server_tells_reach_the_one_address_too() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let reply = begin(&machine, "/mcp", json!({}), "2025-11-25").await;
    let all = Client {
        machine: &machine,
        path: "/mcp".to_owned(),
        session: reply.session.unwrap(),
    };
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(all.post(list).await.status, 200);
    let get = [
        ("mcp-session-id", &*all.session),
        ("accept", "text/event-stream"),
    ];
    let mut stream = machine.send(Method::GET, "/mcp", &get, Body::empty()).await;
    let other = Client::open(&machine, "a").await;
    other.call("tell", json!({"uri": "x://1"})).await.unwrap();
    let said = until_said(&mut stream, "notifications/tools/list_changed").await;
    assert!(
        said.contains("notifications/prompts/list_changed"),
        "{said}"
    );
    // Of a resource that nobody subscribed to here.
    assert!(!said.contains("x://1"), "{said}");
    machine.end().await;
}

#[tokio::test]
async fn a_trace_says_when_and_how_large() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let before = crate::clock::Clock::system().unix_ms();
    let client = Client::open(&machine, "a").await;
    client.call("large", json!({"bytes": 3000})).await.unwrap();
    let page = machine.get("/traces").await;
    let events = page["events"].as_array().unwrap();
    let of = |kind: &str| {
        let found = events
            .iter()
            .rfind(|one| one["method"] == "tools/call" && one["kind"] == kind);
        found.unwrap_or_else(|| panic!("{page}"))
    };
    let (asked, answered) = (of("request"), of("response"));
    for one in [asked, answered] {
        assert_eq!(
            (&one["server"], &one["session"]),
            (&json!("a"), &json!(client.session))
        );
        assert!(one["at_ms"].as_u64().unwrap() >= before, "{one}");
    }
    let request = called("large", json!({"bytes": 3000})).to_string();
    assert_eq!(asked["bytes"], request.len());
    assert!(
        (3000..3200).contains(&answered["bytes"].as_u64().unwrap()),
        "{answered}"
    );
    machine.end().await;
}
