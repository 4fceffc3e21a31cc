//! How attempts end.

use std::time::Duration;

use serde_json::json;
use tasks::{Ending, Report, ReportLine, TaskError};
use wire::task::{AttemptOutcome, LogStream, TaskProgress, TaskState};

use crate::world::{World, add, claim, end, get, sweep};

pub async fn a_result_is_kept_once(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let ended = end(&store, &taken, Ending::done(json!({"exit_code": 0}))).await;
    assert_eq!(ended.unwrap(), TaskState::Done);
    // Said again, as by a worker that did not hear the answer.
    let again = end(&store, &taken, Ending::done(json!("other"))).await;
    assert!(
        matches!(again, Err(TaskError::LeaseEnded { .. })),
        "{again:?}"
    );
    drop(store);
    let view = get(&world.open(), &id).await;
    assert_eq!(view.result, Some(json!({"exit_code": 0})));
    let attempts = view.attempts.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].outcome, Some(AttemptOutcome::Done));
    assert_eq!(attempts[0].worker, "w");
}

pub async fn a_result_after_its_lease_is_not_taken(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    let late = claim(&store, "late", 1).await.remove(0);
    world
        .clock
        .pass(world.policy.lease + Duration::from_millis(1));
    sweep(&store).await;
    world.clock.pass(Duration::from_secs(10));
    sweep(&store).await;
    let current = claim(&store, "current", 1).await.remove(0);
    assert_eq!(current.lease.attempt, 2);
    let refused = end(&store, &late, Ending::done(json!("late"))).await;
    assert!(
        matches!(refused, Err(TaskError::LeaseEnded { .. })),
        "{refused:?}"
    );
    let line = ReportLine {
        stream: LogStream::Stdout,
        text: "late".into(),
    };
    let report = Report {
        lines: vec![line],
        progress: None,
    };
    assert!(store.report(late.lease.clone(), report).await.is_err());
    // Nor with the number of the attempt that runs.
    let mut forged = late.clone();
    forged.lease.attempt = 2;
    assert!(
        end(&store, &forged, Ending::done(json!("forged")))
            .await
            .is_err()
    );
    end(&store, &current, Ending::done(json!("current")))
        .await
        .unwrap();
    let view = get(&store, &id).await;
    assert_eq!(view.result, Some(json!("current")));
    let outcomes: Vec<_> = view
        .attempts
        .unwrap()
        .into_iter()
        .map(|one| one.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Some(AttemptOutcome::Lost), Some(AttemptOutcome::Done)]
    );
    assert!(store.log(None, id, 0, 10).await.unwrap().lines.is_empty());
}

pub async fn what_fails_waits_longer_each_time_and_ends_with_its_last_error(world: World) {
    let mut store = world.open();
    let id = add(&store, json!({"max_attempts": 4})).await;
    let mut waits = Vec::new();
    for attempt in 1..=4 {
        let taken = claim(&store, "w", 1).await.remove(0);
        assert_eq!(taken.lease.attempt, attempt);
        let ending = Ending::failed(format!("no {attempt}"));
        let state = end(&store, &taken, ending).await.unwrap();
        if attempt == 4 {
            assert_eq!(state, TaskState::Failed);
            break;
        }
        assert_eq!(state, TaskState::Retrying);
        // The wait is stored: it holds on for whoever opens the store next.
        drop(store);
        store = world.open();
        let view = get(&store, &id).await;
        let wait = view.due_at_ms - u64::try_from(store.now_ms()).unwrap();
        waits.push(wait);
        world.clock.pass(Duration::from_millis(wait - 1));
        sweep(&store).await;
        assert!(claim(&store, "w", 1).await.is_empty());
        world.clock.pass(Duration::from_millis(1));
        sweep(&store).await;
    }
    for (wait, least) in waits.iter().zip([2000, 4000, 8000]) {
        assert!((least..=least * 5 / 4).contains(wait), "{waits:?}");
    }
    let view = get(&store, &id).await;
    assert_eq!(view.error.as_deref(), Some("no 4"));
    assert_eq!(view.attempts.unwrap().len(), 4);
}

