use std::{path::Path as FilePath, sync::Arc};

use axum::{Router, body::Body, middleware, routing::any};
use futures_util::StreamExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use wire::tokens::{TokenFile, TokenRecord};

use super::*;
use crate::http::access::{self, Access, Guard};

/// A table as `docs/tokens.md` shows it.
fn shown(table: &[Line]) -> String {
    let word = |rule: Rule| match rule {
        Rule::Route(RouteAccess::Open) => "none",
        Rule::Route(RouteAccess::Read) => "`read`",
        Rule::Route(RouteAccess::Exec) => "`exec`",
        Rule::Route(RouteAccess::Admin) => "`admin`",
        McpServer => "`mcp:NAME`",
        McpServers => "`mcp:*`, or `mcp:NAME` for each of `?servers=`",
    };
    let method = |method: &'static str| if method == "*" { "any method" } else { method };
    let lines = table
        .iter()
        .map(|(of, path, rule)| format!("| `{} {path}` | {} |\n", method(of), word(*rule)));
    format!(
        "| route | scope |\n|---|---|\n{}",
        lines.collect::<String>()
    )
}

#[test]
fn the_documented_tables_are_these() {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tokens.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (name, table) in [("api", API), ("mcp", MCP)] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
        let from = text.find(&begin).expect(&begin) + begin.len();
        let to = text.find(&end).expect(&end);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            text.replace_range(from..to, &shown(table));
            std::fs::write(&path, &text).unwrap();
            continue;
        }
        let current = text[from..to] == shown(table);
        assert!(
            current,
            "docs/tokens.md is older than crates/wire/src/routes.rs and body/src/http/scopes.rs: run UPDATE_DOCS=1 cargo test -p body documented_tables"
        );
    }
}

#[test]
fn every_route_of_the_api_has_a_line_and_every_line_a_route() {
    let document = crate::http::api::document(&crate::http::routes::operations());
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    let mut lines: Vec<_> = API
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    routes.sort();
    lines.sort();
    assert_eq!(lines, routes);
}

/// Status of requests to routes like a table's, with tokens of these scopes.
struct Door {
    service: TowerToHyperService<Router>,
    folder: tempfile::TempDir,
}

impl Door {
    fn new(table: &'static [Line]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut router = Router::new();
        let mut paths: Vec<_> = table.iter().map(|(_, path, _)| *path).collect();
        paths.sort_unstable();
        paths.dedup();
        for path in paths {
            router = router.route(path, any(|| async { "done" }));
        }
        let access = Access::of_tests_with("own", folder.path().join("tokens.json"));
        let guard = Guard {
            access: Arc::new(access),
            table,
        };
        let router = router.layer(middleware::from_fn_with_state(guard, access::check));
        Self {
            service: TowerToHyperService::new(router),
            folder,
        }
    }

    /// From now on these are known, each named as its only scope.
    fn know(&self, scopes: &[&str]) {
        let tokens = scopes.iter().map(|scope| TokenRecord {
            name: (*scope).to_owned(),
            hash: blake3::hash(scope.as_bytes()).to_hex().to_string(),
            scopes: vec![scope.parse().unwrap()],
        });
        let file = TokenFile {
            tokens: tokens.collect(),
        };
        let aside = self.folder.path().join("aside");
        std::fs::write(&aside, serde_json::to_vec(&file).unwrap()).unwrap();
        std::fs::rename(aside, self.folder.path().join("tokens.json")).unwrap();
    }

