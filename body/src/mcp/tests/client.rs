//! A relay of the test's own, and a plain client.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::mcp::McpSource;

use super::super::{
    Relay,
    config::Config,
    run,
    server::{Common, Limits},
    session_store::SessionStore,
    traces::Traces,
};
use crate::http::access::Access;

pub const DEADLINE: Duration = Duration::from_secs(120);
const TOKEN: &str = "token-of-the-tests";

/// A relay, and what it serves.
pub struct Machine {
    pub folder: tempfile::TempDir,
    pub address: String,
    relay: Arc<Relay>,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub session: Option<String>,
    pub text: String,
}

impl Reply {
    /// The answer.
    pub fn json(&self) -> Value {
        last_message(&self.text)
    }
}

/// What was said: all of it, or the last message of an event stream.
pub fn last_message(said: &str) -> Value {
    let text = match said.rsplit_once("data: ") {
        Some((_, text)) if !said.starts_with(['{', '[']) => text.trim(),
        _ => said,
    };
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {said:?}"))
}

/// Limits that tests reach; who vanishes is not waited for.
pub fn limits() -> Limits {
    Limits {
        own_processes: 2,
        patience: Duration::ZERO,
        asking: DEADLINE,
        look: Duration::from_millis(50),
        ..Limits::default()
    }
}

/// At a port that the system gives to nobody by itself: where it ends, nobody else comes to be there.
pub async fn listener() -> TcpListener {
    loop {
        let port = rand::random_range(15_000..32_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
    }
}

/// An entry for the scripted server.
pub fn scripted(mode: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mcp/tests/server.py");
    json!({"command": "python3", "args": ["-S", script, mode], "cwd": "/"})
}

impl Machine {
    /// With these servers; two processes of one session each at the most.
    pub async fn start(servers: Value) -> Self {
        Self::start_with(listener().await, servers, limits()).await
    }

    /// At this address.
    pub async fn start_at(address: &str, servers: Value) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self::start_with(listener, servers, limits()).await
    }

    /// With these limits.
    pub async fn start_with(listener: TcpListener, servers: Value, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mcp.json");
        std::fs::write(&file, json!({"mcpServers": servers}).to_string()).unwrap();
        Self::serve(listener, folder, limits)
    }

    /// Ends it as a supervisor does, and starts the next one in its place.
    pub async fn again(self) -> Self {
        let (address, folder) = self.stop().await;
        let listener = TcpListener::bind(&address).await.unwrap();
        Self::serve(listener, folder, limits())
    }

    fn serve(listener: TcpListener, folder: tempfile::TempDir, limits: Limits) -> Self {
        let file = folder.path().join("mcp.json");
        let stop = CancellationToken::new();
        let config = Config::new(
            [(
                "absent".to_owned(),
                serde_json::from_value(json!({"command": "/no/such/program"})).unwrap(),
            )]
            .into(),
            vec![(file, McpSource::Data)],
        );
        let common = Common {
            traces: Traces::new(),
            tasks: TaskTracker::new(),
            runtime: tokio::runtime::Handle::current(),
            stop: stop.clone(),
            changes: None,
            logs: folder.path().to_owned(),
            http: Arc::default(),
            limits,
            lists: tokio::sync::Notify::new(),
        };
        let store = SessionStore::new(Some(folder.path().join("sessions")));
        let relay = Relay::new(config, common, store);
        let address = listener.local_addr().unwrap().to_string();
        let mut serving = JoinSet::new();
        let access = Arc::new(Access::of_tests(TOKEN));
        serving.spawn(run::serve(Arc::clone(&relay), listener, access));
        Self {
            folder,
            address,
            relay,
            stop,
            serving,
        }
    }

    /// Stops it; nothing that it started is left.
    pub async fn end(self) {
        self.stop().await;
    }

    async fn stop(mut self) -> (String, tempfile::TempDir) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving.join_next())
            .await
            .expect("it ends")
            .expect("it served")
            .expect("soundly");
        let log = self.folder.path().display().to_string();
        // Those that a server started are nobody's here: they were killed, and end a moment later.
        let begun = std::time::Instant::now();
        while !processes(&log).is_empty() {
            let left: Vec<_> = processes(&log);
            assert!(begun.elapsed() < DEADLINE, "left: {left:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        (self.address, self.folder)
    }

    /// Forgets all sessions, as a server does that was started anew.
    pub fn forget_sessions(&self) {
        for session in self.relay.all_sessions() {
            self.relay.end(&session);
        }
    }

    /// Sends a request; its answer as it comes.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut request = Request::builder().method(method).uri(path);
        let usual = [
            ("host", "127.0.0.1"),
            ("authorization", "Bearer token-of-the-tests"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        for (name, value) in usual {
            if !headers.iter().any(|(other, _)| *other == name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            if !value.is_empty() {
                request = request.header(*name, *value);
            }
        }
        let request = request.body(body.into()).unwrap();
        // The connection goes with the answer's body, as its task has the other end.
        tokio::spawn(async move { drop(connection.await) });
        sender.send_request(request).await.unwrap()
    }

    /// Sends a request and reads all that is answered.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let asked = async {
            let answer = self.send(method, path, headers, body).await;
            let status = answer.status().as_u16();
            let session = answer.headers().get("mcp-session-id");
            let session = session.map(|id| id.to_str().unwrap().to_owned());
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Reply {
                status,
                session,
                text,
            }
        };
        tokio::time::timeout(DEADLINE, asked)
            .await
            .expect("an answer in time")
    }

    pub async fn get(&self, path: &str) -> Value {
        let plain = [("accept", "application/json")];
        self.ask(Method::GET, path, &plain, Body::empty())
            .await
            .json()
    }

    /// A server's line in the status.
    pub async fn status(&self, server: &str) -> Value {
        let status = self.get("/status").await;
        let servers = status["servers"].as_array().unwrap();
        servers
            .iter()
            .find(|one| one["name"] == server)
            .unwrap()
            .clone()
    }

    /// Waits until a server's line is so.
    pub async fn until(&self, server: &str, so: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let line = self.status(server).await;
                if so(&line) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("it came about")
    }
}

