//! A service's life against a process table of the test's own.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::ServiceState,
    table::{TableAnswer, TableEntry, TableRequest},
};

use super::{keeper::Keeper, service::Service, table::TableClient};
use crate::{
    changes::Changes,
    clock::{Clock, Instant, Jumping},
};

/// PID 1 as the supervisor sees it: each start gets a number and is told to the test; what the test
/// sends has ended.
async fn table(listener: UnixListener, started: mpsc::Sender<i32>, ends: mpsc::Receiver<i32>) {
    let (asks, _) = listener.accept().await.unwrap();
    let (watch, _) = listener.accept().await.unwrap();
    tokio::join!(answer(asks, started), tell(watch, ends));
}

async fn answer(stream: UnixStream, started: mpsc::Sender<i32>) {
    let (read, mut write) = stream.into_split();
    let (mut lines, mut last) = (BufReader::new(read).lines(), 0);
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str(&line).unwrap() {
            TableRequest::Start { .. } => {
                last += 1;
                TableAnswer::Started { pid: last }
            }
            TableRequest::List => TableAnswer::Services { services: vec![] },
            _ => TableAnswer::Done,
        };
        write.write_all(&line_of(&reply)).await.unwrap();
        if let TableAnswer::Started { pid } = reply {
            started.send(pid).await.unwrap();
        }
    }
}

async fn tell(mut stream: UnixStream, mut ends: mpsc::Receiver<i32>) {
    stream
        .write_all(&line_of(&TableAnswer::Done))
        .await
        .unwrap();
    while let Some(pid) = ends.recv().await {
        let service = TableEntry {
            name: "a".to_owned(),
            pid,
            started_at_ms: 0,
            exit: Some(1),
            restarts: 0,
            last_exit: None,
        };
        let line = line_of(&TableAnswer::Exited { service });
        stream.write_all(&line).await.unwrap();
    }
}

fn line_of(answer: &TableAnswer) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).unwrap();
    line.push(b'\n');
    line
}

/// PID 1 that never says what runs, and passes on what else it is asked.
async fn silent(listener: UnixListener, asked: mpsc::Sender<TableRequest>) {
    let (read, mut write) = listener.accept().await.unwrap().0.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str(&line).unwrap() {
            TableRequest::List => TableAnswer::Refused {
                reason: "not now".to_owned(),
            },
            TableRequest::Start { .. } => TableAnswer::Started { pid: 1 },
            request => {
                asked.send(request).await.unwrap();
                TableAnswer::Done
            }
        };
        write.write_all(&line_of(&reply)).await.unwrap();
    }
}

async fn keeper(
    socket: &Path,
    clock: Clock,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Arc<Keeper> {
    let table = TableClient::connect(socket).await.unwrap();
    Keeper::new(table, Changes::new(), clock, tasks.clone(), stop.clone())
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_is_killed_where_its_end_is_not_known_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, left) = (folder.path().join("init.sock"), folder.path().join("left"));
    let (tell, mut asked) = mpsc::channel(8);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(silent(UnixListener::bind(&socket).unwrap(), tell));
    let keeper = keeper(&socket, Clock::system(), &tasks, &stop).await;
    let name = format!("removed-{}", std::process::id());
    let service = Service {
        leftovers: vec![left.clone()],
        ..Service::new(&name, vec!["a".to_owned()])
    };
    keeper.keep(service, None);
    while !matches!(keeper.status()[0].state, ServiceState::Ready { .. }) {
        tokio::task::yield_now().await;
    }
    std::fs::write(&left, "").unwrap();
    keeper.remove(&name).await;
    let signal = |signal: Signal| TableRequest::Signal {
        name: name.clone(),
        signal: signal as i32,
    };
    for request in [
        signal(Signal::SIGTERM),
        signal(Signal::SIGKILL),
        TableRequest::Forget { name: name.clone() },
    ] {
        assert_eq!(asked.try_recv().unwrap(), request);
    }
    assert!(!left.exists());

    // As the machine stops, what a service started has its time: PID 1 asks it to end.
    let service = Service {
        takes_all: true,
        ..Service::new(&name, vec!["a".to_owned()])
    };
    keeper.keep(service, None);
    keeper.stop_all().await;
    for request in [signal(Signal::SIGTERM), signal(Signal::SIGKILL)] {
        assert_eq!(asked.try_recv().unwrap(), request);
    }
    assert!(asked.try_recv().is_err());
    stop.cancel();
    drop(keeper);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn secrets_are_those_of_the_moment_in_which_a_service_starts() {
    static KEY: Mutex<&str> = Mutex::new("of the boot");
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("init.sock");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell, mut told) = mpsc::channel(8);
    tasks.spawn(async move {
        let (read, mut write) = listener.accept().await.unwrap().0.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let reply = match serde_json::from_str(&line).unwrap() {
                TableRequest::Start { env, .. } => {
                    tell.send(env["A_API_KEY"].clone()).await.unwrap();
                    TableAnswer::Started { pid: 1 }
                }
                _ => TableAnswer::Done,
            };
            write.write_all(&line_of(&reply)).await.unwrap();
        }
    });
    let keeper = keeper(&socket, Clock::system(), &tasks, &stop).await;
    let service = |name: &str| Service {
        secrets: || {
            let value = *KEY.lock().unwrap();
            vec![("A_API_KEY".to_owned(), value.to_owned())]
        },
        ..Service::new(name, vec!["a".to_owned()])
    };
    let services = [service("a"), service("b")];
    for (service, value) in services.into_iter().zip(["of the boot", "set since"]) {
        *KEY.lock().unwrap() = value;
        keeper.keep(service, None);
        assert_eq!(told.recv().await.as_deref(), Some(value));
    }
    stop.cancel();
    drop(keeper);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn a_service_keeps_its_past_when_the_supervisor_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("init.sock");
    let (tell, _asked) = mpsc::channel(8);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(silent(UnixListener::bind(&socket).unwrap(), tell));
    let keeper = keeper(&socket, Clock::system(), &tasks, &stop).await;
    let runs = TableEntry {
        name: "runs".to_owned(),
        pid: 7,
        started_at_ms: 5,
        exit: None,
        restarts: 2,
        last_exit: Some(137),
    };
    let ended = TableEntry {
        name: "ended".to_owned(),
        exit: Some(1),
        ..runs.clone()
    };
    for known in [runs, ended] {
        keeper.keep(Service::new(&known.name, vec!["a".to_owned()]), Some(known));
    }
    let pasts: Vec<_> = keeper
        .status()
        .iter()
        .map(|service| (service.restarts, service.last_exit))
        .collect();
    assert_eq!(pasts, [(2, Some(137)), (3, Some(1))]);
    let pid = |place: usize| match keeper.status()[place].state {
        ServiceState::Ready { pid, .. } => Some(pid),
        _ => None,
    };
    while pid(0).is_none() || pid(1).is_none() {
        tokio::task::yield_now().await;
    }
    // The one that runs is adopted, the other started.
    assert_eq!((pid(0), pid(1)), (Some(7), Some(1)));
    stop.cancel();
    drop(keeper);
    tasks.close();
    tasks.wait().await;
}

