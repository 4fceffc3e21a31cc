use std::sync::atomic::{AtomicUsize, Ordering};

use lifecycle::EngineChoice;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    task::JoinSet,
};

use super::*;

/// Answers each request with what `says` makes of its head: a status and a body.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    says: impl Fn(&str) -> (u16, String),
) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        let (status, body) = says(&String::from_utf8_lossy(&piece[..count]));
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A container engine with one container that runs, and the machine's API in it.
struct Fixture {
    endpoints: Endpoints,
    /// How often the engine was asked anything.
    asked: Arc<AtomicUsize>,
    /// Called when the engine is asked for the container.
    on_look: Hook,
    /// Where the container's API is published.
    port: Arc<Mutex<u16>>,
    /// How often the API was asked.
    calls: Arc<AtomicUsize>,
    token_file: std::path::PathBuf,
    token: Arc<Mutex<String>>,
    tasks: JoinSet<()>,
    _home: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("engine.sock");
        let options = MachineOptions {
            home: Some(home.path().into()),
            engine: EngineChoice::new(Some(format!("unix://{}", socket.display()))),
            ..Default::default()
        };
        let machine = load(&options).unwrap();
        let token_file = machine.token_file();
        std::fs::create_dir_all(token_file.parent().unwrap()).unwrap();
        std::fs::write(&token_file, "first").unwrap();
        let mut fixture = Self {
            endpoints: Endpoints::new(options),
            asked: Arc::default(),
            on_look: Arc::default(),
            port: Arc::default(),
            calls: Arc::default(),
            token_file,
            token: Arc::new(Mutex::new("first".into())),
            tasks: JoinSet::new(),
            _home: home,
        };
        let (asked, on_look, port) = (
            fixture.asked.clone(),
            fixture.on_look.clone(),
            fixture.port.clone(),
        );
        let says = move |request: &str| {
            asked.fetch_add(1, Ordering::Relaxed);
            if request.contains("/version ") {
                return (
                    200,
                    json!({"Version": "29.0", "ApiVersion": "1.52"}).to_string(),
                );
            }
            if !request.contains("/containers/") {
                return (200, "OK".into());
            }
            if let Some(hook) = on_look.lock().take() {
                hook();
            }
            let binding = json!([{"HostIp": "127.0.0.1", "HostPort": port.lock().to_string()}]);
            let container = json!({
                "Id": "c1", "Name": "/os-host",
                "State": {"Running": true, "Status": "running", "StartedAt": "2026-01-01T00:00:00Z"},
                "Config": {"Labels": {"vivarium.machine": "os-host"}},
                "NetworkSettings": {"Ports": {"8080/tcp": binding}},
            });
            (200, container.to_string())
        };
        let listener = UnixListener::bind(&socket).unwrap();
        fixture.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, says.clone()));
            }
        });
        fixture.listen().await;
        fixture
    }

    /// Puts the machine's API at a new port, and answers the task that serves it.
    async fn listen(&mut self) -> tokio::task::AbortHandle {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *self.port.lock() = listener.local_addr().unwrap().port();
        let (token, calls) = (self.token.clone(), self.calls.clone());
        let says = move |request: &str| {
            calls.fetch_add(1, Ordering::Relaxed);
            let wanted = format!("bearer {}\r\n", token.lock());
            match request.to_lowercase().contains(&wanted) {
                true => (200, "{}".to_owned()),
                false => (401, "{}".to_owned()),
            }
        };
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, says.clone()));
            }
        })
    }

    async fn call(&self) -> Result<StatusCode, Failure> {
        let call = ApiCall::get("/status");
        Ok(self.endpoints.send(&call).await?.status())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_call_asks_the_engine_nothing_the_second_time() {
    let fixture = Fixture::new().await;
    let watched = fixture.endpoints.watched();
    fixture.call().await.unwrap();
    let asked = fixture.asked();
    assert!(asked > 0);
    // Nor does it read a file.
    std::fs::remove_file(&fixture.token_file).unwrap();
    for _ in 0..3 {
        fixture.call().await.unwrap();
    }
    assert_eq!(fixture.asked(), asked);
    // Another engine is chosen: the watch hears of it later.
    fixture.endpoints.options.engine.set(None);
    fixture
        .endpoints
        .options
        .engine
        .set(Some("unix:///nonexistent".into()));
    fixture.call().await.unwrap_err();
    drop(watched);
}

#[tokio::test]
async fn nothing_is_kept_while_nobody_watches() {
    let fixture = Fixture::new().await;
    fixture.call().await.unwrap();
    let asked = fixture.asked();
    fixture.call().await.unwrap();
    assert!(fixture.asked() > asked);

    let watched = fixture.endpoints.watched();
    fixture.call().await.unwrap();
    fixture.endpoints.forget();
    let asked = fixture.asked();
    fixture.call().await.unwrap();
    assert!(fixture.asked() > asked);

    drop(watched);
    let asked = fixture.asked();
    fixture.call().await.unwrap();
    assert!(fixture.asked() > asked);
}

#[tokio::test]
async fn what_was_looked_up_before_a_change_is_not_kept() {
    let fixture = Fixture::new().await;
    let _watched = fixture.endpoints.watched();
    let endpoints = fixture.endpoints.clone();
    *fixture.on_look.lock() = Some(Box::new(move || endpoints.forget()));
    fixture.call().await.unwrap();
    let asked = fixture.asked();
    fixture.call().await.unwrap();
    assert!(fixture.asked() > asked);
    let asked = fixture.asked();
    fixture.call().await.unwrap();
    assert_eq!(fixture.asked(), asked);
}

#[tokio::test]
async fn a_machine_that_moved_is_found_again_in_the_same_call() {
    let mut fixture = Fixture::new().await;
    let _watched = fixture.endpoints.watched();
    let first = fixture.listen().await;
    fixture.call().await.unwrap();
    first.abort();
    fixture.listen().await;
    // The aborted listener is closed once its task is gone.
    while !first.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.call().await.unwrap(), StatusCode::OK);

    // Another token, which the file tells by now.
    "second".clone_into(&mut fixture.token.lock());
    std::fs::write(&fixture.token_file, "second").unwrap();
    assert_eq!(fixture.call().await.unwrap(), StatusCode::OK);

    // A refusal that looking again doesn't change is one, and is asked for once.
    "third".clone_into(&mut fixture.token.lock());
    let calls = fixture.calls.load(Ordering::Relaxed);
    fixture.call().await.unwrap_err();
    assert_eq!(fixture.calls.load(Ordering::Relaxed), calls + 1);
}
