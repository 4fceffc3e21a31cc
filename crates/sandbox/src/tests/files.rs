//! Files and archives.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use wire::sandbox::{FileChangeKind, FileKind};

use super::{line, run, soon};
use crate::{
    error::{FileErrorKind, SandboxError},
    files::Files,
    testing::Inside,
};

#[tokio::test]
async fn files_are_written_listed_read_moved_and_removed() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let files = Files(sandbox);
    let content = |pieces: Vec<&'static str>| {
        stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece)))).boxed()
    };
    let path = inside.path("deep/er/a.txt");
    let written = soon(files.write(&path, content(vec!["one ", "two"]))).await;
    let entry = written.expect("written");
    assert_eq!((entry.name.as_str(), entry.size_bytes), ("a.txt", 7));
    assert_eq!((entry.kind, entry.mode & 0o777), (FileKind::File, 0o644));
    let (found, read) = soon(files.read(&path)).await.expect("there");
    assert_eq!(found, entry);
    let pieces: Vec<_> = soon(read.collect()).await;
    let text: Vec<u8> = pieces
        .into_iter()
        .flat_map(|piece| piece.expect("read"))
        .collect();
    assert_eq!(text, b"one two");
    let listed = soon(files.list(&inside.path(""), 3)).await.expect("listed");
    let paths: Vec<_> = listed.iter().map(|entry| entry.path.clone()).collect();
    let expected = ["deep", "deep/er", "deep/er/a.txt"].map(|name| inside.path(name));
    assert_eq!(paths, expected);
    let moved = soon(files.rename(&path, &inside.path("b.txt"))).await;
    assert_eq!(moved.expect("moved").name, "b.txt");
    assert!(
        soon(files.make_dir(&inside.path("x/y")))
            .await
            .expect("made")
    );
    assert!(
        !soon(files.make_dir(&inside.path("x/y")))
            .await
            .expect("there")
    );
    soon(files.remove(&inside.path("deep")))
        .await
        .expect("removed");
    let kind = |result: Result<_, SandboxError>| match result {
        Err(SandboxError::File { kind, .. }) => kind,
        _ => panic!("it is refused"),
    };
    let gone = soon(files.stat(&path)).await.map(drop);
    assert_eq!(kind(gone), FileErrorKind::NotFound);
    let outside = soon(files.read("/etc/passwd")).await.map(drop);
    assert_eq!(kind(outside), FileErrorKind::Outside);
    let outside = soon(files.write("/etc/x", content(vec!["x"]))).await;
    assert_eq!(kind(outside.map(drop)), FileErrorKind::Outside);
    let climbing = inside.path("../../etc/passwd");
    assert_eq!(
        kind(soon(files.stat(&climbing)).await.map(drop)),
        FileErrorKind::Outside
    );
}

#[tokio::test]
async fn a_large_file_goes_in_and_out() {
    let inside = Inside::start();
    let files = Files(inside.sandbox().await);
    const PIECES: u8 = 64;
    let piece = |number: u8| Ok(Bytes::from(vec![number; 1 << 20]));
    let content = stream::iter((0..PIECES).map(piece)).boxed();
    let path = inside.path("large");
    let entry = soon(files.write(&path, content)).await.expect("written");
    assert_eq!(entry.size_bytes, u64::from(PIECES) << 20);
    let (_, mut read) = soon(files.read(&path)).await.expect("there");
    let mut hash = blake3::Hasher::new();
    while let Some(piece) = soon(read.next()).await {
        hash.update(&piece.expect("read"));
    }
    let mut expected = blake3::Hasher::new();
    for number in 0..PIECES {
        expected.update(&vec![number; 1 << 20]);
    }
    assert_eq!(hash.finalize(), expected.finalize());
}

#[tokio::test]
async fn what_fails_while_a_file_is_written_leaves_the_old_one() {
    let inside = Inside::start();
    let files = Files(inside.sandbox().await);
    let path = inside.path("kept");
    let old = stream::iter([Ok(Bytes::from("old"))]).boxed();
    soon(files.write(&path, old)).await.expect("written");
    let broken = stream::iter([
        Ok(Bytes::from("new")),
        Err(SandboxError::ExecNotFound("x".into())),
    ]);
    let failed = soon(files.write(&path, broken.boxed())).await;
    assert!(matches!(failed, Err(SandboxError::ExecNotFound(_))));
    assert_eq!(soon(files.stat(&path)).await.expect("there").size_bytes, 3);
    let listed = soon(files.list(&inside.path(""), 1)).await.expect("listed");
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn a_watched_folder_says_what_changes() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let files = Files(Arc::clone(&sandbox));
    let mut changes = soon(files.watch(&inside.path(""), true))
        .await
        .expect("watched");
    let script = format!("echo x > {}", inside.path("new.txt"));
    soon(run(&sandbox, line(&script))).await;
    let change = soon(changes.next()).await.expect("a change").expect("seen");
    assert_eq!(
        (change.name.as_str(), change.kind),
        ("new.txt", FileChangeKind::Created)
    );
}

#[tokio::test]
async fn an_archive_brings_the_files_of_another_time_back() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let files = Files(Arc::clone(&sandbox));
    let folder = inside.path("");
    let make = format!("cd {folder}; mkdir d; echo one > d/a; ln -s d/a link; chmod 700 d/a");
    soon(run(&sandbox, line(&make))).await;
    let archive: Vec<_> = soon(files.pack().await.expect("packed").collect()).await;
    soon(run(&sandbox, line(&format!("rm -rf {folder}/*")))).await;
    soon(files.unpack(stream::iter(archive).boxed()))
        .await
        .expect("unpacked");
    let look = format!("cd {folder}; cat link; stat -c %a d/a");
    assert_eq!(soon(run(&sandbox, line(&look))).await.stdout, "one\n700\n");
    let nonsense = stream::iter([Ok(Bytes::from(vec![b'x'; 4096]))]).boxed();
    let refused = soon(files.unpack(nonsense)).await;
    assert!(
        matches!(refused, Err(SandboxError::File { .. })),
        "{refused:?}"
    );
    assert_eq!(soon(run(&sandbox, line("echo on"))).await.stdout, "on\n");
}

#[tokio::test]
async fn lists_and_watches_go_on_past_their_first_window() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let files = Files(Arc::clone(&sandbox));
    let folder = inside.path("");
    let mut changes = soon(files.watch(&folder, false)).await.expect("watched");
    const MANY: usize = 5000;
    let making = format!("cd {folder}; for i in $(seq {MANY}); do : > $i; done");
    let made = run(&sandbox, line(&making));
    let seen = async {
        let mut created = 0;
        while created < MANY {
            let change = changes.next().await.expect("a change").expect("seen");
            // Where they come faster than they are told, some are missed, and that is said.
            match change.kind {
                FileChangeKind::Created => created += 1,
                FileChangeKind::Missed => return,
                _ => {}
            }
        }
    };
    let (answer, ()) = soon(async { tokio::join!(made, seen) }).await;
    assert_eq!(answer.exit_code, Some(0));
    let listed = soon(files.list(&folder, 1)).await.expect("listed");
    assert_eq!(listed.len(), MANY);
}
