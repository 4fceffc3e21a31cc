//! The file of the SQLite store.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::json;
use tasks::{Ending, SqliteStore, Store, TaskError};
use wire::task::{TaskFilter, TaskState};

use crate::world::{World, add, all, claim, end, get, task};

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let world = World::sqlite();
    drop(world.open());
    let newer = rusqlite::Connection::open(world.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let opened = SqliteStore::open(&world.path(), world.policy.clone(), world.clock.clone());
    let error = opened.unwrap_err();
    assert!(
        matches!(error, TaskError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("update Vivarium"), "{error}");
    let kept = rusqlite::Connection::open(world.path()).unwrap();
    let version: i64 = kept
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn only_its_owner_can_read_it() {
    let world = World::sqlite();
    let store = world.open();
    add(&store, json!({})).await;
    for file in std::fs::read_dir(world.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

#[tokio::test]
async fn what_is_accepted_is_synced_before_the_answer() {
    let world = World::sqlite();
    let _store = world.open();
    let other = rusqlite::Connection::open(world.path()).unwrap();
    let mode: String = other
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_full_disk_refuses_new_tasks_and_loses_none_that_was_accepted() {
    let world = World::sqlite();
    let limited = |pages| {
        let (policy, clock) = (world.policy.clone(), world.clock.clone());
        SqliteStore::limited(&world.path(), policy, clock, Some(pages)).unwrap()
    };
    let store: Arc<dyn Store> = Arc::new(limited(60));
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        // Many at once: some of one transaction may fit, and none of it is kept if one doesn't.
        let mut adding = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let store = store.clone();
            adding.spawn(async move {
                let payload = json!({"command": "x".repeat(2000)});
                store.add(task(json!({"payload": payload}))).await
            });
        }
        for added in adding.join_all().await {
            match added {
                Ok(added) => accepted.push(added.id),
                Err(TaskError::DiskFull) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(
        refused > 0 && !accepted.is_empty(),
        "{refused}, {}",
        accepted.len()
    );
    let kept = all(&store, &TaskFilter::default()).await;
    let mut kept: Vec<_> = kept.into_iter().map(|task| task.task_id).collect();
    kept.sort();
    accepted.sort();
    assert_eq!(kept, accepted);
    drop(store);
    // There is room again.
    let store: Arc<dyn Store> = Arc::new(limited(10_000));
    assert_eq!(
        all(&store, &TaskFilter::default()).await.len(),
        accepted.len()
    );
    let taken = claim(&store, "w", 1).await.remove(0);
    end(&store, &taken, Ending::done(json!(1))).await.unwrap();
    add(&store, json!({})).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_lost_and_holds_up_nobody() {
    let world = World::sqlite();
    let store = world.open();
    let damaged = add(&store, json!({})).await;
    let next = add(&store, json!({})).await;
    let other = rusqlite::Connection::open(world.path()).unwrap();
    other
        .execute(
            "UPDATE tasks SET work = '{' WHERE id = ?1",
            [damaged.as_str()],
        )
        .unwrap();
    let taken = claim(&store, "w", 9).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].lease.id, next);
    let view = get(&store, &damaged).await;
    assert_eq!(view.state, TaskState::Lost);
    assert!(view.error.unwrap().contains("can't be read"));
}

#[tokio::test]
async fn what_another_process_wrote_is_noticed() {
    let world = World::sqlite();
    let (store, other) = (world.open(), world.open());
    let mut changes = store.changes();
    add(&other, json!({})).await;
    tokio::time::timeout(std::time::Duration::from_secs(10), changes.changed())
        .await
        .unwrap()
        .unwrap();
}
