//! Workers, with an executor of the test's own.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;
use tasks::{
    ClaimedTask, Ending, Executor, NewTask, Policy, Running, SqliteStore, Store, SystemClock,
    Timekeeper, Worker, WorkerOptions,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::task::{
    AttemptOutcome, LogStream, TaskId, TaskKind, TaskProgress, TaskRequest, TaskState, TaskView,
    WorkerChange,
};

/// Does what a task's command says.
#[derive(Debug, Default)]
struct Actor {
    now: AtomicUsize,
    most: AtomicUsize,
    cleaned: AtomicUsize,
}

/// For the trait, which belongs to another crate.
#[derive(Clone, Debug, Default)]
struct Stage(Arc<Actor>);

impl Executor for Stage {
    fn kinds(&self) -> Vec<TaskKind> {
        vec![TaskKind::Exec]
    }

    fn run(&self, task: ClaimedTask, running: Running) -> BoxFuture<'static, Ending> {
        let actor = self.0.clone();
        async move {
            let now = actor.now.fetch_add(1, Ordering::SeqCst) + 1;
            actor.most.fetch_max(now, Ordering::SeqCst);
            let ending = act(&task, &running, &actor).await;
            actor.now.fetch_sub(1, Ordering::SeqCst);
            ending
        }
        .boxed()
    }
}

async fn act(task: &ClaimedTask, running: &Running, actor: &Actor) -> Ending {
    match task.work.payload["command"].as_str().unwrap() {
        "say" => {
            running.tell.line(LogStream::Stdout, "hello\n");
            running.tell.progress(TaskProgress {
                done: 1.0,
                ..TaskProgress::default()
            });
            Ending::done(json!({"attempt": task.lease.attempt}))
        }
        "fail" => Ending::failed(format!("attempt {}", task.lease.attempt)),
        // Ends when it is asked to.
        "wait" => {
            running.tell.line(LogStream::Stdout, "waiting\n");
            running.stop.asked.cancelled().await;
            actor.cleaned.fetch_add(1, Ordering::SeqCst);
            Ending::failed("asked to end")
        }
        // Ends only when its grace time is over.
        "stubborn" => {
            running.stop.now.cancelled().await;
            actor.cleaned.fetch_add(1, Ordering::SeqCst);
            Ending::failed("ended")
        }
        other => Ending::failed_for_good(format!("unknown: {other}")),
    }
}

