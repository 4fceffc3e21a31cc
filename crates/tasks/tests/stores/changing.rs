//! What people do to tasks, queues, workers and schedules.

use std::time::Duration;

use serde_json::json;
use tasks::{Ending, Firing, LeaseState, ScheduleRecord, TaskError, WorkerBeat};
use wire::task::{TaskFilter, TaskKind, TaskState, WorkerChange};

use crate::world::{World, add, all, checked, claim, end, get, sweep, task};

fn beat(leases: Vec<tasks::Lease>) -> WorkerBeat {
    WorkerBeat {
        worker: "w".into(),
        host: "here".into(),
        pid: 7,
        concurrency: 2,
        draining: false,
        queues: vec!["a".into()],
        kinds: vec![TaskKind::Exec],
        leases,
    }
}

pub async fn what_waits_is_cancelled_at_once_and_what_runs_by_its_worker(world: World) {
    let store = world.open();
    let runs = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let waits = add(&store, json!({"run_at": store.now_ms() / 1000 + 60})).await;
    assert_eq!(
        store.cancel(None, waits.clone()).await.unwrap(),
        TaskState::Cancelled
    );
    assert_eq!(
        store.cancel(None, waits).await.unwrap(),
        TaskState::Cancelled
    );
    assert_eq!(
        store.cancel(None, runs.clone()).await.unwrap(),
        TaskState::Running
    );
    // Another process hears it.
    let other = world.open();
    assert_eq!(
        other.calls("w".into()).await.unwrap().cancelling,
        std::slice::from_ref(&runs)
    );
    let orders = other.beat(beat(vec![taken.lease.clone()])).await.unwrap();
    assert_eq!(orders.leases, [LeaseState::Cancelling]);
    assert!(get(&store, &runs).await.cancelling);
    let ending = Ending::other(wire::task::AttemptOutcome::Cancelled, "cancelled");
    assert_eq!(
        end(&store, &taken, ending).await.unwrap(),
        TaskState::Cancelled
    );
    let done = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    end(&store, &taken, Ending::done(json!(1))).await.unwrap();
    let refused = store.cancel(None, done).await;
    assert!(
        matches!(refused, Err(TaskError::Ended { .. })),
        "{refused:?}"
    );
}

pub async fn what_is_to_be_cancelled_and_loses_its_worker_is_cancelled(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    claim(&store, "w", 1).await;
    store.cancel(None, id.clone()).await.unwrap();
    world.clock.pass(world.policy.lease * 2);
    sweep(&store).await;
    assert_eq!(get(&store, &id).await.state, TaskState::Cancelled);
}

pub async fn what_failed_gets_as_many_attempts_again(world: World) {
    let store = world.open();
    let id = add(&store, json!({"max_attempts": 1})).await;
    let refused = store.retry(None, id.clone()).await;
    assert!(
        matches!(refused, Err(TaskError::NotFailed { .. })),
        "{refused:?}"
    );
    for attempt in 1..=3 {
        let taken = claim(&store, "w", 1).await.remove(0);
        assert_eq!(taken.lease.attempt, attempt);
        let state = end(&store, &taken, Ending::failed("no")).await.unwrap();
        assert_eq!(state, TaskState::Failed);
        assert_eq!(
            store.retry(None, id.clone()).await.unwrap(),
            TaskState::Queued
        );
        assert_eq!(get(&store, &id).await.error, None);
    }
}

pub async fn all_that_match_are_cancelled_and_retried(world: World) {
    let store = world.open();
    for number in 0..1200 {
        let queue = if number % 3 == 0 { "a" } else { "b" };
        add(
            &store,
            json!({"queue": queue, "payload": {"command": format!("n{number}")}}),
        )
        .await;
    }
    let of_a = TaskFilter {
        queue: Some("a".into()),
        ..TaskFilter::default()
    };
    assert_eq!(store.cancel_all(None, of_a.clone()).await.unwrap(), 400);
    assert_eq!(store.cancel_all(None, of_a.clone()).await.unwrap(), 0);
    let cancelled = TaskFilter {
        state: Some(TaskState::Cancelled),
        ..TaskFilter::default()
    };
    assert_eq!(all(&store, &cancelled).await.len(), 400);
    let text = TaskFilter {
        text: Some("n999".into()),
        ..cancelled.clone()
    };
    assert_eq!(store.retry_all(None, text).await.unwrap(), 1);
    assert_eq!(store.retry_all(None, cancelled.clone()).await.unwrap(), 399);
    assert!(all(&store, &cancelled).await.is_empty());
}

pub async fn a_purged_queue_is_empty_and_its_tasks_say_so(world: World) {
    let store = world.open();
    let mut waiting = Vec::new();
    for _ in 0..700 {
        waiting.push(add(&store, json!({"queue": "a"})).await);
    }
    add(&store, json!({"queue": "b"})).await;
    let runs = claim(&store, "w", 1).await.remove(0);
    assert_eq!(store.purge("a".into()).await.unwrap(), 699);
    assert!(store.purge("nowhere".into()).await.is_err());
    let view = get(&store, &waiting[5]).await;
    assert_eq!(view.state, TaskState::Cancelled);
    assert_eq!(view.error.as_deref(), Some("its queue was purged"));
    end(&store, &runs, Ending::done(json!(1))).await.unwrap();
    assert_eq!(claim(&store, "w", 9).await.len(), 1);
}

