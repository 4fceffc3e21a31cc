//! What time brings.

use std::time::{Duration, Instant};

use serde_json::json;
use tasks::{Ending, LeaseState, TaskError, WorkerBeat};
use wire::task::TaskState;

use crate::world::{World, add, claim, end, get, sweep, task};

const DAY_MS: i64 = 24 * 3600 * 1000;

pub async fn nine_thousand_tasks_due_at_one_moment_are_all_taken_once(world: World) {
    let store = world.open();
    let at = store.now_ms() / 1000 + 60;
    let mut adding = tokio::task::JoinSet::new();
    for _ in 0..9000 {
        let store = store.clone();
        adding.spawn(async move {
            store.add(task(json!({"run_at": at}))).await.unwrap();
        });
    }
    adding.join_all().await;
    sweep(&store).await;
    assert!(claim(&store, "w", 1).await.is_empty());
    world.clock.pass(Duration::from_secs(60));
    let mut longest = Duration::ZERO;
    let mut taken = std::collections::HashSet::new();
    loop {
        let begun = Instant::now();
        let swept = store.sweep().await.unwrap();
        let tasks = claim(&store, "w", 200).await;
        longest = longest.max(begun.elapsed());
        if tasks.is_empty() && !swept.more {
            break;
        }
        for task in tasks {
            assert!(taken.insert(task.lease.id.clone()));
        }
    }
    assert_eq!(taken.len(), 9000);
    // Each step is a bounded part, so nobody else waits for all of them.
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

pub async fn a_clock_that_jumps_by_a_day_loses_no_lease_and_shortens_no_wait(world: World) {
    let store = world.open();
    let runs = add(&store, json!({})).await;
    let running = claim(&store, "w", 1).await.remove(0);
    let fails = add(&store, json!({})).await;
    let failing = claim(&store, "w", 1).await.remove(0);
    end(&store, &failing, Ending::failed("no")).await.unwrap();
    let tomorrow = store.now_ms() / 1000 + 23 * 3600;
    let named = add(&store, json!({"run_at": tomorrow})).await;
    sweep(&store).await;
    for jump in [DAY_MS, -2 * DAY_MS] {
        world.clock.jump(jump);
        sweep(&store).await;
        let beat = WorkerBeat {
            worker: "w".into(),
            host: String::new(),
            pid: 1,
            concurrency: 1,
            draining: false,
            queues: Vec::new(),
            kinds: Vec::new(),
            leases: vec![running.lease.clone()],
        };
        let orders = store.beat(beat).await.unwrap();
        assert_eq!(orders.leases, [LeaseState::Held], "{jump}");
        assert!(store.workers().await.unwrap()[0].alive);
        let view = get(&store, &fails).await;
        assert_eq!(view.state, TaskState::Retrying, "{jump}");
        let left = i64::try_from(view.due_at_ms).unwrap() - store.now_ms();
        assert!((1..=2500).contains(&left), "{jump}: {left}");
    }
    // A time that a person named is that of the wall: it came with the first jump.
    assert_eq!(get(&store, &named).await.state, TaskState::Queued);
    world.clock.pass(Duration::from_millis(2500));
    sweep(&store).await;
    assert_eq!(get(&store, &fails).await.state, TaskState::Queued);
    assert_eq!(get(&store, &runs).await.state, TaskState::Running);
    end(&store, &running, Ending::done(json!(1))).await.unwrap();
}

pub async fn what_ended_long_ago_is_forgotten(mut world: World) {
    world.policy.keep_ended = Duration::from_secs(3600);
    world.policy.most_ended = 600;
    let store = world.open();
    let waits = add(&store, json!({"priority": -1})).await;
    for _ in 0..1400 {
        add(&store, json!({})).await;
    }
    let mut last = None;
    for _ in 0..7 {
        for taken in claim(&store, "w", 200).await {
            end(&store, &taken, Ending::done(json!(1))).await.unwrap();
            last = Some(taken.lease.id);
        }
    }
    sweep(&store).await;
    assert_eq!(store.queues().await.unwrap()[0].done, 600);
    assert_eq!(
        get(&store, &last.clone().unwrap()).await.state,
        TaskState::Done
    );
    world.clock.pass(Duration::from_secs(3601));
    sweep(&store).await;
    assert_eq!(store.queues().await.unwrap()[0].done, 0);
    let gone = store.get(None, last.unwrap()).await;
    assert!(matches!(gone, Err(TaskError::NotFound(_))), "{gone:?}");
    assert_eq!(get(&store, &waits).await.state, TaskState::Queued);
}

pub async fn an_ended_boot_ends_its_leases(world: World) {
    let store = world.open();
    let id = add(&store, json!({})).await;
    let taken = claim(&store, "w", 1).await.remove(0);
    world.clock.boot();
    sweep(&store).await;
    assert_eq!(get(&store, &id).await.state, TaskState::Retrying);
    assert!(end(&store, &taken, Ending::done(json!(1))).await.is_err());
}
