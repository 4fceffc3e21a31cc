//! Writable folders in volumes: they have room beyond the memory, are copied with a sandbox, and are
//! gone with it, however it goes.

use futures_util::StreamExt;
use sandbox::Owner;
use wire::sandbox::{CreateRequest, DiskKind, SandboxState};

use crate::{Site, create, docker, run, settings, soon, until, wanted};

fn on_disk(disk_mb: u32) -> CreateRequest {
    CreateRequest {
        memory_mb: Some(64),
        disk_mb: Some(disk_mb),
        disk: Some(DiskKind::Volume),
        ..CreateRequest::default()
    }
}

/// Names of the volumes of this site's sandboxes.
fn volumes(site: &Site) -> Vec<String> {
    let label = format!("label=vivarium.instance={}", site.instance);
    let kind = "label=vivarium.kind=sandbox-disk";
    docker(&["volume", "ls", "-q", "--filter", &label, "--filter", kind])
}

#[tokio::test]
async fn folders_on_the_disk_have_room_beyond_the_memory_and_are_copied_and_removed() {
    if !wanted() {
        return;
    }
    let site = Site::new("disk");
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, on_disk(512)).await;
    for folder in ["/home/sandboxuser", "/home/user", "/workspace", "/tmp"] {
        let kind =
            format!("stat -f -c %T {folder}; echo in {folder} > {folder}/a && cat {folder}/a");
        let answer = run(&sandboxes, &id, &kind).await;
        assert!(
            answer.stdout.ends_with(&format!("in {folder}\n")),
            "{answer:?}"
        );
        assert!(!answer.stdout.contains("tmpfs"), "{answer:?}");
    }
    let large = run(
        &sandboxes,
        &id,
        "head -c 128M /dev/zero > large && stat -c %s large",
    )
    .await;
    assert_eq!(large.stdout, "134217728\n", "{large:?}");
    assert_eq!(
        run(&sandboxes, &id, "touch /etc/x").await.exit_code,
        Some(1)
    );
    until("what is in them is shown", async || {
        let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
        view.usage
            .is_some_and(|usage| usage.disk_bytes >= 128 << 20)
    })
    .await;
    let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(view.disk, DiskKind::Volume);
    assert!(view.notes[0].contains("volumes"), "{:?}", view.notes);
    // A copy has the same files on a disk of its own.
    let copy = soon(sandboxes.fork(&Owner::Person, &id)).await.unwrap();
    assert_eq!(copy.disk, DiskKind::Volume);
    assert_eq!(volumes(&site).len(), 8);
    let look = "cat /workspace/a; stat -c '%s %U' large; rm large";
    let look = run(&sandboxes, &copy.sandbox_id, look).await;
    assert!(
        look.stdout.starts_with("in /workspace\n134217728 "),
        "{look:?}"
    );
    let kept = run(&sandboxes, &id, "stat -c %s large").await;
    assert_eq!(kept.stdout, "134217728\n");
    let archive = sandboxes.snapshot(&Owner::Person, &copy.sandbox_id).await;
    let mut archive = archive.unwrap();
    assert!(soon(archive.next()).await.unwrap().unwrap().len() > 512);
    drop(archive);
    for id in [&id, &copy.sandbox_id] {
        soon(sandboxes.remove(&Owner::Person, id)).await.unwrap();
    }
    assert_eq!(volumes(&site), [""; 0]);
    sandboxes.stop().await;
}

#[tokio::test]
async fn one_that_has_more_on_the_disk_than_it_may_is_ended() {
    if !wanted() {
        return;
    }
    let site = Site::new("diskfull");
    let (sandboxes, _task) = site.start(settings()).await;
    for (bomb, words) in [
        (
            "head -c 64M /dev/zero > /workspace/full; sleep 600",
            "/workspace had more than 16 MiB",
        ),
        (
            "cd /tmp; seq 20000 | xargs touch; sleep 600",
            "/tmp had more files",
        ),
    ] {
        let id = create(&sandboxes, on_disk(16)).await;
        // Large only in name: that is allowed.
        run(&sandboxes, &id, "truncate -s 1T /home/user/sparse").await;
        let exec = sandboxes.exec(&Owner::Person, &id, crate::line(bomb)).await;
        soon(exec.unwrap().wait()).await;
        let view = soon(sandboxes.get(&Owner::Person, &id)).await.unwrap();
        assert_eq!(view.state, SandboxState::Ended);
        let reason = view.reason.unwrap();
        assert!(reason.contains(words), "{reason}");
    }
    until("its volumes are gone", async || volumes(&site).is_empty()).await;
    sandboxes.stop().await;
}

#[tokio::test]
async fn what_is_left_of_volumes_is_swept() {
    if !wanted() {
        return;
    }
    let site = Site::new("diskleft");
    let (sandboxes, task) = site.start(settings()).await;
    let kept = create(&sandboxes, on_disk(64)).await;
    run(&sandboxes, &kept, "echo kept > /workspace/a").await;
    let lost = create(&sandboxes, on_disk(64)).await;
    // Somebody removes the container alone.
    docker(&["rm", "-f", &lost.container()]);
    until("it is lost, with its volumes", async || {
        let view = sandboxes.get(&Owner::Person, &lost).await.unwrap();
        view.state == SandboxState::Lost && volumes(&site).len() == 4
    })
    .await;
    let orphan = create(&sandboxes, on_disk(64)).await;
    sandboxes.stop().await;
    task.await.unwrap();
    // Its seat is free.
    drop(sandboxes);
    // The same while nobody is there, and the record goes too.
    docker(&["rm", "-f", &orphan.container()]);
    let records = site.folder.path().join("sandboxes");
    let record = std::fs::read_dir(records)
        .unwrap()
        .flatten()
        .find_map(|seat| {
            let record = seat.path().join(format!("{orphan}.json"));
            record.is_file().then_some(record)
        });
    std::fs::remove_file(record.expect("its record")).unwrap();
    assert_eq!(volumes(&site).len(), 8);
    let (sandboxes, _task) = site.start(settings()).await;
    until("volumes of nobody are gone", async || {
        volumes(&site).len() == 4
    })
    .await;
    let answer = run(&sandboxes, &kept, "cat /workspace/a").await;
    assert_eq!(answer.stdout, "kept\n");
    soon(sandboxes.remove(&Owner::Person, &kept)).await.unwrap();
    assert_eq!(volumes(&site), [""; 0]);
    sandboxes.stop().await;
}
