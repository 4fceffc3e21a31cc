//! Lists of all servers as one, whatever each of them lists.

use std::time::Duration;

use axum::body::Body;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    super::server::Limits,
    client::{Client, DEADLINE, Machine, begin, called, limits, listener, scripted, until_said},
};

async fn all<'a>(machine: &'a Machine, words: &str) -> Client<'a> {
    let reply = begin(machine, &format!("/mcp{words}"), json!({}), "2025-11-25").await;
    Client {
        machine,
        path: "/mcp".to_owned(),
        session: reply.session.unwrap_or_else(|| panic!("{}", reply.text)),
    }
}

async fn list(client: &Client<'_>, what: &str) -> Vec<Value> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": format!("{what}/list")});
    let answer = client.post(request).await.json();
    answer["result"][what].as_array().unwrap().clone()
}

fn names(tools: &[Value]) -> Vec<&str> {
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    names.collect()
}

#[tokio::test]
async fn each_tool_and_address_is_listed_once_and_the_rest_is_told() {
    let odd = scripted("odd-lists");
    let machine = Machine::start(json!({"a": odd, "b": odd})).await;
    let client = all(&machine, "").await;
    let tools = list(&client, "tools").await;
    let names = names(&tools);
    assert_eq!(names[..2], ["a__echo", "a__names"]);
    assert_eq!(names.len(), 6, "{names:?}");
    let resources = list(&client, "resources").await;
    assert_eq!(resources, [json!({"uri": "x://1", "name": "one"})]);
    // No client's checker warns of a format.
    for tool in &tools {
        let count = &tool["inputSchema"]["properties"]["count"];
        assert_eq!(*count, json!({"type": "integer", "minimum": 0}));
    }
    for (server, word) in [
        ("a", "tools/list repeats its cursor"),
        ("a", "longer than 64 letters"),
        ("a", "resources/list at /mcp: listed more than once"),
        ("b", "resources/list at /mcp: listed more than once"),
    ] {
        let line = machine.status(server).await;
        assert!(line["remarks"].to_string().contains(word), "{word}: {line}");
    }
    machine.end().await;
}

#[tokio::test]
async fn a_name_that_is_too_long_has_a_short_form_that_every_client_can_call() {
    let machine = Machine::start(json!({"a": scripted("odd-lists")})).await;
    let client = all(&machine, "").await;
    let tools = list(&client, "tools").await;
    let short = names(&tools)[2].to_owned();
    assert!(
        short.len() == 64 && short.starts_with("a__a_tool_whose"),
        "{short}"
    );
    assert_eq!(client.call(&short, json!({})).await.as_deref(), Ok("long"));
    machine.end().await;
    // Another relay, whose client never asked for the list: it is the same name.
    let machine = Machine::start(json!({"a": scripted("odd-lists")})).await;
    let client = all(&machine, "").await;
    assert_eq!(client.call(&short, json!({})).await.as_deref(), Ok("long"));
    let other = format!("{}00000000", &short[..56]);
    let error = client.call(&other, json!({})).await.unwrap_err();
    assert!(error.contains("tool"), "{error}");
    machine.end().await;
}

#[tokio::test]
async fn the_separator_can_be_chosen_also_one_that_is_in_names() {
    let machine = Machine::start(json!({"a": scripted(""), "a-echo": scripted("")})).await;
    let client = all(&machine, "?separator=-").await;
    let expected = ["a-echo", "a-pid", "a-echo-echo", "a-echo-pid"];
    assert_eq!(names(&list(&client, "tools").await), expected);
    let pid = async |tool: &str| client.call(tool, json!({})).await.unwrap();
    assert_ne!(pid("a-pid").await, pid("a-echo-pid").await);
    let word = json!({"word": "x"});
    assert_eq!(client.call("a-echo", word).await.as_deref(), Ok("x"));
    // The name alone doesn't say whose it is: the lists do.
    let servers = json!({"a": scripted("dashed"), "a-echo": scripted("odd-lists")});
    let other = Machine::start(servers).await;
    let dashed = all(&other, "?separator=-").await;
    let called = dashed.call("a-echo-pid", json!({})).await;
    assert_eq!(called.as_deref(), Ok("dashed"));
    other.end().await;
    let reply = begin(&machine, "/mcp?separator=/", json!({}), "2025-11-25").await;
    assert!(
        reply.status == 400 && reply.text.contains("separator"),
        "{}",
        reply.text
    );
    machine.end().await;
}

#[tokio::test]
async fn instructions_of_servers_are_kept() {
    let machine = Machine::start(json!({
        "a": scripted("odd-lists"),
        "plain": scripted(""),
        "loop": scripted("loop"),
    }))
    .await;
    let reply = begin(&machine, "/mcp", json!({}), "2025-11-25")
        .await
        .json();
    assert_eq!(reply["result"]["instructions"], "# a\n\nUse echo.");
    let few = begin(&machine, "/mcp?servers=plain", json!({}), "2025-11-25").await;
    assert_eq!(few.json()["result"]["instructions"], Value::Null);
    machine.end().await;
}

/// Tasks are not declared: a request for one is an ordinary call.
#[tokio::test]
async fn a_task_is_not_passed_on_if_tasks_were_not_declared() {
    let machine = Machine::start(json!({"a": scripted("odd-lists")})).await;
    let client = all(&machine, "").await;
    let mut call = called("a__names", json!({}));
    call["params"]["task"] = json!({"ttl": 60_000});
    let answer = client.post(call).await.json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, r#"["_meta", "arguments", "name"]"#);
    machine.end().await;
}

/// As with a program that is fetched before it starts.
#[tokio::test]
async fn one_that_starts_too_late_for_a_list_is_told_of_when_it_is_ready() {
    let limits = Limits {
        listing: Duration::from_millis(50),
        ..limits()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let mut slow = scripted("slow");
    slow["args"].as_array_mut().unwrap().push(json!(file));
    let machine = Machine::start_with(listener().await, json!({"a": slow}), limits).await;
    let client = all(&machine, "").await;
    assert!(list(&client, "tools").await.is_empty());
    let get = [
        ("mcp-session-id", &*client.session),
        ("accept", "text/event-stream"),
    ];
    let mut stream = machine.send(Method::GET, "/mcp", &get, Body::empty()).await;
    std::fs::write(&file, "").unwrap();
    until_said(&mut stream, "notifications/tools/list_changed").await;
    let listed = async {
        while list(&client, "tools").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, listed).await.unwrap();
    machine.end().await;
}
