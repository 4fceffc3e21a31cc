//! The driver against a worker that says what the test wants.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::{
    codec::{Framed, LengthDelimitedCodec},
    sync::CancellationToken,
};
use wire::kernel::{ExecRequest, ExecStatus};

use super::Kernel;
use crate::shell::Shell;

const DEADLINE: Duration = Duration::from_secs(10);

struct Fake {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Fake {
    async fn accept(listener: &UnixListener, ready: Value) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut fake = Self {
            frames: Framed::new(stream, LengthDelimitedCodec::new()),
        };
        fake.say(ready).await;
        assert_eq!(fake.hears("hello").await["after"], 5);
        fake
    }

    async fn say(&mut self, message: Value) {
        let bytes = serde_json::to_vec(&message).unwrap();
        let bytes = axum::body::Bytes::from(bytes);
        self.frames.send(bytes).await.unwrap();
    }

    /// The next message, which must be of this kind.
    async fn hears(&mut self, kind: &str) -> Value {
        let frame = tokio::time::timeout(DEADLINE, self.frames.next()).await;
        let frame = frame.expect("a message").unwrap().unwrap();
        let message: Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    async fn done(&mut self, execution_id: &Value) {
        self.say(json!({
            "type": "done", "seq": 9, "execution_id": execution_id, "status": "completed",
            "result": null, "error": null, "timing_ms": 1, "execution_count": 1,
        }))
        .await;
    }
}

struct Machine {
    kernel: Arc<Kernel>,
    shell: Arc<Shell>,
    listener: UnixListener,
    _folder: tempfile::TempDir,
    stop: CancellationToken,
    driving: JoinSet<()>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("k.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shell = Arc::new(Shell::new("/".into()));
        let stop = CancellationToken::new();
        let (kernel, drive) = Kernel::new(socket, Arc::clone(&shell), stop.clone());
        let mut driving = JoinSet::new();
        driving.spawn(drive);
        Self {
            kernel,
            shell,
            listener,
            _folder: folder,
            stop,
            driving,
        }
    }

    async fn worker(&self, pid: i32, shell: Value) -> Fake {
        let ready = json!({"type": "ready", "seq": 5, "pid": pid, "shell": shell});
        Fake::accept(&self.listener, ready).await
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.driving.join_next().await.unwrap().unwrap();
    }
}

fn cell(code: &str) -> ExecRequest {
    ExecRequest {
        code: code.to_owned(),
        ..Default::default()
    }
}

fn fresh() -> Value {
    json!({"cwd": "/", "env": {}, "changes": 0})
}

#[tokio::test]
async fn the_shells_context_goes_both_ways() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.kernel.execute(cell("a"));
    assert_eq!(worker.hears("shell_context").await["cwd"], "/");
    let id = worker.hears("execute").await["execution_id"].clone();

    // From outside, while the cell runs.
    machine.shell.context.set("OUTER", "1").unwrap();
    assert_eq!(worker.hears("shell_context").await["env"]["OUTER"], "1");
    // From the cell: added to what is there, and echoed with its number.
    worker
        .say(json!({"type": "shell_context", "changes": 1, "env": {"INNER": "2"}}))
        .await;
    let echo = worker.hears("shell_context").await;
    assert_eq!(
        (&echo["env"], &echo["seen"]),
        (&json!({"INNER": "2", "OUTER": "1"}), &json!(1))
    );
    worker
        .say(json!({"type": "shell_context", "changes": 2, "cwd": "/tmp"}))
        .await;
    worker.done(&id).await;
    assert_eq!(execution.answer().await.status, ExecStatus::Completed);
    assert_eq!(machine.shell.context.snapshot().cwd, PathBuf::from("/tmp"));

    // A new worker is told; its own beginnings count for nothing.
    drop(worker);
    let mut worker = machine.worker(2, fresh()).await;
    machine.kernel.execute(cell("b"));
    let told = worker.hears("shell_context").await;
    assert_eq!(
        (&told["cwd"], &told["env"]["INNER"]),
        (&json!("/tmp"), &json!("2"))
    );
    machine.end().await;
}

#[tokio::test]
async fn a_new_supervisor_learns_the_context_from_the_worker() {
    let machine = Machine::new();
    let shell = json!({"cwd": "/usr", "env": {"A": "b"}, "changes": 3});
    let mut worker = machine.worker(1, shell).await;
    machine.kernel.execute(cell("a"));
    assert_eq!(worker.hears("shell_context").await["seen"], 3);
    let now = machine.shell.context.snapshot();
    let env = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
    assert_eq!((now.cwd, now.env), (PathBuf::from("/usr"), env));
    machine.end().await;
}

#[tokio::test]
async fn lost_output_is_said_where_it_is_missing() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.kernel.execute(cell("a"));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let output = json!({"output_type": "stream", "name": "stdout", "text": "end\n"});
    worker
        .say(json!({"type": "truncated", "from": 6, "to": 105}))
        .await;
    worker
        .say(json!({"type": "event", "seq": 106, "execution_id": id, "output": output}))
        .await;
    worker.done(&id).await;
    let answer = execution.answer().await;
    assert_eq!(answer.outputs.len(), 2);
    assert!(
        answer.stderr.contains("100 pieces are missing"),
        "{}",
        answer.stderr
    );
    assert_eq!(answer.stdout, "end\n");
    machine.end().await;
}
