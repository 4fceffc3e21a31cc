//! Wishes, runs and leases, while the wall clock jumps too.

use super::*;
use crate::clock::Jumping;

fn evolve() -> (tempfile::TempDir, Evolve) {
    with(Clock::system())
}

fn with(clock: Clock) -> (tempfile::TempDir, Evolve) {
    let folder = tempfile::tempdir().unwrap();
    let evolve = Evolve::new(folder.path().join("evolve"), ExecutorKind::Host, clock);
    (folder, evolve)
}

fn claim(executor: &str, run_id: Option<&str>) -> EvolveClaim {
    EvolveClaim {
        executor: executor.into(),
        run_id: run_id.map(str::to_owned),
        lease_s: 30,
    }
}

#[test]
fn a_machine_with_the_engines_socket_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let evolve = Evolve::new(folder.path().into(), ExecutorKind::Socket, Clock::system());
    let status = evolve.status().unwrap();
    assert_eq!(status.executor, ExecutorKind::Socket);
    assert!(status.executor_present);
    let (_, message) = evolve.wish(EvolveWish::default()).unwrap();
    assert!(message.contains("socket"), "{message}");
}

#[test]
fn a_run_that_nobody_wished_for_is_told_by_the_machines_own_executor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let own = Evolve::new(folder.path().into(), ExecutorKind::Socket, Clock::system());
    let (_folder, hosts) = evolve();
    let (mut run, _) = hosts.wish(EvolveWish::default()).unwrap();
    run.state = RunState::Running;
    let tell = |evolve: &Evolve, id: &str| {
        let mut run = run.clone();
        run.run_id = id.into();
        let log = vec!["one".to_owned()];
        evolve.report(id, &EvolveReport { run, log })
    };
    for id in ["../x", "rollback-1", ""] {
        assert!(matches!(tell(&own, id), Err(EvolveError::Unknown(_))));
    }
    let refused = tell(&hosts, "rollback1");
    assert!(matches!(refused, Err(EvolveError::Unknown(_))));
    tell(&own, "rollback1").unwrap();
    assert_eq!(own.runs().unwrap()[0].run_id, "rollback1");
    assert_eq!(own.log("rollback1", 0).unwrap().lines, ["one"]);
}

#[test]
fn one_wish_at_a_time_and_it_waits_for_an_executor() {
    let (_folder, evolve) = evolve();
    let (run, message) = evolve.wish(EvolveWish::default()).unwrap();
    assert!(message.contains("waits"), "{message}");
    assert!(matches!(
        evolve.wish(EvolveWish::default()),
        Err(EvolveError::Busy(id)) if id == run.run_id
    ));
    evolve.claim(&claim("a", None)).unwrap();
    assert!(evolve.status().unwrap().executor_present);
    evolve.claim(&claim("a", Some(&run.run_id))).unwrap();
    evolve.claim(&claim("a", Some(&run.run_id))).unwrap();
    assert!(matches!(
        evolve.claim(&claim("b", Some(&run.run_id))),
        Err(EvolveError::Taken)
    ));
}

#[test]
fn of_wishes_at_the_same_time_one_is_taken_down() {
    let (_folder, evolve) = evolve();
    let together = std::sync::Barrier::new(4);
    let taken = std::thread::scope(|scope| {
        let wish = || {
            together.wait();
            evolve.wish(EvolveWish::default()).is_ok()
        };
        let wishes = [(); 4].map(|()| scope.spawn(wish));
        wishes.map(|wish| wish.join().unwrap())
    });
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(evolve.runs().unwrap().len(), 1);
}

#[test]
fn a_run_is_over_when_its_executor_says_so() {
    let (_folder, evolve) = evolve();
    let (mut run, _) = evolve.wish(EvolveWish::default()).unwrap();
    let id = run.run_id.clone();
    run.state = RunState::Good;
    let log = vec!["one".to_owned(), "two".to_owned()];
    let report = EvolveReport { run, log };
    evolve.report(&id, &report).unwrap();
    assert!(!evolve.status().unwrap().in_progress);
    assert_eq!(evolve.log(&id, 0).unwrap().lines, ["one", "two"]);
    assert_eq!(evolve.log(&id, 4).unwrap().lines, ["two"]);
    assert_eq!(evolve.log(&id, u64::MAX).unwrap().next, 8);
    evolve.wish(EvolveWish::default()).unwrap();
    assert!(matches!(
        evolve.log("../../x", 0),
        Err(EvolveError::Unknown(_))
    ));
}

