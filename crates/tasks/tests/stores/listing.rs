//! What is shown.

use std::time::Duration;

use serde_json::json;
use tasks::Ending;
use wire::task::{TaskFilter, TaskKind, TaskState};

use crate::world::{World, add, all, claim, end};

pub async fn pages_have_each_task_once_while_more_come(world: World) {
    let store = world.open();
    let mut added = Vec::new();
    for _ in 0..25 {
        added.push(add(&store, json!({})).await);
    }
    added.reverse();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .list(None, TaskFilter::default(), after, 10)
            .await
            .unwrap();
        assert!(page.tasks.len() <= 10);
        seen.extend(page.tasks.into_iter().map(|task| task.task_id));
        add(&store, json!({})).await;
        match page.next {
            None => break,
            next => after = next,
        }
    }
    assert_eq!(seen, added);
    for after in ["x", "0", "-1", "1 OR 1"] {
        let refused = store
            .list(None, TaskFilter::default(), Some(after.into()), 10)
            .await;
        assert!(refused.is_err(), "{after}");
    }
}

pub async fn filters_leave_out_what_does_not_match(world: World) {
    let store = world.open();
    for number in 0..40 {
        let kind = if number % 2 == 0 { "exec" } else { "code" };
        let queue = if number % 4 < 2 { "a" } else { "b" };
        let payload = json!({"command": format!("say 'n{number}' 100%_")});
        add(
            &store,
            json!({"kind": kind, "queue": queue, "payload": payload}),
        )
        .await;
    }
    let failing = claim(&store, "w", 1).await.remove(0);
    end(&store, &failing, Ending::failed_for_good("out of cheese"))
        .await
        .unwrap();
    let count = async |filter: TaskFilter| all(&store, &filter).await.len();
    let every = TaskFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(every()).await, 40);
    assert_eq!(
        count(TaskFilter {
            kind: Some(TaskKind::Code),
            ..every()
        })
        .await,
        20
    );
    assert_eq!(
        count(TaskFilter {
            queue: text("b"),
            ..every()
        })
        .await,
        20
    );
    let both = TaskFilter {
        kind: Some(TaskKind::Code),
        queue: text("b"),
        ..every()
    };
    assert_eq!(count(both).await, 10);
    assert_eq!(
        count(TaskFilter {
            state: Some(TaskState::Failed),
            ..every()
        })
        .await,
        1
    );
    assert_eq!(
        count(TaskFilter {
            text: text("'n3' 100%_"),
            ..every()
        })
        .await,
        1
    );
    assert_eq!(
        count(TaskFilter {
            text: text("100%"),
            ..every()
        })
        .await,
        40
    );
    assert_eq!(
        count(TaskFilter {
            text: text("cheese"),
            ..every()
        })
        .await,
        1
    );
    let id = failing.lease.id.to_string();
    assert_eq!(
        count(TaskFilter {
            text: Some(id),
            ..every()
        })
        .await,
        1
    );
    assert_eq!(
        count(TaskFilter {
            text: text("nothing"),
            ..every()
        })
        .await,
        0
    );
}

pub async fn queues_say_what_is_in_them(world: World) {
    let store = world.open();
    for _ in 0..5 {
        add(&store, json!({"queue": "a"})).await;
    }
    add(
        &store,
        json!({"queue": "a", "run_at": store.now_ms() / 1000 + 600}),
    )
    .await;
    world.clock.pass(Duration::from_secs(30));
    let taken = claim(&store, "w", 3).await;
    world.clock.pass(Duration::from_secs(4));
    end(&store, &taken[0], Ending::done(json!(1)))
        .await
        .unwrap();
    end(&store, &taken[1], Ending::failed("no")).await.unwrap();
    let queues = store.queues().await.unwrap();
    assert_eq!(queues.len(), 1);
    let queue = &queues[0];
    let counts = [
        queue.queued,
        queue.scheduled,
        queue.running,
        queue.retrying,
        queue.done,
    ];
    assert_eq!(counts, [2, 1, 1, 1, 1]);
    assert_eq!(queue.oldest_s, Some(34.0));
    assert_eq!((queue.ended_last_hour, queue.failed_last_hour), (2, 1));
    assert_eq!(
        (queue.mean_run_s, queue.longest_run_s),
        (Some(4.0), Some(4.0))
    );
    world.clock.pass(Duration::from_secs(60));
    assert_eq!(store.queues().await.unwrap()[0].ended_per_minute, 2);
    world.clock.pass(Duration::from_secs(3700));
    assert_eq!(store.queues().await.unwrap()[0].ended_last_hour, 0);
}
