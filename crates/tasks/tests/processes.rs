//! Processes that are killed, stopped, or poisoned while they work. The test is its own child process: it
//! starts itself with `VIVARIUM_TASKS_CHILD`, which names the folder that both use.

#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tasks::{
    ClaimedTask, Ending, Executor, NewTask, Policy, Running, SqliteStore, Store, SystemClock,
    Timekeeper, Worker, WorkerOptions,
};
use tokio_util::sync::CancellationToken;
use wire::task::{AttemptOutcome, TaskFilter, TaskId, TaskKind, TaskRequest, TaskState, TaskView};

const CHILD: &str = "VIVARIUM_TASKS_CHILD";
const LEASE: Duration = Duration::from_millis(1500);

fn open(folder: &Path) -> Arc<dyn Store> {
    let policy = Policy {
        lease: LEASE,
        backoff: Duration::from_millis(20),
        longest_backoff: Duration::from_millis(200),
        ..Policy::default()
    };
    let clock = Arc::new(SystemClock::default());
    Arc::new(SqliteStore::open(&folder.join("tasks.db"), policy, clock).unwrap())
}

fn task(command: &str, max_attempts: u32) -> NewTask {
    let request = json!({
        "kind": "exec", "payload": {"command": command}, "max_attempts": max_attempts,
    });
    let request: TaskRequest = serde_json::from_value(request).unwrap();
    NewTask::of(request, None).unwrap()
}

/// Notes each start in a file, and does what the task's command says.
struct Notes(Mutex<fs::File>);

impl Executor for Notes {
    fn kinds(&self) -> Vec<TaskKind> {
        vec![TaskKind::Exec]
    }

    fn run(&self, task: ClaimedTask, running: Running) -> BoxFuture<'static, Ending> {
        let line = format!("{} {}\n", task.lease.id, task.lease.attempt);
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
        async move {
            match task.work.payload["command"].as_str().unwrap() {
                "poison" => std::process::abort(),
                // Runs until another one has it.
                "long" => running.stop.now.cancelled().await,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
            Ending::done(json!({"attempt": task.lease.attempt}))
        }
        .boxed()
    }
}

/// What the child does: it adds tasks, prints each that was accepted, and runs what there is.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let store = open(&folder);
    let adds: usize = fs::read_to_string(folder.join("adds"))
        .unwrap()
        .parse()
        .unwrap();
    let mut options = OpenOptions::new();
    let notes = options
        .append(true)
        .create(true)
        .open(folder.join("starts"))
        .unwrap();
    let options = WorkerOptions::named(8, Vec::new(), LEASE);
    let (_worker, _task) =
        Worker::start(store.clone(), Arc::new(Notes(Mutex::new(notes))), options);
    let keeping = tokio::spawn(Timekeeper::new(store.clone()).run(CancellationToken::new()));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        clients.spawn(async move {
            for _ in 0..adds {
                let id = store.add(task("quick", 1000)).await.unwrap().id;
                // One write, so that a kill leaves no half of a line.
                std::io::stdout()
                    .lock()
                    .write_all(format!("accepted {id}\n").as_bytes())
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
        });
    }
    clients.join_all().await;
    keeping.await.unwrap();
}

/// A child that ends with this.
struct Process {
    child: Child,
    reader: Option<std::thread::JoinHandle<Vec<TaskId>>>,
}