/// Processes that have this word in their environment or belong to such a group.
pub fn processes(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let log = std::fs::read_link(entry.path().join("fd/2"));
        if log.is_ok_and(|log| log.display().to_string().starts_with(word)) {
            found.push(name);
        }
    }
    found
}

/// Whether a process is there and no zombie.
pub fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for a process to be gone.
pub async fn gone(pid: &str) {
    let waiting = async {
        while lives(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("it ends");
}

/// A session over Streamable HTTP.
pub struct Client<'a> {
    pub machine: &'a Machine,
    pub path: String,
    pub session: String,
}

impl<'a> Client<'a> {
    pub async fn open(machine: &'a Machine, server: &str) -> Self {
        Self::with(machine, server, json!({}), "2025-11-25").await
    }

    pub async fn with(
        machine: &'a Machine,
        server: &str,
        capabilities: Value,
        version: &str,
    ) -> Self {
        let path = format!("/servers/{server}/mcp");
        let reply = begin(machine, &path, capabilities, version).await;
        let session = reply
            .session
            .unwrap_or_else(|| panic!("no session: {}", reply.text));
        let client = Self {
            machine,
            path,
            session,
        };
        client
            .post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client
    }

    pub async fn post(&self, message: Value) -> Reply {
        let headers = [("mcp-session-id", &*self.session)];
        self.machine
            .ask(Method::POST, &self.path, &headers, message.to_string())
            .await
    }

    /// A tool's answer: its text, or the error's.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<String, String> {
        let reply = self.post(called(tool, arguments)).await;
        let message = reply.json();
        assert_eq!(message["id"], "c1", "{message}");
        match message["error"]["message"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(message["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()),
        }
    }

    pub async fn echo(&self, word: &str) {
        assert_eq!(
            self.call("echo", json!({"word": word})).await.as_deref(),
            Ok(word)
        );
    }
}

/// A call of a tool.
pub fn called(tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}});
    json!({"jsonrpc": "2.0", "id": "c1", "method": "tools/call", "params": params})
}

/// Says `initialize`.
pub async fn begin(machine: &Machine, path: &str, capabilities: Value, version: &str) -> Reply {
    let info = json!({"name": "test", "version": "1"});
    let params =
        json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": info});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    machine
        .ask(Method::POST, path, &[], hello.to_string())
        .await
}

/// Reads a stream until it said something.
pub async fn until_said(stream: &mut Response<Incoming>, word: &str) -> String {
    let mut said = String::new();
    let reading = async {
        while !said.contains(word) {
            let frame = stream
                .body_mut()
                .frame()
                .await
                .expect("more is said")
                .unwrap();
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .expect("it is said in time");
    said
}
