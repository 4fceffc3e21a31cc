//! Sandboxes that wait.

use std::collections::BTreeSet;

use sandbox::{Owner, Sandboxes};
use wire::sandbox::CreateRequest;

use crate::{IMAGE, Site, create, docker, run, soon, until, wanted, with_pool};

/// Waits until so many wait.
async fn full(sandboxes: &Sandboxes, size: u32) {
    until("the pool is full", async || {
        sandboxes.pool().shapes[0].ready == size
    })
    .await;
}

#[tokio::test]
async fn none_is_handed_out_twice_and_the_pool_is_filled_again() {
    if !wanted() {
        return;
    }
    let site = Site::new("pool");
    let (sandboxes, task) = site.start(with_pool(2)).await;
    full(&sandboxes, 2).await;
    let creates = (0..6).map(|_| create(&sandboxes, CreateRequest::default()));
    let ids = soon(futures_util::future::join_all(creates)).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6);
    for id in &ids {
        assert_eq!(run(&sandboxes, id, "echo here").await.stdout, "here\n");
    }
    let pool = sandboxes.pool();
    assert!(pool.hits >= 2 && pool.hits + pool.misses == 6, "{pool:?}");
    let views = sandboxes.list(&Owner::Person);
    let from_pool = views.iter().filter(|view| view.from_pool).count() as u64;
    assert_eq!(from_pool, pool.hits);
    full(&sandboxes, 2).await;
    // What waits has the name and the labels that it keeps.
    let waiting = site.containers();
    assert_eq!(waiting.len(), 8);
    assert!(
        waiting
            .iter()
            .all(|name| name.starts_with("sandbox-session-"))
    );
    // Another shape isn't in it.
    let request = CreateRequest {
        memory_mb: Some(100),
        ..CreateRequest::default()
    };
    let other = create(&sandboxes, request).await;
    assert_eq!(sandboxes.pool().misses, pool.misses + 1);
    for id in ids.iter().chain([&other]) {
        sandboxes.remove(&Owner::Person, id).await.unwrap();
    }
    sandboxes.stop().await;
    soon(task).await.unwrap();
    assert!(site.containers().is_empty());
}

#[tokio::test]
async fn a_pool_whose_image_is_removed_says_so() {
    if !wanted() {
        return;
    }
    let site = Site::new("noimage");
    let image = format!("{}-image", site.instance);
    docker(&["tag", IMAGE, &image]);
    let mut settings = with_pool(1);
    settings.image.clone_from(&image);
    settings.pool[0].image.clone_from(&image);
    let (sandboxes, task) = site.start(settings).await;
    full(&sandboxes, 1).await;
    docker(&["rmi", "-f", &image]);
    until("the pool is empty and says why", async || {
        let shape = sandboxes.pool().shapes.remove(0);
        shape.ready == 0
            && shape
                .failure
                .is_some_and(|failure| failure.contains(&image))
    })
    .await;
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn the_same_key_makes_one_sandbox() {
    if !wanted() {
        return;
    }
    let site = Site::new("key");
    let (sandboxes, task) = site.start(with_pool(0)).await;
    let create = || sandboxes.create(&Owner::Person, CreateRequest::default(), Some("k"));
    let made = soon(futures_util::future::join_all([
        create(),
        create(),
        create(),
    ]))
    .await;
    let ids: BTreeSet<_> = made
        .into_iter()
        .map(|view| view.unwrap().sandbox_id)
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(site.containers().len(), 1);
    let other = Owner::Token("other".into());
    let theirs = sandboxes
        .create(&other, CreateRequest::default(), Some("k"))
        .await;
    assert!(!ids.contains(&theirs.unwrap().sandbox_id));
    for view in sandboxes.list(&Owner::Person) {
        sandboxes
            .remove(&Owner::Person, &view.sandbox_id)
            .await
            .unwrap();
    }
    sandboxes.stop().await;
    soon(task).await.unwrap();
}