pub async fn nobody_changes_what_is_somebody_elses(world: World) {
    let store = world.open();
    let own = checked(json!({}), Some("a")).unwrap();
    let id = store.add(own).await.unwrap().id;
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    let is_hidden = |error| matches!(error, TaskError::NotFound(_));
    assert!(is_hidden(
        store.get(b.clone(), id.clone()).await.unwrap_err()
    ));
    assert!(is_hidden(
        store.log(b.clone(), id.clone(), 0, 1).await.unwrap_err()
    ));
    assert!(is_hidden(
        store.cancel(b.clone(), id.clone()).await.unwrap_err()
    ));
    assert!(is_hidden(
        store.retry(b.clone(), id.clone()).await.unwrap_err()
    ));
    let every = TaskFilter::default;
    assert_eq!(store.cancel_all(b.clone(), every()).await.unwrap(), 0);
    assert!(
        store
            .list(b, every(), None, 9)
            .await
            .unwrap()
            .tasks
            .is_empty()
    );
    assert_eq!(
        store
            .list(a.clone(), every(), None, 9)
            .await
            .unwrap()
            .tasks
            .len(),
        1
    );
    assert_eq!(store.cancel_all(a, every()).await.unwrap(), 1);
}

pub async fn a_worker_hears_what_is_wanted_of_it(world: World) {
    let store = world.open();
    let change = WorkerChange {
        concurrency: Some(9),
        draining: Some(true),
    };
    let unknown = store.change_worker("w".into(), change).await;
    assert!(
        matches!(unknown, Err(TaskError::WorkerNotFound(_))),
        "{unknown:?}"
    );
    add(&store, json!({"queue": "a"})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    let orders = store.beat(beat(vec![taken.lease.clone()])).await.unwrap();
    assert_eq!((orders.concurrency, orders.draining), (None, None));
    assert_eq!(orders.leases, [LeaseState::Held]);
    store.change_worker("w".into(), change).await.unwrap();
    let calls = world.open().calls("w".into()).await.unwrap();
    assert_eq!((calls.concurrency, calls.draining), (Some(9), Some(true)));
    let workers = store.workers().await.unwrap();
    assert_eq!(
        (workers[0].worker.as_str(), workers[0].pid, workers[0].alive),
        ("w", 7, true)
    );
    assert_eq!(workers[0].tasks, std::slice::from_ref(&taken.lease.id));
    // It isn't heard of again.
    world.clock.pass(world.policy.lease * 3);
    assert!(!store.workers().await.unwrap()[0].alive);
    sweep(&store).await;
    let orders = store.beat(beat(vec![taken.lease])).await.unwrap();
    assert_eq!(orders.leases, [LeaseState::Ended]);
    store.leave("w".into()).await.unwrap();
    assert!(store.workers().await.unwrap().is_empty());
}

pub async fn a_schedule_makes_its_task_once_for_two_who_try(world: World) {
    let stores = [world.open(), world.open()];
    let request = json!({"cron": "* * * * *", "task": {"kind": "exec"}});
    let record = ScheduleRecord {
        id: tasks::new_id(),
        owner: Some("a".into()),
        request: serde_json::from_value(request).unwrap(),
        next_ms: Some(60_000),
        last_ms: None,
        last_task: None,
        error: None,
    };
    stores[0].put_schedule(record.clone()).await.unwrap();
    assert_eq!(
        stores[1].schedules(None).await.unwrap(),
        std::slice::from_ref(&record)
    );
    assert!(
        stores[1]
            .schedules(Some("b".into()))
            .await
            .unwrap()
            .is_empty()
    );
    let firing = Firing {
        id: record.id.clone(),
        came_ms: Some(60_000),
        next_ms: Some(120_000),
        tasks: vec![task(json!({}))],
        error: None,
    };
    let (one, other) = tokio::join!(stores[0].fire(firing.clone()), stores[1].fire(firing));
    let made = [one.unwrap(), other.unwrap()];
    assert_eq!(made.iter().flatten().count(), 1);
    assert_eq!(all(&stores[0], &TaskFilter::default()).await.len(), 1);
    let kept = stores[1].schedules(None).await.unwrap().remove(0);
    assert_eq!(kept.next_ms, Some(120_000));
    assert!(kept.last_task.is_some());
    let stranger = Some("b".to_owned());
    assert!(
        stores[0]
            .remove_schedule(stranger, record.id.clone())
            .await
            .is_err()
    );
    stores[0].remove_schedule(None, record.id).await.unwrap();
    world.clock.pass(Duration::from_secs(1));
    assert!(stores[0].schedules(None).await.unwrap().is_empty());
}
