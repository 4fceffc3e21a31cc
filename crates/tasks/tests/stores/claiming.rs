//! Who takes what.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tasks::{Claim, Ending, Store};
use wire::task::{RateLimit, TaskKind, TaskState};

use crate::world::{World, add, claim, end, get};

pub async fn what_is_more_important_is_taken_first_and_then_the_oldest(world: World) {
    let store = world.open();
    let mut added = Vec::new();
    for (priority, queue) in [(0, "a"), (5, "b"), (0, "b"), (5, "a"), (-1, "a")] {
        added.push(add(&store, json!({"priority": priority, "queue": queue})).await);
    }
    let mut taken = Vec::new();
    for count in [2, 1, 10] {
        taken.extend(claim(&store, "w", count).await);
    }
    let taken: Vec<_> = taken.into_iter().map(|task| task.lease.id).collect();
    let expected = [1, 3, 0, 2, 4].map(|place: usize| added[place].clone());
    assert_eq!(taken, expected);
}

pub async fn a_task_is_taken_by_one_of_many(world: World) {
    let stores = [world.open(), world.open()];
    for _ in 0..200 {
        add(&stores[0], json!({})).await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..20 {
        let store = stores[worker % 2].clone();
        workers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let tasks = claim(&store, &format!("w{worker}"), 3).await;
                if tasks.is_empty() {
                    return taken;
                }
                taken.extend(tasks.into_iter().map(|task| task.lease.id));
            }
        });
    }
    let mut taken: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 200);
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 200);
}

pub async fn a_paused_queue_gives_nothing_until_it_is_resumed(world: World) {
    let store = world.open();
    add(&store, json!({"queue": "a"})).await;
    add(&store, json!({"queue": "b"})).await;
    store.set_paused("a".into(), true).await.unwrap();
    assert!(store.set_paused("nowhere".into(), true).await.is_err());
    let queues: Vec<_> = claim(&store, "w", 9)
        .await
        .into_iter()
        .map(|task| task.queue)
        .collect();
    assert_eq!(queues, ["b"]);
    // Also when it is opened again.
    drop(store);
    let store = world.open();
    assert!(claim(&store, "w", 9).await.is_empty());
    store.set_paused("a".into(), false).await.unwrap();
    assert_eq!(claim(&store, "w", 9).await.len(), 1);
}

pub async fn queues_and_kinds_that_are_not_wanted_are_left(world: World) {
    let store = world.open();
    for queue in ["a", "b"] {
        for kind in ["exec", "code"] {
            add(&store, json!({"queue": queue, "kind": kind})).await;
        }
    }
    let wanted = Claim {
        worker: "w".into(),
        queues: vec!["b".into()],
        kinds: vec![TaskKind::Code],
        count: 9,
    };
    let taken = store.claim(wanted).await.unwrap().tasks;
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].queue.as_str(), taken[0].kind),
        ("b", TaskKind::Code)
    );
}

pub async fn a_rate_limit_holds_over_all_workers(mut world: World) {
    let limit = RateLimit {
        count: 3,
        per_s: 60.0,
    };
    world.policy.rate_limits.insert(TaskKind::Exec, limit);
    let stores: [Arc<dyn Store>; 2] = [world.open(), world.open()];
    for _ in 0..10 {
        add(&stores[0], json!({})).await;
    }
    add(&stores[0], json!({"kind": "code"})).await;
    // What isn't limited runs all the same.
    let first = claim(&stores[0], "a", 2).await;
    let second = claim(&stores[1], "b", 9).await;
    let is_exec = |task: &&tasks::ClaimedTask| task.kind == TaskKind::Exec;
    assert_eq!((first.len(), second.len()), (2, 2));
    assert_eq!(first.iter().chain(&second).filter(is_exec).count(), 3);
    let wanted = Claim {
        worker: "a".into(),
        queues: Vec::new(),
        kinds: vec![TaskKind::Exec],
        count: 9,
    };
    let none = stores[0].claim(wanted).await.unwrap();
    assert!(none.tasks.is_empty());
    assert_eq!(none.again_in, Some(Duration::from_secs(20)));
    world.clock.pass(Duration::from_secs(20));
    assert_eq!(claim(&stores[1], "b", 9).await.len(), 1);
}

pub async fn what_expired_is_not_started(world: World) {
    let store = world.open();
    let in_a_minute = store.now_ms() / 1000 + 60;
    let id = add(&store, json!({"expires_at": in_a_minute})).await;
    let started = add(&store, json!({"expires_at": in_a_minute, "priority": 1})).await;
    let taken = claim(&store, "w", 1).await;
    assert_eq!(taken[0].lease.id, started);
    world.clock.pass(Duration::from_secs(61));
    assert!(claim(&store, "w", 9).await.is_empty());
    let view = get(&store, &id).await;
    assert_eq!(view.state, TaskState::Expired);
    assert!(view.error.unwrap().contains("expired"));
    // What runs when it comes is not ended by it.
    let ended = end(&store, &taken[0], Ending::done(json!(1))).await;
    assert_eq!(ended.unwrap(), TaskState::Done);
}
