//! A store with a clock that the test moves.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use serde_json::json;
use tasks::{
    Claim, ClaimedTask, Clock, Ending, NewTask, Policy, Report, SqliteStore, Store, TaskError,
};
use wire::task::{TaskFilter, TaskId, TaskKind, TaskRequest, TaskState, TaskView};

/// Time as the test says.
#[derive(Debug)]
pub struct TestClock {
    wall_ms: AtomicI64,
    moment_ms: AtomicI64,
    boot: RwLock<&'static str>,
}

impl TestClock {
    /// Time passes.
    pub fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
        self.moment_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The wall's clock is set to another time.
    pub fn jump(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The computer starts again.
    pub fn boot(&self) {
        self.moment_ms.store(5, Ordering::SeqCst);
        *self.boot.write() = "second";
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn moment_ms(&self) -> i64 {
        self.moment_ms.load(Ordering::SeqCst)
    }

    fn boot(&self) -> &str {
        *self.boot.read()
    }
}

/// A store that is the test's own.
pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub policy: Policy,
}

impl World {
    pub fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(TestClock {
                wall_ms: AtomicI64::new(1_764_600_000_000),
                moment_ms: AtomicI64::new(1000),
                boot: RwLock::new("first"),
            }),
            policy: Policy::default(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("tasks/tasks.db")
    }

    /// Opens it, as another process would.
    pub fn open(&self) -> Arc<dyn Store> {
        let store = SqliteStore::open(&self.path(), self.policy.clone(), self.clock.clone());
        Arc::new(store.unwrap())
    }
}

/// A task that a request of these fields asks for.
pub fn task(fields: serde_json::Value) -> NewTask {
    checked(fields, None).unwrap()
}

/// The same, of somebody, and as it may be refused.
pub fn checked(fields: serde_json::Value, owner: Option<&str>) -> Result<NewTask, TaskError> {
    let mut request = json!({"kind": "exec", "payload": {"command": "true"}});
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    let request: TaskRequest = serde_json::from_value(request).unwrap();
    NewTask::of(request, owner.map(str::to_owned))
}

/// Adds one.
pub async fn add(store: &Arc<dyn Store>, fields: serde_json::Value) -> TaskId {
    store.add(task(fields)).await.unwrap().id
}

/// Takes up to this many, as this worker.
pub async fn claim(store: &Arc<dyn Store>, worker: &str, count: usize) -> Vec<ClaimedTask> {
    let claim = Claim {
        worker: worker.into(),
        queues: Vec::new(),
        kinds: TaskKind::ALL.to_vec(),
        count,
    };
    store.claim(claim).await.unwrap().tasks
}

/// Ends an attempt.
pub async fn end(
    store: &Arc<dyn Store>,
    task: &ClaimedTask,
    ending: Ending,
) -> Result<TaskState, TaskError> {
    let report = Report::default();
    store.end(task.lease.clone(), report, ending).await
}

pub async fn get(store: &Arc<dyn Store>, id: &TaskId) -> TaskView {
    store.get(None, id.clone()).await.unwrap()
}

/// Sweeps until there is nothing left to do.
pub async fn sweep(store: &Arc<dyn Store>) {
    while store.sweep().await.unwrap().more {}
}

/// All tasks that match, over all pages.
pub async fn all(store: &Arc<dyn Store>, filter: &TaskFilter) -> Vec<TaskView> {
    let (mut tasks, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(None, filter.clone(), after, 1000).await.unwrap();
        tasks.extend(page.tasks);
        match page.next {
            None => return tasks,
            next => after = next,
        }
    }
}
