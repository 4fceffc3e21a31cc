mod callers;
mod e2b;
mod sandbox_commands;
mod sandboxes;
mod tasks;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::*;
use crate::{AppOptions, page_policy};

/// What the UI's build makes its `index.html` of.
const INDEX: &[u8] = include_bytes!("../../../../ui/index.html");

/// A server with an app of its own.
struct Fixture {
    app: App,
    port: u16,
    api: u16,
    token: String,
    code: String,
    running: JoinHandle<Result<(), Failure>>,
    home: tempfile::TempDir,
}

impl Fixture {
    async fn new(ui: bool) -> Self {
        Self::with(ServeOptions {
            ui,
            ..Default::default()
        })
        .await
    }

    async fn with(options: ServeOptions) -> Self {
        Self::at(tempfile::tempdir().unwrap(), options).await
    }

    /// With settings and data of this folder.
    async fn at(home: tempfile::TempDir, options: ServeOptions) -> Self {
        // Sandboxes begin with it; without an engine none does.
        let template = home.path().join("template");
        let init = template
            .join("docker/sandbox/bin")
            .join(std::env::consts::ARCH)
            .join("sandbox-init");
        std::fs::create_dir_all(init.parent().unwrap()).unwrap();
        std::fs::write(init, "\x7fELF").unwrap();
        let of_app = AppOptions {
            home: Some(home.path().into()),
            template,
            engine: Some("unix:///nonexistent/docker.sock".into()),
            ..Default::default()
        };
        let app = App::start(of_app).await.unwrap();
        let pages = options.ui.then(|| Pages::of(Some(INDEX)).unwrap());
        let served = app.listen(options, pages).await.unwrap();
        let token = served.token().to_owned();
        let url = served.url();
        assert!(!url.contains(&token), "{url}");
        let code = url
            .split_once("/#code=")
            .map_or("", |(_, code)| code)
            .to_owned();
        // The pages' own port, where there are pages.
        let api = served.address().port();
        let port = served
            .addresses()
            .map_or(api, |pages| pages.address().port());
        let serving = app.clone();
        let running = tokio::spawn(async move { served.run(&serving).await });
        Self {
            app,
            port,
            api,
            token,
            code,
            running,
            home,
        }
    }

