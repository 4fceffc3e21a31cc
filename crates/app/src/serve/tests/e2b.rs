//! E2B's protocol, without a container engine: who is let in, which routes a header leads to, and what is
//! refused in the words that its clients look for.

use serde_json::{Value, json};

use super::Fixture;

fn answer(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

#[tokio::test]
async fn keys_are_asked_for_in_their_clients_form() {
    let server = Fixture::new(false).await;
    let (read, exec) = (
        server.made("read", None).await,
        server.made("exec", None).await,
    );
    for key in ["", "e2b_0000000000000000000000000000000000000000"] {
        let (status, text) = server
            .ask("POST /v2/sandboxes", &[("X-API-KEY", key)], "{}")
            .await;
        assert_eq!(status, 401, "{text}");
        assert_eq!(answer(&text)["code"], 401);
        assert!(answer(&text)["message"].is_string());
    }
    let by = |key: &str| [("X-API-KEY", key.to_owned())];
    let (looks, uses) = (by(&read), by(&exec));
    let headers = |by: &[(&'static str, String); 1]| [(by[0].0, by[0].1.clone())];
    let ask = async |by: &[(&'static str, String); 1], request: &str| {
        let [(name, key)] = headers(by);
        server.ask(request, &[(name, key.as_str())], "{}").await
    };
    // To look is enough for lists, and for nothing else.
    assert_eq!(ask(&looks, "GET /v2/sandboxes").await, (200, "[]".into()));
    assert_eq!(ask(&looks, "GET /sandboxes").await, (200, "[]".into()));
    assert_eq!(ask(&looks, "POST /v2/sandboxes").await.0, 403);
    assert_eq!(ask(&looks, "DELETE /sandboxes/nowhere").await.0, 403);
    // Without an engine there is none, and the client tries again.
    let (status, text) = ask(&uses, "POST /v2/sandboxes").await;
    assert_eq!(
        (status, &answer(&text)["code"]),
        (503, &json!(503)),
        "{text}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_sandbox_that_is_gone_is_told_in_two_ways() {
    let server = Fixture::new(false).await;
    let key = ("X-API-KEY", server.token.as_str());
    for request in [
        "GET /sandboxes/nowhere",
        "DELETE /sandboxes/nowhere",
        "POST /sandboxes/nowhere/pause",
        "POST /v2/sandboxes/nowhere/connect",
        "GET /sandboxes/nowhere/metrics",
    ] {
        let (status, text) = server.ask(request, &[key], "{}").await;
        assert_eq!(
            (status, &answer(&text)["code"]),
            (404, &json!(404)),
            "{request} {text}"
        );
    }
    let id = ("E2b-Sandbox-Id", "nowhere");
    let envd = ("E2b-Sandbox-Port", "49983");
    let interpreter = ("E2b-Sandbox-Port", "49999");
    let execute = r#"{"code": "1"}"#;
    let start = "\0\0\0\0\u{1a}{\"process\":{\"cmd\":\"true\"}}";
    assert_eq!(start.len(), 5 + 0x1a);
    for (request, port, body) in [
        ("GET /health", envd, ""),
        ("GET /files?path=a", envd, ""),
        ("POST /files?path=a", envd, "content"),
        ("POST /process.Process/Start", envd, start),
        ("POST /process.Process/List", envd, "{}"),
        ("POST /filesystem.Filesystem/Stat", envd, r#"{"path": "a"}"#),
        ("POST /execute", interpreter, execute),
        ("GET /contexts", interpreter, ""),
    ] {
        let (status, text) = server.ask(request, &[key, id, port], body).await;
        assert_eq!(status, 502, "{request} {text}");
        assert_eq!(
            answer(&text)["message"],
            "The sandbox was not found",
            "{request}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_header_leads_to_the_sandbox_and_opens_nothing() {
    let server = Fixture::new(false).await;
    let read = server.made("read", None).await;
    let id = ("E2b-Sandbox-Id", "nowhere");
    for stranger in [
        vec![id],
        vec![id, ("X-Access-Token", "0000")],
        vec![id, ("X-Access-Token", "")],
        vec![id, ("E2B-Traffic-Access-Token", "0000")],
        vec![id, ("X-API-KEY", read.as_str())],
        // It names a user, and is no login.
        vec![id, ("Authorization", "Basic dXNlcjo=")],
    ] {
        let (status, text) = server.ask("GET /files?path=a", &stranger, "").await;
        assert_eq!(
            (status, &answer(&text)["code"]),
            (401, &json!(401)),
            "{stranger:?} {text}"
        );
    }
    // The port's own health is another.
    let (_, text) = server.ask("GET /health", &[], "").await;
    assert_eq!(answer(&text)["engine"], "unreachable");
    let key = ("X-API-KEY", server.token.as_str());
    let (status, text) = server
        .ask("GET /", &[key, id, ("E2b-Sandbox-Port", "8080")], "")
        .await;
    assert_eq!(status, 502);
    assert!(text.contains("port is not open"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_nobody_signed_opens_nothing() {
    let server = Fixture::new(false).await;
    for query in [
        "path=a&signature=v1_x",
        "path=a&signature=v1_x&signature_expiration=soon",
    ] {
        let request = format!("GET /files?{query}");
        assert_eq!(server.ask(&request, &[], "").await.0, 401, "{query}");
    }
    // Without a signature it is no address of a sandbox at all.
    assert_eq!(server.ask("GET /files?path=a", &[], "").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn what_isn_t_there_is_501_with_words() {
    let server = Fixture::new(false).await;
    let key = ("X-API-KEY", server.token.as_str());
    for (request, body) in [
        ("GET /templates", ""),
        ("POST /v3/templates", "{}"),
        ("DELETE /templates/a%2Fb:c", ""),
        ("GET /volumes", ""),
        ("POST /sandboxes/nowhere/fork", "{}"),
        ("POST /sandboxes/nowhere/snapshots", "{}"),
        ("GET /v2/sandboxes/nowhere/logs", ""),
        (
            "POST /v2/sandboxes",
            r#"{"templateID": "base", "network": {"allowOut": ["example.org"]}}"#,
        ),
        (
            "POST /sandboxes",
            r#"{"templateID": "base", "volumeMounts": [{"name": "a", "path": "/a"}]}"#,
        ),
    ] {
        let (status, text) = server.ask(request, &[key], body).await;
        assert_eq!(
            (status, &answer(&text)["code"]),
            (501, &json!(501)),
            "{request} {text}"
        );
        assert!(
            answer(&text)["message"]
                .as_str()
                .unwrap()
                .contains("supported"),
            "{text}"
        );
    }
    server.stop().await;
}