struct World {
    store: Arc<dyn Store>,
    stage: Stage,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy {
            backoff: Duration::from_millis(10),
            lease: Duration::from_secs(30),
            ..Policy::default()
        };
        let clock = Arc::new(SystemClock::default());
        let store = SqliteStore::open(&folder.path().join("tasks.db"), policy, clock).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let stop = CancellationToken::new();
        tokio::spawn(Timekeeper::new(store.clone()).run(stop.clone()));
        Self {
            store,
            stage: Stage::default(),
            stop,
            _folder: folder,
        }
    }

    fn worker(&self, concurrency: u32) -> (Worker, JoinHandle<()>) {
        let lease = Duration::from_secs(30);
        let options = WorkerOptions::named(concurrency, Vec::new(), lease);
        Worker::start(self.store.clone(), Arc::new(self.stage.clone()), options)
    }

    async fn add(&self, command: &str, more: serde_json::Value) -> TaskId {
        let mut request = json!({"kind": "exec", "payload": {"command": command}});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        let request: TaskRequest = serde_json::from_value(request).unwrap();
        let task = NewTask::of(request, None).unwrap();
        self.store.add(task).await.unwrap().id
    }

    async fn until(&self, id: &TaskId, is_so: impl Fn(&TaskView) -> bool) -> TaskView {
        let mut changes = self.store.changes();
        let wait = async {
            loop {
                let view = self.store.get(None, id.clone()).await.unwrap();
                if is_so(&view) {
                    return view;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .expect("in time")
    }

    async fn ended(&self, id: &TaskId) -> TaskView {
        self.until(id, |view| view.state.is_end()).await
    }

    async fn runs(&self, id: &TaskId) {
        self.until(id, |view| view.state == TaskState::Running)
            .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_its_result_and_log_are_kept() {
    let world = World::new();
    let (_worker, _task) = world.worker(2);
    let id = world.add("say", json!({})).await;
    let view = world.ended(&id).await;
    assert_eq!(view.state, TaskState::Done);
    assert_eq!(view.result, Some(json!({"attempt": 1})));
    let log = world.store.log(None, id, 0, 9).await.unwrap();
    assert_eq!(log.lines[0].text, "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_until_it_is_out_of_attempts() {
    let world = World::new();
    let (_worker, _task) = world.worker(2);
    let id = world.add("fail", json!({"max_attempts": 3})).await;
    let view = world.ended(&id).await;
    assert_eq!(
        (view.state, view.error.as_deref()),
        (TaskState::Failed, Some("attempt 3"))
    );
    let id = world.add("dance", json!({"max_attempts": 3})).await;
    assert_eq!(world.ended(&id).await.attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_asked_to_end_and_then_ended() {
    let world = World::new();
    let (_worker, _task) = world.worker(2);
    for command in ["wait", "stubborn"] {
        let asked = json!({"timeout_s": 0.2, "grace_s": 0.2, "max_attempts": 1});
        let id = world.add(command, asked).await;
        let view = world.ended(&id).await;
        assert_eq!(view.state, TaskState::Failed);
        assert_eq!(view.error.as_deref(), Some("timed out after 0.2 s"));
        assert_eq!(
            view.attempts.unwrap()[0].outcome,
            Some(AttemptOutcome::TimedOut)
        );
    }
    assert_eq!(world.stage.0.cleaned.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_cancelled_without_waiting_for_the_next_beat() {
    let world = World::new();
    let (_worker, _task) = world.worker(2);
    let id = world.add("wait", json!({})).await;
    world.runs(&id).await;
    let asked = std::time::Instant::now();
    world.store.cancel(None, id.clone()).await.unwrap();
    let view = world.ended(&id).await;
    assert_eq!(view.state, TaskState::Cancelled);
    // The next beat is ten seconds away.
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_gives_its_tasks_back() {
    let world = World::new();
    let (worker, task) = world.worker(2);
    let id = world.add("wait", json!({"max_attempts": 1})).await;
    world.runs(&id).await;
    worker.stop();
    task.await.unwrap();
    let view = world.store.get(None, id.clone()).await.unwrap();
    assert_eq!(view.state, TaskState::Queued);
    assert!(world.store.workers().await.unwrap().is_empty());
    // Another one runs it.
    let (_other, _task) = world.worker(1);
    world.runs(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_finishes_what_it_has_and_takes_no_more() {
    let world = World::new();
    let (worker, task) = world.worker(1);
    let first = world
        .add("wait", json!({"timeout_s": 1, "max_attempts": 1}))
        .await;
    world.runs(&first).await;
    let second = world.add("say", json!({})).await;
    worker.drain();
    task.await.unwrap();
    let state = |view: TaskView| view.state;
    assert_eq!(state(world.ended(&first).await), TaskState::Failed);
    let second = world.store.get(None, second).await.unwrap();
    assert_eq!(second.state, TaskState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_changes_while_it_works() {
    let world = World::new();
    let (worker, _task) = world.worker(1);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(world.add("wait", json!({})).await);
    }
    world.runs(&ids[0]).await;
    let change = WorkerChange {
        concurrency: Some(3),
        draining: None,
    };
    let name = worker.name().to_owned();
    world
        .store
        .change_worker(name.clone(), change)
        .await
        .unwrap();
    world.runs(&ids[2]).await;
    assert_eq!(world.store.queues().await.unwrap()[0].running, 3);
    assert_eq!(world.stage.0.most.load(Ordering::SeqCst), 3);
    // What drains by request takes nothing until it is told otherwise.
    let change = WorkerChange {
        concurrency: Some(10),
        draining: Some(true),
    };
    world
        .store
        .change_worker(name.clone(), change)
        .await
        .unwrap();
    let mut changes = world.store.changes();
    while !world.store.workers().await.unwrap()[0].draining {
        changes.changed().await.unwrap();
    }
    world.store.cancel(None, ids[0].clone()).await.unwrap();
    world.ended(&ids[0]).await;
    assert_eq!(world.store.queues().await.unwrap()[0].queued, 1);
    let change = WorkerChange {
        concurrency: None,
        draining: Some(false),
    };
    world.store.change_worker(name, change).await.unwrap();
    world.runs(&ids[3]).await;
}