    fn head(&self, request: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head = format!("{request} HTTP/1.1\r\nContent-Length: {length}\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: 127.0.0.1:{}\r\n", self.port);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Status and everything after the headers.
    async fn ask(&self, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let (head, body) = self.answer(request, headers, body).await;
        (head[9..12].parse().unwrap(), body)
    }

    /// A token that was made.
    async fn made(&self, scope: &str, machines: Option<&[&str]>) -> String {
        let name = format!(
            "t{}",
            self.app
                .token_list(wire::commands::Nothing {})
                .await
                .unwrap()
                .tokens
                .len()
        );
        let request = json!({ "name": name, "scopes": [scope], "machines": machines });
        let made = self.app.rpc(None, "token_create", request).await.unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Status of a request with a token.
    async fn status(&self, token: &str, request: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        self.ask(request, &[("Authorization", &bearer)], "").await.0
    }

    /// Head and body.
    async fn answer(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut headers = headers.to_vec();
        headers.push(("Connection", "close"));
        let text = self.head(request, &headers, body.len()) + body;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn stop(self) {
        drop(self.stop_and_keep().await);
    }

    /// Stops it, and leaves its home.
    async fn stop_and_keep(self) -> tempfile::TempDir {
        self.app.stop().await;
        self.running.await.unwrap().unwrap();
        self.home
    }
}

#[tokio::test]
async fn answers_commands_and_streams_events_to_those_with_the_token() {
    let server = Fixture::new(false).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];

    let (status, body) = server.ask("POST /rpc/app_info", &mine, "{}").await;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["version"],
        wire::VERSION
    );
    for (request, body, status, code) in [
        ("POST /rpc/fly", "{}", 404, "not_found"),
        (
            "POST /rpc/machine_logs",
            r#"{"tail":"many"}"#,
            400,
            "invalid",
        ),
        ("POST /rpc/app_info", "{", 400, "invalid"),
        ("GET /somewhere", "", 404, "not_found"),
    ] {
        let (answered, text) = server.ask(request, &mine, body).await;
        assert_eq!(answered, status, "{request} {text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["code"], code);
    }

    let mut stream = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    stream
        .write_all(server.head("GET /events?after=0", &mine, 0).as_bytes())
        .await
        .unwrap();
    let request = json!({"cell_id": "c", "code": "1"});
    server.app.rpc(None, "kernel_exec", request).await.unwrap();
    let mut heard = String::new();
    while !heard.contains(r#""kind":"cell_queued""#) {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{heard}");
        heard += std::str::from_utf8(&bytes[..count]).unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn refuses_strangers() {
    let server = Fixture::new(true).await;
    let bearer = format!("Bearer {}", server.token);
    let own = format!("http://127.0.0.1:{}", server.port);
    for (request, headers, status) in [
        ("POST /rpc/app_info", vec![], 401),
        ("GET /events", vec![("Authorization", "Bearer 0000")], 401),
        (
            "POST /rpc/app_info",
            vec![("Authorization", bearer.as_str()), ("Origin", own.as_str())],
            200,
        ),
        (
            "POST /rpc/app_info",
            vec![
                ("Authorization", bearer.as_str()),
                ("Origin", "https://evil.example"),
            ],
            403,
        ),
        (
            "POST /rpc/app_info",
            vec![("Authorization", bearer.as_str()), ("Host", "evil.example")],
            403,
        ),
        ("GET /", vec![("Host", "evil.example:80")], 403),
        ("GET /", vec![("Origin", "null")], 403),
        ("GET /assets/none.js", vec![], 404),
    ] {
        let (answered, text) = server.ask(request, &headers, "").await;
        assert_eq!(answered, status, "{request} {headers:?} {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_decides_stands_there_once() {
    let server = Fixture::new(true).await;
    let bearer = format!("Bearer {}", server.token);
    let mine = ("Authorization", bearer.as_str());
    let host = format!("127.0.0.1:{}", server.port);
    let own = ("Host", host.as_str());
    let page = format!("http://{host}");
    let origin = ("Origin", page.as_str());
    for (headers, status) in [
        (vec![own, mine], 200),
        (vec![own, own, mine], 400),
        (vec![own, ("Host", "evil.example"), mine], 400),
        (vec![own, mine, mine], 400),
        (vec![own, mine, origin, origin], 400),
    ] {
        let (answered, text) = server.ask("POST /rpc/app_info", &headers, "").await;
        assert_eq!(answered, status, "{headers:?} {text}");
    }
    let elsewhere = "POST http://evil.example/rpc/app_info";
    assert_eq!(server.ask(elsewhere, &[own, mine], "").await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn a_code_brings_the_token_once() {
    let server = Fixture::new(true).await;
    let json = ("Content-Type", "application/json");
    let exchange = async |code: &str| {
        let body = json!({ "code": code }).to_string();
        server.ask("POST /session", &[json], &body).await
    };
    assert_eq!(exchange("0000").await.0, 401);
    let (status, text) = exchange(&server.code).await;
    assert_eq!(status, 200, "{text}");
    let session: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(session["token"], server.token);
    assert_eq!(exchange(&server.code).await.0, 401);
    // The next load of the page has a code of its own.
    let next = session["code"].as_str().unwrap();
    assert_eq!(exchange(next).await.0, 200);
    // Who has the token makes more.
    assert_eq!(server.ask("POST /session/code", &[], "").await.0, 401);
    let bearer = format!("Bearer {}", server.token);
    let mine = [("Authorization", bearer.as_str())];
    let (status, text) = server.ask("POST /session/code", &mine, "").await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(exchange(made["code"].as_str().unwrap()).await.0, 200);
    // Another page may not, code or no code.
    let body = json!({ "code": "0000" }).to_string();
    let foreign = [json, ("Origin", "https://evil.example")];
    assert_eq!(server.ask("POST /session", &foreign, &body).await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn every_answer_has_a_policy() {
    let server = Fixture::new(true).await;
    for (request, headers) in [
        ("GET /", vec![]),
        ("GET /assets/none.js", vec![]),
        ("POST /rpc/app_info", vec![]),
        ("POST /nowhere", vec![]),
        ("GET /", vec![("Host", "evil.example")]),
    ] {
        let (head, _) = server.answer(request, &headers, "").await;
        let head = head.to_ascii_lowercase();
        for line in [
            "form-action 'none'",
            "frame-ancestors 'none'",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(line), "{request} {headers:?} {head}");
        }
        let policies = head.matches("\ncontent-security-policy:").count();
        assert_eq!(policies, 1, "{head}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_page_has_the_windows_policy_but_for_what_it_reaches() {
    let server = Fixture::new(true).await;
    let (head, _) = server.answer("GET /", &[], "").await;
    let policy = head
        .lines()
        .find_map(|line| line.strip_prefix("content-security-policy: "));
    let own = page_policy(&format!(
        "'self' ws://127.0.0.1:{}",
        server.app.bridge_port()
    ));
    assert_eq!(policy, Some(own.as_str()), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn a_held_port_is_named() {
    let server = Fixture::new(false).await;
    let options = ServeOptions {
        port: server.port,
        ..Default::default()
    };
    let failure = server.app.bind(options).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::PortTaken);
    let held = format!("(pid {}) holds it", std::process::id());
    assert!(failure.cause.unwrap().ends_with(&held));
    assert!(failure.message.contains(&server.port.to_string()));
    server.stop().await;
}

#[test]
fn pages_that_are_not_built_are_refused_with_what_to_do() {
    // As src-tauri/build.rs writes it.
    let placeholder = "<title>Vivarium</title>The UI is not built: npm run build in ui/";
    for index in [None, Some(""), Some(placeholder)] {
        let failure = Pages::of(index.map(str::as_bytes)).unwrap_err();
        assert_eq!(failure.code, FailureCode::NotFound, "{index:?}");
        assert!(failure.cause.is_some());
        assert_eq!(failure.next.as_deref(), Some(&Advice::BuildPages));
    }
    Pages::of(Some(INDEX)).unwrap();
}