pub async fn what_loses_its_worker_each_time_ends_failed_with_the_reason(world: World) {
    let store = world.open();
    let id = add(&store, json!({"max_attempts": 2})).await;
    for attempt in 1..=2 {
        let taken = claim(&store, &format!("worker-{attempt}"), 1).await;
        assert_eq!(taken.len(), 1);
        world.clock.pass(world.policy.lease * 2);
        sweep(&store).await;
        world.clock.pass(Duration::from_secs(60));
        sweep(&store).await;
    }
    let view = get(&store, &id).await;
    assert_eq!(view.state, TaskState::Failed);
    let error = view.error.unwrap();
    assert!(
        error.contains("worker-2") && error.contains("2 of 2"),
        "{error}"
    );
    assert!(claim(&store, "w", 1).await.is_empty());
}

pub async fn what_fails_for_good_is_not_tried_again(world: World) {
    let store = world.open();
    add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let ended = end(&store, &taken, Ending::failed_for_good("invalid")).await;
    assert_eq!(ended.unwrap(), TaskState::Failed);
}

pub async fn what_a_worker_returns_does_not_count(world: World) {
    let store = world.open();
    let id = add(&store, json!({"max_attempts": 1})).await;
    for _ in 0..3 {
        let taken = claim(&store, "w", 1).await.remove(0);
        let ending = Ending::other(AttemptOutcome::Returned, "stopped");
        let state = end(&store, &taken, ending).await.unwrap();
        assert_eq!(state, TaskState::Queued);
    }
    let taken = claim(&store, "w", 1).await.remove(0);
    assert_eq!(taken.lease.attempt, 4);
    let state = end(&store, &taken, Ending::failed("no")).await.unwrap();
    assert_eq!(state, TaskState::Failed);
    assert_eq!(get(&store, &id).await.attempts.unwrap().len(), 4);
}

pub async fn a_log_keeps_its_end_and_says_what_is_missing(mut world: World) {
    world.policy.log_bytes = 10_000;
    let store = world.open();
    let id = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    for number in 0..100 {
        let text = format!("{number:03}{}\n", "ä".repeat(498));
        let line = ReportLine {
            stream: LogStream::Stderr,
            text,
        };
        let report = Report {
            lines: vec![line],
            progress: None,
        };
        store.report(taken.lease.clone(), report).await.unwrap();
    }
    let log = store.log(None, id.clone(), 0, 4).await.unwrap();
    assert!(log.more && log.state == TaskState::Running);
    assert_eq!(log.lines.len(), 4);
    let rest = store
        .log(None, id.clone(), log.lines[3].number, 1000)
        .await
        .unwrap();
    assert_eq!(log.lines[0].number, 91, "what was dropped has its numbers");
    let last = rest.lines.last().unwrap();
    assert!(
        last.number == 100 && last.text.starts_with("099"),
        "{}",
        last.number
    );
    // One piece that is much too large is cut where a letter ends, and its end is kept.
    let text = format!("a{}", "ä".repeat(20_000));
    let line = ReportLine {
        stream: LogStream::Stdout,
        text,
    };
    let report = Report {
        lines: vec![line],
        progress: None,
    };
    let ending = Ending::done(json!(null));
    store.end(taken.lease, report, ending).await.unwrap();
    let log = store.log(None, id, 0, 1000).await.unwrap();
    let bytes: usize = log.lines.iter().map(|line| line.text.len()).sum();
    assert!(bytes <= 10_000 && log.state == TaskState::Done, "{bytes}");
}

pub async fn a_result_that_is_too_large_is_left_out_and_that_is_said(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let large = json!("x".repeat(world.policy.result_bytes));
    end(&store, &taken, Ending::done(large)).await.unwrap();
    let result = get(&store, &id).await.result.unwrap();
    assert_eq!(result["truncated"], true);
}

pub async fn progress_is_shown_while_it_runs(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let progress = TaskProgress {
        done: 3.0,
        total: Some(4.0),
        text: Some("x".repeat(9000)),
    };
    let report = Report {
        lines: Vec::new(),
        progress: Some(progress),
    };
    store.report(taken.lease, report).await.unwrap();
    let shown = get(&store, &id).await.progress.unwrap();
    assert_eq!((shown.done, shown.total), (3.0, Some(4.0)));
    assert_eq!(shown.text.unwrap().len(), 4000);
}