    async fn answer(&self, token: &str, method: &str, uri: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty());
        let response = self.service.call(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn status(&self, token: &str, method: &str, uri: &str) -> u16 {
        self.answer(token, method, uri).await.0
    }
}

#[tokio::test]
async fn every_line_lets_in_whose_scope_covers_it_and_nobody_else() {
    let scopes = ["read", "exec", "admin", "mcp:a", "mcp:b", "mcp:*"];
    for table in [API, MCP] {
        let door = Door::new(table);
        door.know(&scopes);
        for (method, path, rule) in table {
            let method = if *method == "*" { "POST" } else { method };
            let uri = path.replace("{name}", "a").replace("{id}", "1");
            let needed: &[&str] = match rule {
                Rule::Route(RouteAccess::Open) => &scopes,
                Rule::Route(RouteAccess::Read) => &["read", "exec", "admin"],
                Rule::Route(RouteAccess::Exec) => &["exec", "admin"],
                Rule::Route(RouteAccess::Admin) => &["admin"],
                McpServer => &["exec", "admin", "mcp:a", "mcp:*"],
                McpServers => &["exec", "admin", "mcp:*"],
            };
            for scope in scopes {
                let status = if needed.contains(&scope) { 200 } else { 403 };
                let answered = door.status(scope, method, &uri).await;
                assert_eq!(answered, status, "{scope} {method} {uri}");
            }
            assert_eq!(door.status("own", method, &uri).await, 200);
            let stranger = if *rule == OPEN { 200 } else { 401 };
            assert_eq!(door.status("other", method, &uri).await, stranger);
        }
    }
}

#[tokio::test]
async fn a_server_is_known_by_its_name_however_it_is_written() {
    let door = Door::new(MCP);
    door.know(&["mcp:a", "mcp:b c"]);
    for (token, uri, status) in [
        ("mcp:a", "/servers/a/mcp", 200),
        ("mcp:a", "/servers/%61/mcp", 200),
        ("mcp:a", "/servers/b/mcp", 403),
        ("mcp:a", "/servers/a%2F..%2Fb/mcp", 403),
        ("mcp:b c", "/servers/b%20c/mcp", 200),
        ("mcp:a", "/mcp?servers=a", 200),
        ("mcp:a", "/mcp?servers=a,", 200),
        ("mcp:a", "/mcp?servers=a,b", 403),
        ("mcp:a", "/mcp?servers=a*", 403),
        ("mcp:a", "/mcp?servers=%2A", 403),
        ("mcp:a", "/mcp?servers=", 403),
        // Of two, the last counts, as it does for the endpoint.
        ("mcp:a", "/mcp?servers=a&servers=b", 403),
        ("mcp:a", "/mcp", 403),
        ("mcp:a", "/servers", 403),
    ] {
        assert_eq!(
            door.status(token, "POST", uri).await,
            status,
            "{token} {uri}"
        );
    }
}

#[tokio::test]
async fn methods_and_paths_that_no_line_has_need_admin() {
    let door = Door::new(API);
    door.know(&["read", "exec", "admin"]);
    assert_eq!(door.status("read", "HEAD", "/status").await, 200);
    assert_eq!(door.status("exec", "PATCH", "/status").await, 403);
    assert_eq!(door.status("admin", "PATCH", "/status").await, 200);
    // There is nothing there to be kept from.
    assert_eq!(door.status("read", "GET", "/nowhere").await, 404);
    assert_eq!(door.status("other", "GET", "/nowhere").await, 401);
}

#[tokio::test]
async fn a_token_counts_from_its_making_to_its_removal_and_the_refusal_names_the_scope() {
    let door = Door::new(API);
    assert_eq!(door.status("read", "GET", "/status").await, 401);
    door.know(&["read"]);
    assert_eq!(door.status("read", "GET", "/status").await, 200);
    let (status, text) = door.answer("read", "POST", "/exec").await;
    assert_eq!(status, 403);
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["error"]["code"], "insufficient_scope");
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("the scope exec"), "{message}");
    door.know(&[]);
    assert_eq!(door.status("read", "GET", "/status").await, 401);
}

#[tokio::test]
async fn an_event_stream_says_nothing_more_when_its_token_is_removed() {
    use futures_util::stream;

    let folder = tempfile::tempdir().unwrap();
    let (say, said) = tokio::sync::mpsc::channel::<&'static str>(1);
    let said = Arc::new(std::sync::Mutex::new(Some(said)));
    let events = move || {
        let said = said.lock().unwrap().take().unwrap();
        let chunks = stream::unfold(said, |mut said| async move {
            let text = said.recv().await?;
            Some((Ok::<_, std::io::Error>(text), said))
        });
        let body = Body::from_stream(chunks);
        std::future::ready(([("content-type", "text/event-stream")], body))
    };
    let path = folder.path().join("tokens.json");
    let guard = Guard {
        access: Arc::new(Access::of_tests_with("own", path)),
        table: API,
    };
    let router = Router::new()
        .route("/events", any(events))
        .layer(middleware::from_fn_with_state(guard, access::check));
    let door = Door {
        service: TowerToHyperService::new(router),
        folder,
    };
    door.know(&["read"]);
    let request = Request::builder()
        .uri("/events")
        .header("host", "127.0.0.1")
        .header("authorization", "Bearer read")
        .body(Body::empty());
    let response = door.service.call(request.unwrap()).await.unwrap();
    let mut chunks = response.into_body().into_data_stream();
    say.send("data: 1\n\n").await.unwrap();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "data: 1\n\n");
    door.know(&[]);
    say.send("data: 2\n\n").await.unwrap();
    assert!(chunks.next().await.is_none());
}

#[test]
fn what_needs_no_token_is_what_is_open() {
    for (_, path, rule) in API.iter().chain(MCP) {
        assert_eq!(*rule == OPEN, crate::http::access::is_open(path), "{path}");
    }
}