#[test]
fn a_wish_is_taken_back_as_long_as_nobody_has_taken_it() {
    let (_folder, evolve) = evolve();
    assert!(matches!(evolve.cancel(), Err(EvolveError::NothingWaits)));
    let (mut run, _) = evolve.wish(EvolveWish::default()).unwrap();
    assert_eq!(evolve.cancel().unwrap(), run.run_id);
    let latest = evolve.status().unwrap().latest_run.unwrap();
    assert_eq!(latest.state, RunState::Cancelled);
    assert!(latest.ended_at.is_some());
    // An executor that comes too late neither gets it nor opens it again.
    let late = evolve.claim(&claim("a", Some(&run.run_id)));
    assert!(matches!(late, Err(EvolveError::Over(_))));
    run.state = RunState::AwaitsYes;
    let id = run.run_id.clone();
    let report = EvolveReport {
        run,
        log: Vec::new(),
    };
    assert!(matches!(
        evolve.report(&id, &report),
        Err(EvolveError::Over(_))
    ));
    let (run, _) = evolve.wish(EvolveWish::default()).unwrap();
    evolve.claim(&claim("a", Some(&run.run_id))).unwrap();
    assert!(matches!(evolve.cancel(), Err(EvolveError::GoesOn(id)) if id == run.run_id));
}

#[test]
fn a_closed_queue_opens_by_itself() {
    let (_folder, evolve) = evolve();
    evolve.close_queue(true, 60);
    assert!(evolve.is_closed());
    evolve.close_queue(false, 0);
    assert!(!evolve.is_closed());
    evolve.close_queue(true, 0);
    assert!(!evolve.is_closed());
}

#[tokio::test(start_paused = true)]
async fn leases_and_a_closed_queue_do_not_see_the_wall_clock() {
    let wall = Jumping::default();
    let (_folder, evolve) = with(wall.clock());
    evolve.claim(&claim("a", None)).unwrap();
    evolve.close_queue(true, 60);
    for hours in [5, -5] {
        wall.jump(hours);
        assert!(evolve.executor_present() && evolve.is_closed());
    }
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(!evolve.executor_present() && evolve.is_closed());
    wall.jump(-24);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(!evolve.is_closed());
}

#[test]
fn the_newest_run_stays_the_newest_and_is_kept_while_the_clock_jumps() {
    let wall = Jumping::default();
    let (_folder, evolve) = with(wall.clock());
    let mut ids = Vec::new();
    for round in 0..KEPT + 9 {
        wall.jump([0, 5, -5, -24][round % 4]);
        let (mut run, _) = evolve.wish(EvolveWish::default()).unwrap();
        let status = evolve.status().unwrap();
        assert!(status.in_progress);
        assert_eq!(status.latest_run.unwrap().run_id, run.run_id);
        ids.push(run.run_id.clone());
        run.state = RunState::Good;
        let log = Vec::new();
        let id = run.run_id.clone();
        evolve.report(&id, &EvolveReport { run, log }).unwrap();
    }
    let kept: Vec<_> = evolve.runs().unwrap();
    let kept: Vec<_> = kept.into_iter().map(|run| run.run_id).rev().collect();
    assert_eq!(kept, ids[9..]);
}

#[test]
fn nobody_else_reads_the_history_and_an_older_one_is_mended() {
    let (folder, evolve) = evolve();
    let (run, _) = evolve.wish(EvolveWish::default()).unwrap();
    let report = EvolveReport {
        run: run.clone(),
        log: vec!["KEY=x".into()],
    };
    evolve.report(&run.run_id, &report).unwrap();
    let history = folder.path().join("evolve");
    let runs = history.join("runs");
    let (json, log) = (
        runs.join(format!("{}.json", run.run_id)),
        runs.join(format!("{}.log", run.run_id)),
    );
    let modes = || {
        [&history, &runs, &json, &log].map(|path| {
            let found = fs::metadata(path).unwrap();
            found.permissions().mode() & 0o777
        })
    };
    assert_eq!(modes(), [0o700, 0o700, 0o600, 0o600]);
    for path in [&history, &runs, &json, &log] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Evolve::new(history.clone(), ExecutorKind::Host, Clock::system());
    assert_eq!(modes(), [0o700, 0o700, 0o600, 0o600]);
}
