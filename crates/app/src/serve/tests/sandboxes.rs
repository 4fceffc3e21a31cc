//! The routes of sandboxes, without a container engine: who is let in, and what is refused how.

use serde_json::{Value, json};

use super::Fixture;
use crate::ServeOptions;

/// What a refused request is answered with.
fn error(text: &str) -> Value {
    let answer: Value = serde_json::from_str(text).unwrap();
    assert!(answer["request_id"].is_string(), "{text}");
    answer
}

/// All operations of the document: method, path with an id in it, and scope.
async fn operations(server: &Fixture, token: &str) -> Vec<(String, String, Option<String>)> {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let (status, text) = server.ask("GET /openapi.json", &headers, "").await;
    assert_eq!(status, 200, "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "nowhere");
        let path = path.replace("{exec_id}", "e1").replace("{context}", "c1");
        let path = path.replace("{queue}", "q1").replace("{worker}", "w1");
        for (method, operation) in methods.as_object().unwrap() {
            let scope = operation["x-scope"].as_str().map(String::from);
            found.push((method.to_ascii_uppercase(), path.clone(), scope));
        }
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

#[tokio::test]
async fn damaged_settings_cost_the_sandboxes_and_nothing_else() {
    for damage in ["theme = \"da", "[sandboxes]\nmemory_mb = \"much\"\n"] {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("config")).unwrap();
        std::fs::write(home.path().join("config/settings.toml"), damage).unwrap();
        let server = Fixture::at(home, ServeOptions::default()).await;
        let exec = server.made("exec", None).await;
        let bearer = format!("Bearer {exec}");
        let headers = [("Authorization", bearer.as_str())];
        let (status, text) = server.ask("POST /sessions", &headers, "{}").await;
        assert_eq!(status, 503, "{text}");
        let message = error(&text)["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            message.contains("settings.toml") && message.contains("line"),
            "{message}"
        );
        let machines = server.ask("POST /rpc/machine_list", &headers, "null").await;
        assert_eq!(machines.0, 200, "{}", machines.1);
        server.stop().await;
    }
}

#[tokio::test]
async fn every_route_wants_the_scope_that_its_document_names() {
    let server = Fixture::new(false).await;
    let (read, exec) = (
        server.made("read", None).await,
        server.made("exec", None).await,
    );
    let other = server.made("mcp:x", None).await;
    for (method, path, scope) in operations(&server, &read).await {
        let request = format!("{method} {path}");
        let stranger = server.ask(&request, &[], "").await.0;
        let by_read = server.status(&read, &request).await;
        let by_exec = server.status(&exec, &request).await;
        match scope.as_deref() {
            None => assert!(![401, 403].contains(&stranger), "{request} {stranger}"),
            Some(scope) => {
                assert_eq!(stranger, 401, "{request}");
                assert_eq!(server.status(&other, &request).await, 403, "{request}");
                assert_eq!(by_read == 403, scope != "read", "{request} {by_read}");
                assert_ne!(by_exec, 401, "{request}");
                assert_eq!(by_exec == 403, scope == "admin", "{request} {by_exec}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_sandbox_that_isn_t_there_is_404_with_a_detail() {
    let server = Fixture::new(false).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];
    for (request, body) in [
        ("GET /sessions/nowhere", ""),
        ("GET /sessions/NO%20WHERE", ""),
        ("POST /sessions/nowhere/exec", r#"{"command": "true"}"#),
        ("POST /sessions/nowhere/code", r#"{"code": "1"}"#),
        ("GET /sessions/nowhere/files?path=/tmp", ""),
        ("PUT /sessions/nowhere/files/content?path=/tmp/a", "bytes"),
        ("POST /sessions/nowhere/pause", ""),
        ("GET /sessions/nowhere/exec/e1/events", ""),
    ] {
        let (status, text) = server.ask(request, &mine, body).await;
        assert_eq!(status, 404, "{request} {text}");
        let answer = error(&text);
        assert_eq!(answer["error"]["code"], "not_found", "{request}");
        assert_eq!(answer["detail"], answer["error"]["message"], "{request}");
    }
    let (status, text) = server.ask("DELETE /sessions/nowhere", &mine, "").await;
    assert_eq!(status, 200, "one that is gone is no error: {text}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_without_a_body_is_one() {
    let server = Fixture::with(ServeOptions {
        no_token: true,
        ..Default::default()
    })
    .await;
    // Without an engine it gets as far as that, and is told to come back.
    let (head, text) = server.answer("POST /sessions", &[], "").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head} {text}");
    assert!(
        head.to_ascii_lowercase().contains("retry-after: 1"),
        "{head}"
    );
    assert_eq!(error(&text)["error"]["code"], "unavailable");
    for (body, code) in [
        ("{", "malformed_json"),
        ("[]", "invalid_request"),
        (r#"{"cpus": "many"}"#, "invalid_request"),
    ] {
        let plain = [("Content-Type", "text/plain")];
        let (status, text) = server.ask("POST /sessions", &plain, body).await;
        assert_eq!(
            (status, &error(&text)["error"]["code"]),
            (400, &json!(code)),
            "{body}"
        );
    }
    let key = [("Idempotency-Key", "")];
    let (status, text) = server.ask("POST /sessions", &key, "").await;
    assert_eq!(status, 400, "{text}");
    server.stop().await;
}

#[tokio::test]
async fn network_rules_are_refused_with_words() {
    let server = Fixture::new(false).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];
    for (request, body) in [
        ("PUT /sessions/nowhere/network", r#"{"allow": []}"#),
        ("GET /sessions/nowhere/network/log", ""),
        (
            "POST /sessions",
            r#"{"network": {"allow": [{"host": "example.org"}]}}"#,
        ),
    ] {
        let (status, text) = server.ask(request, &mine, body).await;
        assert_eq!(status, 501, "{request} {text}");
        let answer = error(&text);
        assert_eq!(answer["error"]["code"], "not_supported");
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains("network"),
            "{text}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn health_says_what_fails_to_those_without_a_token() {
    let server = Fixture::new(false).await;
    let (status, text) = server.ask("GET /health", &[], "").await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &answer["engine"]),
        (503, &json!("unreachable")),
        "{text}"
    );
    assert_eq!(answer["store"], "ok", "{text}");
    let (status, _) = server
        .ask("GET /health", &[("Host", "evil.example")], "")
        .await;
    assert_eq!(status, 403);
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_text() {
    let server = Fixture::new(false).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];
    let (head, text) = server.answer("GET /metrics", &mine, "").await;
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        text.contains("vivarium_sandboxes{state=\"running\"} 0"),
        "{text}"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_pages_port_has_no_sandboxes() {
    let server = Fixture::new(true).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];
    assert_eq!(server.ask("GET /sessions", &mine, "").await.0, 404);
    let e2b = [
        ("Authorization", bearer.as_str()),
        ("E2b-Sandbox-Id", "nowhere"),
    ];
    assert_eq!(server.ask("GET /files?path=a", &e2b, "").await.0, 404);
    server.stop().await;
}