impl Process {
    fn start(folder: &Path, adds: usize) -> Self {
        fs::write(folder.join("adds"), adds.to_string()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let accepted = |line: String| {
                let (_, id) = line.split_once("accepted ")?;
                id.parse().ok()
            };
            stdout
                .lines()
                .map_while(Result::ok)
                .filter_map(accepted)
                .collect()
        });
        Self {
            child,
            reader: Some(reader),
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Kills it; answers the tasks of which it knows that they were accepted.
    fn end(&mut self) -> Vec<TaskId> {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.reader
            .take()
            .map(|reader| reader.join().unwrap())
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

async fn all(store: &Arc<dyn Store>) -> Vec<TaskView> {
    let (mut tasks, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .list(None, TaskFilter::default(), after, 1000)
            .await
            .unwrap();
        tasks.extend(page.tasks);
        match page.next {
            None => return tasks,
            next => after = next,
        }
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How often each task was started.
fn starts(folder: &Path) -> HashMap<String, usize> {
    let mut starts = HashMap::new();
    for line in fs::read_to_string(folder.join("starts"))
        .unwrap_or_default()
        .lines()
    {
        let id = line.split(' ').next().unwrap_or_default();
        *starts.entry(id.to_owned()).or_default() += 1;
    }
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_task_ends_once_however_often_its_process_is_killed() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let seed = std::env::var("VIVARIUM_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("seed: {seed} (VIVARIUM_TEST_SEED repeats it)");
    let mut random = StdRng::seed_from_u64(seed);
    let kills = std::env::var("VIVARIUM_TEST_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = Vec::new();
    for _ in 0..kills.unwrap_or(12) {
        // Two at once: one is killed while the other works on.
        let mut processes = [(); 2].map(|()| Process::start(folder.path(), 100_000));
        tokio::time::sleep(Duration::from_millis(random.random_range(80..600))).await;
        accepted.extend(processes[random.random_range(0..2)].end());
        tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        for process in &mut processes {
            accepted.extend(process.end());
        }
    }
    assert!(
        accepted.len() > 100,
        "only {} tasks were accepted",
        accepted.len()
    );
    let store = open(folder.path());
    let _last = Process::start(folder.path(), 0);
    until("every task has ended", async || {
        let queues = store.queues().await.unwrap();
        queues
            .iter()
            .all(|queue| queue.queued + queue.scheduled + queue.retrying + queue.running == 0)
    })
    .await;
    let tasks: HashMap<TaskId, TaskView> = all(&store)
        .await
        .into_iter()
        .map(|task| (task.task_id.clone(), task))
        .collect();
    let starts = starts(folder.path());
    for id in &accepted {
        let task = tasks
            .get(id)
            .unwrap_or_else(|| panic!("{id} was accepted and is gone"));
        assert_eq!(task.state, TaskState::Done, "{id}");
        assert!(
            starts.contains_key(id.as_str()),
            "{id} is done and never ran"
        );
    }
    // Those that ran more than once say so, and one attempt alone has the result.
    for id in tasks
        .keys()
        .filter(|id| starts.get(id.as_str()).is_some_and(|count| *count > 1))
    {
        let view = store.get(None, id.clone()).await.unwrap();
        let done: Vec<u32> = view
            .attempts
            .unwrap()
            .into_iter()
            .filter(|one| one.outcome == Some(AttemptOutcome::Done))
            .map(|one| one.number)
            .collect();
        assert_eq!(done.len(), 1, "{id}");
        assert_eq!(view.result, Some(json!({"attempt": done[0]})), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_kills_its_worker_ends_failed_with_the_reason() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let poison = store.add(task("poison", 3)).await.unwrap().id;
    let innocent = store.add(task("quick", 10)).await.unwrap().id;
    let mut process = Process::start(folder.path(), 0);
    until("the task is out of attempts", async || {
        // Somebody starts the worker again each time.
        if process.child.try_wait().unwrap().is_some() {
            process = Process::start(folder.path(), 0);
        }
        let view = store.get(None, poison.clone()).await.unwrap();
        view.state.is_end()
    })
    .await;
    let view = store.get(None, poison).await.unwrap();
    assert_eq!((view.state, view.attempt), (TaskState::Failed, 3));
    let error = view.error.unwrap();
    assert!(error.contains("ended or stopped responding"), "{error}");
    until("the other one is done", async || {
        let view = store.get(None, innocent.clone()).await.unwrap();
        view.state == TaskState::Done
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_says_nothing_about_what_another_one_has() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let id = store.add(task("long", 5)).await.unwrap().id;
    let first = Process::start(folder.path(), 0);
    let attempt = async |number| {
        let view = store.get(None, id.clone()).await.unwrap();
        view.attempt == number && view.state == TaskState::Running
    };
    until("the first one has it", async || attempt(1).await).await;
    first.signal(Signal::SIGSTOP);
    let _second = Process::start(folder.path(), 0);
    until("the second one has it", async || attempt(2).await).await;
    first.signal(Signal::SIGCONT);
    // The first one ends its attempt as it hears that it lost it, and that end isn't taken.
    let name = store.get(None, id.clone()).await.unwrap().worker;
    tokio::time::sleep(2 * LEASE).await;
    let view = store.get(None, id.clone()).await.unwrap();
    assert_eq!(
        (view.state, view.worker, view.attempt),
        (TaskState::Running, name, 2)
    );
    let outcomes: Vec<_> = view
        .attempts
        .unwrap()
        .into_iter()
        .map(|one| one.outcome)
        .collect();
    assert_eq!(outcomes, [Some(AttemptOutcome::Lost), None]);
}
