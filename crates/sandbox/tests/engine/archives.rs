//! Archives that a sandbox made, or that somebody else did: snapshots without end, and what is restored
//! and forked.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sandbox::{FileErrorKind, Owner, SandboxError, Sandboxes};
use tar::{EntryType, Header};
use wire::sandbox::{CreateRequest, SandboxId, SandboxState};

use crate::{files::is, made, python, run, soon, wanted, with_python};

fn small(request: CreateRequest) -> CreateRequest {
    CreateRequest {
        disk_mb: Some(16),
        ..request
    }
}

/// An entry whose name and size nobody checks.
fn entry(name: &str, kind: EntryType, link: &str, size: u64, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name.as_bytes());
    gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o6777);
    header.set_uid(0);
    header.set_size(size);
    header.set_device_major(8).unwrap();
    header.set_device_minor(0).unwrap();
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

async fn restore(
    sandboxes: &Sandboxes,
    id: &SandboxId,
    archive: impl Iterator<Item = Bytes> + Send + 'static,
) -> Result<(), SandboxError> {
    let archive = stream::iter(archive.map(Ok)).boxed();
    soon(sandboxes.restore(&Owner::Person, id, archive)).await
}

#[tokio::test]
async fn a_hostile_archive_is_refused_and_nothing_of_it_leads_out() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("restores", small(CreateRequest::default())).await;
    let file = "workspace/file";
    for (what, archive) in [
        (
            "a file elsewhere",
            entry("etc/owned", EntryType::Regular, "", 1, b"x"),
        ),
        (
            "an absolute name",
            entry("/workspace/file", EntryType::Regular, "", 1, b"x"),
        ),
        (
            "a name with ..",
            entry("workspace/../etc/owned", EntryType::Regular, "", 1, b"x"),
        ),
        (
            "its first process",
            entry(".vivarium/sandbox-init", EntryType::Regular, "", 1, b"x"),
        ),
        (
            "a hard link out",
            entry(file, EntryType::Link, "etc/passwd", 0, b""),
        ),
        ("a device", entry(file, EntryType::Block, "", 0, b"")),
        (
            "a character device",
            entry(file, EntryType::Char, "", 0, b""),
        ),
        ("a pipe", entry(file, EntryType::Fifo, "", 0, b"")),
        (
            "a sparse file",
            entry(file, EntryType::GNUSparse, "", 1, b"x"),
        ),
        (
            "an unknown kind",
            entry(file, EntryType::new(b'Z'), "", 0, b""),
        ),
        (
            "a size that is only claimed",
            entry(file, EntryType::Regular, "", 1 << 60, b"x"),
        ),
        (
            "a name without end",
            entry(file, EntryType::GNULongName, "", 1 << 40, b"x"),
        ),
        ("what is no archive", vec![b'x'; 4096]),
        ("a cut one", entry(file, EntryType::Regular, "", 4096, b"x")),
    ] {
        let refused = restore(&sandboxes, &id, std::iter::once(archive.into())).await;
        assert!(
            matches!(refused, Err(SandboxError::File { .. })),
            "{what}: {refused:?}"
        );
    }
    // Links may lead anywhere, as in any file system; nothing is written through one.
    let through = [
        entry("workspace/link", EntryType::Symlink, "/tmp", 0, b""),
        entry("workspace/link/through", EntryType::Regular, "", 1, b"x"),
    ];
    let refused = restore(&sandboxes, &id, std::iter::once(through.concat().into())).await;
    assert!(
        matches!(refused, Err(SandboxError::File { .. })),
        "{refused:?}"
    );
    // Rights that make others somebody else aren't taken over.
    let rights = entry("workspace/rights", EntryType::Regular, "", 0, b"");
    restore(&sandboxes, &id, std::iter::once(rights.into()))
        .await
        .unwrap();
    let look = "stat -c '%a %u' /workspace/rights; ls -A /tmp; ls /etc/owned 2>&1 | wc -l; find / -xdev -newer /proc/1 -type f 2>/dev/null";
    assert_eq!(run(&sandboxes, &id, look).await.stdout, "777 1000\n1\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn an_archive_that_is_too_much_is_refused_and_its_sandbox_goes_on() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("toomuch", small(CreateRequest::default())).await;
    // More than the folder holds, and more than all of them may.
    let mega = Bytes::from(vec![7; 1 << 20]);
    for size_mb in [20, 100] {
        let head = entry("workspace/big", EntryType::Regular, "", size_mb << 20, b"");
        let pieces = std::iter::once(head.into()).chain((0..size_mb).map({
            let mega = mega.clone();
            move |_| mega.clone()
        }));
        let refused = restore(&sandboxes, &id, pieces).await;
        assert!(
            is(&refused, FileErrorKind::Full),
            "{size_mb} MiB: {refused:?}"
        );
    }
    // More files than there may be.
    let many = (0..1_100_000_u32).step_by(1000).map(|from| {
        let names = (from..from + 1000).map(|at| format!("workspace/{at}"));
        let entries = names.map(|name| entry(&name, EntryType::Regular, "", 0, b""));
        Bytes::from(entries.collect::<Vec<_>>().concat())
    });
    let refused = restore(&sandboxes, &id, many).await;
    assert!(is(&refused, FileErrorKind::Full), "{refused:?}");
    let empty = "find /workspace -mindepth 1 -delete; echo on";
    assert_eq!(run(&sandboxes, &id, empty).await.stdout, "on\n");
    // As deep as a name may be long.
    let name = format!("workspace/{}", "d/".repeat(2000));
    let size = name.len() as u64;
    let deep = [
        entry("long", EntryType::GNULongName, "", size, name.as_bytes()),
        entry("short", EntryType::Directory, "", 0, b""),
    ];
    restore(&sandboxes, &id, std::iter::once(deep.concat().into()))
        .await
        .unwrap();
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    for entry in files.list("/workspace", 1).await.unwrap() {
        soon(files.remove(&entry.path)).await.unwrap();
    }
    assert_eq!(run(&sandboxes, &id, "echo on").await.stdout, "on\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn a_snapshot_of_a_file_without_end_ends() {
    if !wanted() {
        return;
    }
    let (site, sandboxes, id) = made("sparse", small(CreateRequest::default())).await;
    // One that takes no room, and is larger than all disks there are.
    run(&sandboxes, &id, "truncate -s 8191P /workspace/hole").await;
    let mut archive = sandboxes.snapshot(&Owner::Person, &id).await.unwrap();
    let ended = soon(async {
        let mut bytes = 0;
        loop {
            match archive.next().await {
                Some(Ok(piece)) => bytes += piece.len(),
                ended => return (bytes, ended),
            }
        }
    });
    let (bytes, ended) = ended.await;
    assert!(bytes <= 1 << 30, "{bytes}");
    let refused = ended.expect("an error, since it isn't whole");
    assert!(is(&refused, FileErrorKind::Full), "{refused:?}");
    // A fork of it is refused too, and nothing is left of what was begun.
    let refused = soon(sandboxes.fork(&Owner::Person, &id)).await;
    assert!(is(&refused, FileErrorKind::Full), "{refused:?}");
    assert_eq!(site.containers(), [id.container()]);
    assert_eq!(run(&sandboxes, &id, "echo on").await.stdout, "on\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// What may be in a folder: names that are no text, links, what is no file, a depth that no path has.
const ODD: &str = r#"
import os, socket
os.chdir(b"/workspace")
for name in (b"\xff\n\x1b[2J", b"-rf", b"n" * 255, b"a\\b"):
    open(name, "wb").write(name)
os.symlink("/etc/shadow", "out")
os.symlink(b"\xff" * 200, "nowhere")
os.mkfifo("pipe")
socket.socket(socket.AF_UNIX).bind("socket")
os.link(b"-rf", "same")
os.chmod("a\\b", 0o4711)
os.makedirs("closed/in")
os.chmod("closed", 0o555)
for _ in range(300):
    os.mkdir("deep" * 5)
    os.chdir("deep" * 5)
"#;

#[tokio::test]
async fn whatever_a_sandbox_has_a_fork_has_it_or_leaves_it_out() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("forks", small(with_python())).await;
    python(&sandboxes, &id, ODD, &[]).await;
    let fork = soon(sandboxes.fork(&Owner::Person, &id)).await.unwrap();
    let fork = fork.sandbox_id;
    let look = "cd /workspace; ls -Ab | sort; readlink out; stat -c %a 'a\\b' closed; cat -v -- -rf same; \
        find . -links +1 -type f | wc -l; ls /etc/shadow >/dev/null; find . -type p -o -type s | wc -l";
    let own = run(&sandboxes, &id, look).await.stdout;
    let its = run(&sandboxes, &fork, look).await.stdout;
    // Pipes and sockets are left out, and what makes others somebody else is taken away.
    let expected = own
        .replace("pipe\n", "")
        .replace("socket\n", "")
        .replace("4711", "711");
    let expected = format!("{}0\n", expected.strip_suffix("2\n").unwrap());
    assert_eq!(its, expected);
    for id in [id, fork] {
        let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
        assert_eq!(seen.state, SandboxState::Running);
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
    }
    sandboxes.stop().await;
}
