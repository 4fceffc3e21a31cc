//! A container engine with one machine that runs, and the machine's APIs: calls wait in it, and what
//! comes of them is told to the test.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{delete, get, post},
};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{broadcast, mpsc},
    task::JoinSet,
};

use crate::{App, AppOptions, MachineHandle};

/// For what a test waits for: long, as the computer may be busy with much else.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the machine's APIs work on.
struct Inside {
    calls: Mutex<BTreeMap<String, Waiting>>,
    told: broadcast::Sender<()>,
    answers: mpsc::UnboundedSender<(String, Value)>,
    /// What the MCP server `sandbox` was ordered.
    orders: Mutex<Vec<&'static str>>,
}

struct Waiting {
    call: Value,
    host: Option<String>,
}

type Shared = State<Arc<Inside>>;

pub(super) struct FakeMachine {
    app: App,
    inside: Arc<Inside>,
    answers: mpsc::UnboundedReceiver<(String, Value)>,
    _tasks: JoinSet<()>,
    _home: tempfile::TempDir,
}

impl FakeMachine {
    pub(super) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (answered, answers) = mpsc::unbounded_channel();
        let inside = Arc::new(Inside {
            calls: Mutex::default(),
            told: broadcast::Sender::new(16),
            answers: answered,
            orders: Mutex::default(),
        });
        let routes = Router::new()
            .route("/events", get(events))
            .route("/sandbox/calls", get(list))
            .route("/sandbox/calls/{id}/take", post(take))
            .route("/sandbox/calls/{id}/keep", post(keep))
            .route("/sandbox/calls/{id}/answer", post(answer))
            .route("/servers", get(servers))
            .route("/servers/sandbox/enable", post(enable))
            .route("/servers/sandbox", delete(remove))
            .with_state(inside.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let socket = home.path().join("engine.sock");
        let engine = Router::new().fallback(move |uri: Uri| async move { says(&uri, port) });
        let listener = UnixListener::bind(&socket).unwrap();
        tasks.spawn(async move { axum::serve(listener, engine).await.unwrap() });
        let app = App::start(AppOptions {
            home: Some(home.path().into()),
            machine: Some("os-host".into()),
            engine: Some(format!("unix://{}", socket.display())),
            ..AppOptions::default()
        })
        .await
        .unwrap();
        let token_file = app.machine(None).unwrap().machine().unwrap().token_file();
        std::fs::create_dir_all(token_file.parent().unwrap()).unwrap();
        std::fs::write(token_file, "token").unwrap();
        Self {
            app,
            inside,
            answers,
            _tasks: tasks,
            _home: home,
        }
    }

    pub(super) fn handle(&self) -> MachineHandle {
        self.app.machine(None).unwrap()
    }

    /// Somebody inside calls.
    pub(super) fn put(&self, id: &str, call: Value) {
        let waiting = Waiting { call, host: None };
        self.inside.calls.lock().insert(id.into(), waiting);
    }

    /// Whoever listens hears that something changed.
    pub(super) fn tell(&self) {
        self.inside.told.send(()).unwrap();
    }

    /// The next answer, with the id of its call.
    pub(super) async fn answer(&mut self) -> (String, Value) {
        let answer = tokio::time::timeout(DEADLINE, self.answers.recv()).await;
        answer.unwrap().unwrap()
    }

    pub(super) fn server_orders(&self) -> Vec<&'static str> {
        self.inside.orders.lock().clone()
    }

    pub(super) async fn set_access(&self, access: &Value) -> Value {
        let set = self.app.rpc(None, "sandbox_access_set", access.clone());
        set.await.unwrap()
    }

    pub(super) async fn stop(self) {
        self.app.stop().await;
    }
}

/// The engine.
fn says(uri: &Uri, port: u16) -> Response {
    let path = uri.path();
    if path.ends_with("/version") {
        return Json(json!({"Version": "29.0", "ApiVersion": "1.52"})).into_response();
    }
    if !path.contains("/containers/") {
        return "OK".into_response();
    }
    let binding = json!([{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]);
    Json(json!({
        "Id": "c1", "Name": "/os-host",
        "State": {"Running": true, "Status": "running", "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {"Labels": {"vivarium.machine": "os-host"}},
        "NetworkSettings": {"Ports": {"8080/tcp": binding, "8765/tcp": binding}},
    }))
    .into_response()
}

async fn events(
    State(inside): Shared,
) -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
    let told = inside.told.subscribe();
    let events = stream::unfold(told, |mut told| async move {
        told.recv().await.ok()?;
        let event = Event::default().data(json!({"topic": "sandbox_calls"}).to_string());
        Some((Ok(event), told))
    });
    Sse::new(events)
}

async fn list(State(inside): Shared) -> Json<Value> {
    let calls = inside.calls.lock();
    let shown = calls
        .iter()
        .map(|(id, waiting)| json!({"id": id, "sandbox": null, "taken_by": waiting.host}));
    Json(json!({"calls": shown.collect::<Vec<_>>()}))
}

/// The host that a request names.
fn host(body: &Value) -> String {
    body["host"].as_str().unwrap().to_owned()
}

async fn take(State(inside): Shared, Path(id): Path<String>, Json(body): Json<Value>) -> Response {
    let mut calls = inside.calls.lock();
    let Some(waiting) = calls.get_mut(&id) else {
        return refused(StatusCode::NOT_FOUND, "not_found");
    };
    if waiting.host.is_some() {
        return refused(StatusCode::CONFLICT, "sandbox_call_taken");
    }
    waiting.host = Some(host(&body));
    Json(waiting.call.clone()).into_response()
}

async fn keep(State(inside): Shared, Path(id): Path<String>, Json(body): Json<Value>) -> Response {
    let calls = inside.calls.lock();
    match calls.get(&id) {
        Some(waiting) if waiting.host == Some(host(&body)) => done(),
        Some(_) => refused(StatusCode::CONFLICT, "sandbox_call_taken"),
        None => refused(StatusCode::NOT_FOUND, "not_found"),
    }
}

async fn answer(
    State(inside): Shared,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let waiting = inside.calls.lock().remove(&id);
    assert_eq!(waiting.unwrap().host, Some(host(&body)), "{id}");
    inside.answers.send((id, body["answer"].clone())).unwrap();
    done()
}

async fn servers(State(inside): Shared) -> Json<Value> {
    let orders = inside.orders.lock();
    let enabled = orders.last() == Some(&"enable");
    let source = if enabled { "data" } else { "builtin" };
    let entry =
        json!({"command": "/usr/local/bin/body", "args": ["sandbox"], "disabled": !enabled});
    let server = json!({"name": "sandbox", "source": source, "enabled": enabled, "entry": entry});
    Json(json!({"servers": [server], "files": []}))
}

async fn enable(State(inside): Shared) -> Response {
    inside.orders.lock().push("enable");
    done()
}

async fn remove(State(inside): Shared) -> Response {
    inside.orders.lock().push("remove");
    Json(json!({"status": "completed", "outcome": "uncovered", "message": ""})).into_response()
}

fn done() -> Response {
    Json(json!({"status": "completed"})).into_response()
}

fn refused(status: StatusCode, code: &str) -> Response {
    let body = json!({"error": {"code": code, "message": code}, "request_id": "1"});
    (status, Json(body)).into_response()
}
