//! What becomes of the repo's files over evolves and rollbacks, against the real engine.

#![allow(clippy::unwrap_used)]

use std::{io::Write, process::Command};

use lifecycle::RunWork;
use wire::{
    evolve::{EvolveRequest, RollbackRequest, RunState},
    failure::FailureCode,
};

use crate::evolving::Tiny;

#[tokio::test]
async fn what_is_built_is_what_was_approved() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("approved", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    let preview = tiny.machine().preview().await.unwrap();
    let approved = || {
        RunWork::Evolve(EvolveRequest {
            tree: Some(preview.tree.clone()),
            ..Default::default()
        })
    };
    tiny.edit("body/rootfs/version", "3");
    let run = tiny.run(approved()).await.unwrap();
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::Changed);
    tiny.is_whole("1", "after an approval of other files").await;
    tiny.edit("body/rootfs/version", "2");
    let run = tiny.run(approved()).await.unwrap();
    assert_eq!(run.state, RunState::Good, "{run:?}");
    tiny.is_whole("2", "after an approval").await;
    tiny.tidy().await;
}

/// What a machine puts into its repo is never in memory as a whole, as large as it may be.
#[tokio::test]
async fn a_repo_as_large_as_is_allowed_takes_little_memory() {
    const MIB: u64 = 1 << 20;
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("large", &[]).await;
    let repo = tiny.machine().repo_dir();
    let large = |name: &str, mib: u64| {
        let mut file = std::fs::File::create(repo.join(name)).unwrap();
        // Each is another one; hardly a block of it is on the disk.
        file.write_all(name.as_bytes()).unwrap();
        file.set_len(mib * MIB).unwrap();
    };
    let evolve = RunWork::Evolve(EvolveRequest::default());
    // More than is taken.
    large("one", 1536);
    let (run, peak) = tiny.measured(&evolve);
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert!(run.error.unwrap().contains("larger than 100 MiB"));
    assert!(peak < 100 * MIB, "{} MiB", peak / MIB);
    std::fs::remove_file(repo.join("one")).unwrap();
    // As much as is taken.
    for number in 0..10 {
        large(&format!("large{number}"), 96);
    }
    tiny.edit("body/rootfs/version", "2");
    let (run, peak) = tiny.measured(&evolve);
    assert_eq!(run.state, RunState::Good, "{run:?}");
    println!("an evolve of 960 MiB took {} MiB of memory", peak / MIB);
    assert!(peak < 250 * MIB, "{} MiB", peak / MIB);
    tiny.is_whole("2", "after an evolve of a large repo").await;
    tiny.tidy().await;
}

#[tokio::test]
async fn what_a_rollback_found_is_kept_and_keys_stay() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("saved", &["generations_to_keep=1"]).await;
    tiny.edit(".env", "KEY=first\n");
    tiny.edit("body/rootfs/version", "2");
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    tiny.edit(".env", "KEY=second\n");
    tiny.edit("notes", "not evolved yet\n");
    let back = tiny
        .run(RunWork::Rollback(RollbackRequest::default()))
        .await;
    assert_eq!(back.unwrap().state, RunState::Good);
    tiny.is_whole("1", "after a rollback").await;
    assert_eq!(tiny.read(".env"), "KEY=second\n");
    assert!(!tiny.machine().repo_dir().join("notes").exists());
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "--git-dir"])
            .arg(tiny.history())
            .args(words)
            .output();
        let output = output.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let saved = || async {
        tiny.machine()
            .generations(&tiny.engine)
            .await
            .unwrap()
            .saved
    };
    let kept = saved().await.remove(0);
    assert_eq!(
        (kept.from_generation, kept.to_generation),
        (Some(2), Some(1))
    );
    // The next run leaves it, and so does git's own tidying up.
    tiny.edit("body/rootfs/version", "3");
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    git(&["gc", "--prune=now", "--quiet"]);
    let notes = format!("{}:notes", kept.branch);
    assert_eq!(git(&["show", &notes]), "not evolved yet\n");
    assert!(!git(&["cat-file", "--batch", "--batch-all-objects"]).contains("KEY="));
    for version in ["4", "5", "6"] {
        tiny.edit("body/rootfs/version", version);
        let run = tiny.evolve().await;
        assert_eq!(run.state, RunState::Good, "{run:?}");
    }
    // Neither of its generations is there any more.
    assert!(saved().await.is_empty());
    assert_eq!(git(&["show", &notes]), "");
    tiny.tidy().await;
}
