//! A kernel and a worker of the test's own.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::{
    codec::{Framed, LengthDelimitedCodec},
    sync::CancellationToken,
};
use wire::{job::JobOwner, kernel::ExecRequest};

use crate::{
    changes::Changes,
    clock::Clock,
    kernel::{Execution, Kernel},
    shell::Shell,
};

pub const DEADLINE: Duration = Duration::from_secs(120);

/// A worker that says what the test wants.
pub struct Fake {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Fake {
    pub async fn accept(listener: &UnixListener, ready: Value) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut fake = Self {
            frames: Framed::new(stream, LengthDelimitedCodec::new()),
        };
        fake.say(ready).await;
        assert_eq!(fake.hears("hello").await["after"], 0);
        fake
    }

    pub async fn say(&mut self, message: Value) {
        let bytes = serde_json::to_vec(&message).unwrap();
        let bytes = axum::body::Bytes::from(bytes);
        self.frames.send(bytes).await.unwrap();
    }

    /// Begins a frame of so many bytes.
    pub async fn promises(&mut self, bytes: usize) {
        let head = u32::try_from(bytes).unwrap();
        self.frames.get_mut().write_u32(head).await.unwrap();
    }

    /// The next message, which must be of this kind.
    pub async fn hears(&mut self, kind: &str) -> Value {
        let frame = tokio::time::timeout(DEADLINE, self.frames.next()).await;
        let frame = frame.expect("a message").unwrap().unwrap();
        let message: Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    pub async fn done(&mut self, execution_id: &Value) {
        self.say(json!({
            "type": "done", "seq": 9, "execution_id": execution_id, "status": "completed",
            "result": null, "error": null, "timing_ms": 1, "execution_count": 1,
        }))
        .await;
    }
}

/// A kernel with its driver, and where its worker connects.
pub struct Machine {
    pub kernel: Arc<Kernel>,
    pub shell: Arc<Shell>,
    pub listener: UnixListener,
    pub folder: Arc<tempfile::TempDir>,
    pub stop: CancellationToken,
    driving: JoinSet<()>,
}

impl Machine {
    pub fn new() -> Self {
        Self::with(Clock::system())
    }

    pub fn with(clock: Clock) -> Self {
        Self::of(Shell::new("/".into()), clock)
    }

    /// One whose shell is this.
    pub fn of(shell: Shell, clock: Clock) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), shell, clock)
    }

    /// The next supervisor's, after this one's was killed.
    pub fn next(self) -> Self {
        let folder = Arc::clone(&self.folder);
        Self::on(folder, Shell::new("/".into()), Clock::system())
    }

    fn on(folder: Arc<tempfile::TempDir>, shell: Shell, clock: Clock) -> Self {
        let socket = folder.path().join("k.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let shell = Arc::new(shell);
        let stop = CancellationToken::new();
        let spool = folder.path().join("queue");
        let (kernel, drive) = Kernel::new(
            "main",
            socket,
            spool,
            Arc::clone(&shell),
            Changes::new(),
            clock,
            stop.clone(),
        );
        let mut driving = JoinSet::new();
        driving.spawn(drive);
        Self {
            kernel,
            shell,
            listener,
            folder,
            stop,
            driving,
        }
    }

    pub fn execute(&self, request: ExecRequest) -> Arc<Execution> {
        self.kernel.execute(request, JobOwner::Person).unwrap()
    }

    pub async fn worker(&self, pid: i32, shell: Value) -> Fake {
        let ready = json!({"type": "ready", "seq": 0, "pid": pid, "shell": shell});
        Fake::accept(&self.listener, ready).await
    }

    pub async fn end(mut self) {
        self.stop.cancel();
        self.driving.join_next().await.unwrap().unwrap();
    }
}

/// A cell with this source.
pub fn cell(code: &str) -> ExecRequest {
    ExecRequest {
        code: code.to_owned(),
        ..Default::default()
    }
}

/// The shell's context of a worker that just began.
pub fn fresh() -> Value {
    json!({"cwd": "/", "env": {}, "changes": 0})
}
