//! What is accepted stays.

use serde_json::json;
use tasks::TaskError;
use wire::task::{TaskFilter, TaskState};

use crate::world::{World, add, all, checked, get, task};

pub async fn what_was_accepted_is_there_when_the_store_is_opened_again(world: World) {
    let store = world.open();
    let payload = json!({"command": ["echo", "hällo"]});
    let id = add(
        &store,
        json!({"payload": payload, "queue": "a", "priority": 7}),
    )
    .await;
    drop(store);
    let view = get(&world.open(), &id).await;
    assert_eq!(view.state, TaskState::Queued);
    assert_eq!((view.queue.as_str(), view.priority), ("a", 7));
    assert_eq!(view.payload, Some(payload));
}

pub async fn fifty_clients_with_one_key_get_one_task(world: World) {
    // Half of them speak to one process, half to another.
    let stores = [world.open(), world.open()];
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..50 {
        let store = stores[client % 2].clone();
        clients.spawn(async move {
            let asked = json!({"idempotency_key": "k", "priority": client});
            store.add(task(asked)).await.unwrap()
        });
    }
    let accepted = clients.join_all().await;
    assert_eq!(accepted.iter().filter(|one| !one.is_known).count(), 1);
    assert!(accepted.iter().all(|one| one.id == accepted[0].id));
    assert_eq!(all(&stores[0], &TaskFilter::default()).await.len(), 1);
}

pub async fn a_key_is_its_owners_own(world: World) {
    let store = world.open();
    let mut ids = Vec::new();
    for owner in [None, Some("a"), Some("b"), Some("")] {
        let task = checked(json!({"idempotency_key": "k"}), owner).unwrap();
        ids.push(store.add(task).await.unwrap().id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

pub async fn what_cannot_be_a_task_is_refused(_: World) {
    let refused = |fields| match checked(fields, None).unwrap_err() {
        TaskError::Invalid { field, .. } => field,
        error => panic!("{error}"),
    };
    assert_eq!(refused(json!({"queue": "a b"})), "queue");
    assert_eq!(refused(json!({"queue": "../a".repeat(20)})), "queue");
    assert_eq!(refused(json!({"priority": 101})), "priority");
    assert_eq!(refused(json!({"max_attempts": 0})), "max_attempts");
    assert_eq!(refused(json!({"timeout_s": -1})), "timeout_s");
    assert_eq!(refused(json!({"timeout_s": 0})), "timeout_s");
    assert_eq!(refused(json!({"run_at": "soon"})), "run_at");
    assert_eq!(refused(json!({"payload": [1]})), "payload");
    assert_eq!(
        refused(json!({"payload": {"a": "x".repeat(1 << 20)}})),
        "payload"
    );
    assert_eq!(refused(json!({"idempotency_key": ""})), "idempotency_key");
}
