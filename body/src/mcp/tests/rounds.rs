//! Clients without sessions that answer what servers ask.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::{
    super::server::Limits,
    client::{Machine, called, limits, listener, scripted},
};

const STATELESS: &str = "2026-07-28";

/// A request of a client that offers roots: its result or error, whatever form the answer has.
async fn ask(machine: &Machine, path: &str, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = STATELESS.into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"roots": {}});
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "t", "version": "1"});
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let message = json!({"jsonrpc": "2.0", "id": "c1", "method": method, "params": params});
    let headers = [
        ("mcp-protocol-version", STATELESS),
        ("mcp-method", method),
        ("mcp-name", &*name),
    ];
    machine
        .ask(Method::POST, path, &headers, message.to_string())
        .await
        .json()
}

/// Servers ask for roots when a session begins: only a call may carry that.
#[tokio::test]
async fn a_client_that_offers_roots_is_asked_with_a_call_and_never_with_a_list() {
    let machine = Machine::start(json!({"a": scripted("roots")})).await;
    for (path, tool) in [("/servers/a/mcp", "roots"), ("/mcp", "a__roots")] {
        for method in ["tools/list", "prompts/list", "resources/list", "tools/list"] {
            let answer = ask(&machine, path, method, json!({})).await;
            assert_eq!(
                answer["result"]["resultType"], "complete",
                "{method}: {answer}"
            );
        }
        let params = || called(tool, json!({}))["params"].clone();
        let asked = ask(&machine, path, "tools/call", params()).await;
        let asked = &asked["result"];
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let (key, question) = asked["inputRequests"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        assert_eq!(question["method"], "roots/list");
        let mut again = params();
        again["requestState"] = asked["requestState"].clone();
        again["inputResponses"] = json!({key: {"roots": [{"uri": "file:///r"}]}});
        // What came of the call may be from before the answer; the next one is not.
        let first = ask(&machine, path, "tools/call", again).await;
        assert_eq!(first["result"]["resultType"], "complete", "{first}");
        let second = ask(&machine, path, "tools/call", params()).await;
        assert!(second.to_string().contains("file:///r"), "{second}");
    }
    machine.end().await;
}

/// It came too late for this call, and is not lost.
#[tokio::test]
async fn a_question_behind_an_answer_is_asked_with_the_next_call() {
    let machine = Machine::start(json!({"a": scripted("")})).await;
    let call = async |tool: &str| {
        let params = called(tool, json!({}))["params"].clone();
        ask(&machine, "/servers/a/mcp", "tools/call", params).await["result"].clone()
    };
    assert_eq!(call("answer-then-ask").await["resultType"], "complete");
    let next = call("echo").await;
    assert_eq!(next["resultType"], "input_required", "{next}");
    assert!(next.to_string().contains("roots/list"), "{next}");
    machine.end().await;
}

/// A server that answers a list only once its question is answered must not wait for ever.
#[tokio::test]
async fn a_question_that_no_answer_may_carry_is_refused_and_the_list_comes() {
    let limits = Limits {
        asking: Duration::from_millis(20),
        ..limits()
    };
    let servers = json!({"a": scripted("asks-first")});
    let machine = Machine::start_with(listener().await, servers, limits).await;
    for path in ["/servers/a/mcp", "/mcp"] {
        let answer = ask(&machine, path, "tools/list", json!({})).await;
        assert_eq!(answer["result"]["tools"], json!([]), "{answer}");
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    }
    let tool = called("roots", json!({}))["params"].clone();
    let told = ask(&machine, "/servers/a/mcp", "tools/call", tool).await;
    assert!(
        told.to_string().contains("can only be asked during"),
        "{told}"
    );
    machine.end().await;
}
