//! How many empty tasks a second go from their acceptance to their stored result, with 32 clients that each
//! wait for one task after the other, and how long an acceptance takes. For `scripts/bench/tasks.py`; prints
//! one line of JSON. Takes a folder on the disk that is to be measured, and seconds.

#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;
use tasks::{
    ClaimedTask, Ending, Executor, NewTask, Policy, Running, SqliteStore, Store, SystemClock,
    Timekeeper, Worker, WorkerOptions,
};
use tokio_util::sync::CancellationToken;
use wire::task::{TaskFilter, TaskKind, TaskRequest};

const CLIENTS: usize = 32;

struct Nothing;

impl Executor for Nothing {
    fn kinds(&self) -> Vec<TaskKind> {
        vec![TaskKind::Exec]
    }

    fn run(&self, _: ClaimedTask, _: Running) -> BoxFuture<'static, Ending> {
        std::future::ready(Ending::done(json!({"exit_code": 0}))).boxed()
    }
}

fn task() -> NewTask {
    let request = json!({"kind": "exec", "payload": {"command": "true"}});
    let request: TaskRequest = serde_json::from_value(request).unwrap();
    NewTask::of(request, None).unwrap()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into()));
    let seconds: f64 = arguments.next().map_or(5.0, |text| text.parse().unwrap());
    let folder = tempfile::tempdir_in(folder).unwrap();
    let policy = Policy::default();
    let lease = policy.lease;
    let clock = Arc::new(SystemClock::default());
    let store = SqliteStore::open(&folder.path().join("tasks.db"), policy, clock).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(Timekeeper::new(store.clone()).run(stop.clone()));
    let options = WorkerOptions::named(64, Vec::new(), lease);
    let (worker, working) = Worker::start(store.clone(), Arc::new(Nothing), options);
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let store = store.clone();
        clients.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                store.add(task()).await.unwrap();
                times.push(asked.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let accepted = times.len();
    let mut changes = store.changes();
    loop {
        let queues = store.queues().await.unwrap();
        if queues[0].queued + queues[0].running == 0 {
            break;
        }
        changes.changed().await.unwrap();
    }
    let took = begun.elapsed().as_secs_f64();
    times.sort();
    let ms = |part: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list"
        )]
        let place = ((times.len() - 1) as f64 * part) as usize;
        times[place].as_secs_f64() * 1000.0
    };
    let looked = Instant::now();
    let page = store
        .list(None, TaskFilter::default(), None, 100)
        .await
        .unwrap();
    let page_ms = looked.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(page.tasks.len(), 100.min(accepted));
    #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_second = accepted as f64 / took;
    let told = json!({
        "tasks": accepted, "per_second": per_second, "accept_p50_ms": ms(0.5),
        "accept_p99_ms": ms(0.99), "page_ms": page_ms,
    });
    println!("{told}");
    worker.stop();
    working.await.unwrap();
    stop.cancel();
    keeping.await.unwrap();
}
