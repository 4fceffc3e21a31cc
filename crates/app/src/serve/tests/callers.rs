//! Tokens that were made, names that were allowed, and where each counts.

use super::*;

#[tokio::test]
async fn a_token_may_do_what_its_scope_says() {
    let server = Fixture::new(false).await;
    let (read, admin) = (
        server.made("read", None).await,
        server.made("admin", None).await,
    );
    for (request, of_read, of_admin) in [
        ("POST /rpc/app_info", 200, 200),
        ("POST /machines/os-host/rpc/snapshot_remove", 403, 400),
        ("POST /rpc/settings_set", 403, 200),
        ("POST /rpc/token_list", 403, 200),
        ("POST /rpc/fly", 403, 404),
    ] {
        assert_eq!(server.status(&read, request).await, of_read, "{request}");
        assert_eq!(server.status(&admin, request).await, of_admin, "{request}");
    }
    let bearer = format!("Bearer {read}");
    let (_, text) = server
        .ask("POST /rpc/token_list", &[("Authorization", &bearer)], "")
        .await;
    let failure: Failure = serde_json::from_str(&text).unwrap();
    assert_eq!(failure.code, FailureCode::Forbidden);
    assert!(failure.cause.unwrap().contains("the scope admin"));
    // It is no more from when it is removed.
    server
        .app
        .rpc(None, "token_remove", json!({"name": "t0"}))
        .await
        .unwrap();
    assert_eq!(server.status(&read, "POST /rpc/app_info").await, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_token_for_a_machine_reaches_nothing_else() {
    let server = Fixture::new(false).await;
    server
        .app
        .rpc(None, "machine_create", json!({"name": "lab"}))
        .await
        .unwrap();
    let token = server.made("admin", Some(&["lab"])).await;
    for (request, status) in [
        ("POST /machines/lab/rpc/machine_credential", 400),
        ("POST /machines/os-host/rpc/machine_credential", 403),
        // Where none is named another one may be meant.
        ("POST /rpc/machine_credential", 403),
        ("POST /rpc/settings_get", 403),
        // A command about the app is one wherever it is called.
        ("POST /machines/lab/rpc/token_list", 403),
        ("POST /machines/lab/rpc/settings_get", 403),
    ] {
        assert_eq!(server.status(&token, request).await, status, "{request}");
    }
    let bearer = format!("Bearer {token}");
    // The connection ends with the stream.
    let mine = [("Authorization", bearer.as_str()), ("Connection", "close")];
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let head = server.head("GET /events?after=0", &mine, 0);
    stream.write_all(head.as_bytes()).await.unwrap();
    for machine in ["os-host", "lab"] {
        let request = json!({"cell_id": machine, "code": "1"});
        server
            .app
            .rpc(Some(machine), "kernel_exec", request)
            .await
            .unwrap();
    }
    let mut heard = String::new();
    while !heard.contains(r#""cell_id":"lab""#) {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{heard}");
        heard += std::str::from_utf8(&bytes[..count]).unwrap();
    }
    assert!(!heard.contains("os-host"), "{heard}");
    // Without the token nothing more is heard.
    server
        .app
        .rpc(None, "token_remove", json!({"name": "t0"}))
        .await
        .unwrap();
    let request = json!({"cell_id": "late", "code": "1"});
    server
        .app
        .rpc(Some("lab"), "kernel_exec", request)
        .await
        .unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("late"), "{rest}");
    server.stop().await;
}

#[tokio::test]
async fn the_pages_share_no_port_with_the_api() {
    let server = Fixture::new(true).await;
    assert_ne!(server.port, server.api);
    let made = server.made("admin", None).await;
    // What was made for programs opens no page, and no page is at the API.
    assert_eq!(server.status(&made, "POST /rpc/app_info").await, 401);
    let api = Fixture {
        port: server.api,
        ..server
    };
    assert_eq!(api.status(&made, "POST /rpc/app_info").await, 200);
    assert_eq!(api.status(&api.token, "POST /rpc/app_info").await, 200);
    let json = ("Content-Type", "application/json");
    let body = json!({ "code": api.code }).to_string();
    for request in ["GET /", "POST /session", "POST /session/code"] {
        let (answered, text) = api.ask(request, &[json], &body).await;
        assert_eq!(answered, 404, "{request} {text}");
    }
    api.stop().await;
}

#[tokio::test]
async fn other_names_are_allowed_and_pages_of_them_are_not() {
    let options = ServeOptions {
        allowed_hosts: ServeOptions::allowed_hosts("vivarium.lan, other:81"),
        ..Default::default()
    };
    let server = Fixture::with(options).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = ("Authorization", bearer.as_str());
    for (host, status) in [
        ("vivarium.lan", 200),
        ("Vivarium.LAN:8000", 200),
        ("other:81", 200),
        ("other:82", 403),
        ("vivarium.lan.evil.example", 403),
        ("evil.example", 403),
    ] {
        let (answered, _) = server
            .ask("POST /rpc/app_info", &[mine, ("Host", host)], "")
            .await;
        assert_eq!(answered, status, "{host}");
    }
    let page = [
        mine,
        ("Host", "vivarium.lan"),
        ("Origin", "http://vivarium.lan"),
    ];
    assert_eq!(server.ask("POST /rpc/app_info", &page, "").await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn without_tokens_other_pages_are_refused_all_the_same() {
    let options = ServeOptions {
        no_token: true,
        ..Default::default()
    };
    let server = Fixture::with(options).await;
    assert_eq!(server.ask("POST /rpc/app_info", &[], "").await.0, 200);
    for header in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
        assert_eq!(server.ask("POST /rpc/app_info", &[header], "").await.0, 403);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_may_be_sent_as_clients_of_e2b_do() {
    let server = Fixture::new(false).await;
    let token = server.made("read", None).await;
    let key = ("X-API-KEY", token.as_str());
    // The user of a sandbox, and no token.
    let user = ("Authorization", "Basic dXNlcjo=");
    for (headers, status) in [
        (vec![key], 200),
        (vec![key, user], 200),
        (vec![user], 401),
        (vec![("X-API-KEY", "e2b_0000")], 401),
        (vec![key, key], 400),
    ] {
        let (answered, text) = server.ask("POST /rpc/app_info", &headers, "").await;
        assert_eq!(answered, status, "{headers:?} {text}");
        if status != 200 {
            let answer: wire::kernel::ErrorAnswer = serde_json::from_str(&text).unwrap();
            assert!(!answer.error.message.is_empty());
        }
    }
    server.stop().await;
}