#[test]
fn a_log_level_is_known_or_info() {
    for (given, filter) in [
        ("", "info"),
        ("DEBUG", "debug"),
        ("Warning", "warn"),
        ("critical", "error"),
        ("verbose", "info"),
        ("body=debug,hyper=warn", "body=debug,hyper=warn"),
    ] {
        assert_eq!(super::log_filter(given), filter);
    }
}

/// tokio's clock is paused: it goes on to the next timer as soon as nothing else is to do.
#[tokio::test(start_paused = true)]
async fn no_backoff_is_stuck_or_cut_short_while_the_wall_clock_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("init.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell_started, mut started) = mpsc::channel(8);
    let (end, ends) = mpsc::channel(8);
    let tasks = TaskTracker::new();
    tasks.spawn(table(listener, tell_started, ends));

    let (wall, stop) = (Jumping::default(), CancellationToken::new());
    let clock: Clock = wall.clock();
    let keeper = keeper(&socket, clock.clone(), &tasks, &stop).await;
    let watcher = TableClient::connect(&socket).await.unwrap();
    let service = Service::new("a", vec!["a".to_owned()]);
    keeper.start(watcher, vec![service]).await.unwrap();
    let ready = async |pid: i32| {
        let is = |state| matches!(state, ServiceState::Ready { pid: now, .. } if now == pid);
        while !is(keeper.status()[0].state) {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(started.recv().await, Some(1));
    ready(1).await;

    // Early deaths: each waits longer, by the monotonic clock.
    let mut waits = Vec::new();
    for (pid, hours) in [(1, 5), (2, -5), (3, -24)] {
        wall.jump(hours);
        let begin = Instant::now();
        end.send(pid).await.unwrap();
        assert_eq!(started.recv().await, Some(pid + 1));
        waits.push(begin.elapsed());
        ready(pid + 1).await;
    }
    let between =
        |wait: Duration, ms: u128| (ms * 8 / 10..=ms * 12 / 10 + 5).contains(&wait.as_millis());
    assert!(
        between(waits[0], 200) && between(waits[1], 400) && between(waits[2], 800),
        "{waits:?}"
    );

    // A sound life, during which the wall clock was set back: no wait.
    tokio::time::advance(Duration::from_secs(11)).await;
    wall.jump(-48);
    let begin = Instant::now();
    end.send(4).await.unwrap();
    assert_eq!(started.recv().await, Some(5));
    assert!(begin.elapsed() < Duration::from_millis(100));
    ready(5).await;
    // What is shown is the wall clock's time.
    let ServiceState::Ready { since_ms, .. } = keeper.status()[0].state else {
        panic!("it is ready");
    };
    assert!(since_ms.abs_diff(clock.unix_ms()) < 60_000);
    stop.cancel();
    drop(end);
    drop(keeper);
    tasks.close();
    tasks.wait().await;
}
