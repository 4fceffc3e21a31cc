//! The files API against a hostile inside: links, `..`, names that are no text, folders that change while
//! they are read.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sandbox::{FileErrorKind, Files, Owner, SandboxError};
use wire::sandbox::{CreateRequest, ExecRequest, FileKind, SandboxState};

use crate::{line, made, python, run, soon, wanted, with_python};

/// Folders that can be written.
pub(crate) const FOLDERS: [&str; 4] = ["/home/sandboxuser", "/home/user", "/workspace", "/tmp"];

/// Whether this is such a refusal.
pub(crate) fn is<T>(answer: &Result<T, SandboxError>, expected: FileErrorKind) -> bool {
    matches!(answer, Err(SandboxError::File { kind, .. }) if *kind == expected)
}

async fn write(files: &Files, path: &str, content: &'static str) -> Result<(), SandboxError> {
    let content = stream::iter([Ok(Bytes::from(content))]).boxed();
    soon(files.write(path, content)).await.map(drop)
}

async fn read(files: &Files, path: &str) -> Result<String, SandboxError> {
    let (_, content) = soon(files.read(path)).await?;
    let pieces: Vec<_> = soon(content.collect()).await;
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(piece?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Fails unless each request about this path is refused as one that leads out.
async fn leads_out(files: &Files, path: &str) {
    let outside = FileErrorKind::Outside;
    assert!(is(&read(files, path).await, outside), "read {path}");
    assert!(is(&soon(files.list(path, 1)).await, outside), "list {path}");
    assert!(
        is(&soon(files.watch(path, true)).await.map(drop), outside),
        "watch {path}"
    );
    let below = format!("{path}/x");
    assert!(
        is(&write(files, &below, "x").await, outside),
        "write {below}"
    );
    assert!(
        is(&soon(files.make_dir(&below)).await, outside),
        "make {below}"
    );
    assert!(
        is(&soon(files.remove(&below)).await, outside),
        "remove {below}"
    );
    assert!(is(&soon(files.stat(&below)).await, outside), "stat {below}");
    let moved = soon(files.rename(&below, "/tmp/got")).await;
    assert!(is(&moved, outside), "move {below}");
    let moved = soon(files.rename("/tmp/own", &below)).await;
    assert!(is(&moved, outside), "move to {below}");
}

#[tokio::test]
async fn no_path_and_no_link_leads_out_of_the_folders() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("outside", CreateRequest::default()).await;
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    write(&files, "/tmp/own", "own").await.unwrap();
    for path in [
        "/",
        "/etc",
        "/proc/self",
        "/.vivarium",
        "/dev/shm",
        "/workspace/..",
        "/workspace/../etc",
        "/workspace/./../../etc",
        "//etc",
        "../../etc",
        "/home",
        "/tmp/../home/../etc",
        "/workspacex",
    ] {
        leads_out(&files, path).await;
    }
    let links = "cd /workspace; ln -s /etc absolute; ln -s ../etc near; ln -s / root; ln -s /proc/self/root process; \
        ln -s /proc/self/cwd cwd; ln -s absolute twice; mkdir d; ln -s ../absolute d/up; ln -s /dev/shm memory";
    assert_eq!(run(&sandboxes, &id, links).await.exit_code, Some(0));
    for link in [
        "absolute", "near", "root", "process", "cwd", "twice", "d/up", "memory",
    ] {
        leads_out(&files, &format!("/workspace/{link}")).await;
    }
    // A link is looked at, replaced and removed itself.
    let seen = files.stat("/workspace/absolute").await.unwrap();
    assert_eq!(
        (seen.kind, seen.target.as_deref()),
        (FileKind::Symlink, Some("/etc"))
    );
    files.remove("/workspace/absolute").await.unwrap();
    files.remove("/workspace/root").await.unwrap();
    assert_eq!(
        run(&sandboxes, &id, "test -f /etc/passwd && echo there")
            .await
            .stdout,
        "there\n"
    );
    // Those that lead nowhere or in a circle, and what is no file.
    let odd = "cd /workspace; ln -s loop loop; ln -s /workspace/no dangling; mkfifo pipe; ln -s /dev/zero endless; \
        perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"socket\", Listen => 1)'";
    run(&sandboxes, &id, odd).await;
    for path in ["loop", "dangling", "pipe", "endless", "socket"] {
        let path = format!("/workspace/{path}");
        assert!(read(&files, &path).await.is_err(), "{path}");
        soon(files.remove(&path)).await.unwrap();
    }
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// Makes a file of each of these names, which are bytes in hexadecimal digits.
const MAKES: &str = r#"
import os, sys
os.makedirs("/workspace/names")
os.chdir(b"/workspace/names")
for name in sys.argv[1:]:
    with open(bytes.fromhex(name), "x") as file:
        file.write(name)
"#;

#[tokio::test]
async fn hostile_names_are_listed_read_and_removed_as_they_are() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("odd", with_python()).await;
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    let long = "n".repeat(255);
    let names = [
        "-rf",
        "--help",
        " ",
        "a\nb",
        "a\r\nSet-Cookie: x",
        "\u{1b}[2J\u{7}",
        "gpj\u{202e}exe.sh",
        "\u{feff}",
        "'\"`$(id);|&<>*?[]{}~#!",
        "..a",
        "...",
        "C:\\x",
        "%2e%2e%2f",
        "<img src=x onerror=alert(1)>",
        &long,
    ];
    let hex = |name: &[u8]| -> String { name.iter().map(|byte| format!("{byte:02x}")).collect() };
    let broken: [&[u8]; 3] = [b"\xff", b"a\xc3", b"\xed\xa0\x80"];
    let all = names.iter().map(|name| name.as_bytes()).chain(broken);
    let words: Vec<String> = all.map(hex).collect();
    python(&sandboxes, &id, MAKES, &words).await;
    let listed = files.list("/workspace/names", 1).await.unwrap();
    assert_eq!(listed.len(), words.len());
    for name in names {
        let path = format!("/workspace/names/{name}");
        let entry = listed.iter().find(|entry| entry.path == path);
        let entry = entry.unwrap_or_else(|| panic!("{name:?} is not listed"));
        assert_eq!((entry.name.as_str(), entry.is_lossy), (name, false));
        assert_eq!(read(&files, &path).await.unwrap(), hex(name.as_bytes()));
        let moved = files.rename(&path, &format!("{path} ")).await;
        // One of them is as long as a name may be.
        assert_eq!(moved.is_ok(), name != long, "{name:?}: {moved:?}");
    }
    // Names that are no text are told apart, lead to no other file, and go with their folder.
    assert_eq!(
        listed.iter().filter(|entry| entry.is_lossy).count(),
        broken.len()
    );
    for entry in listed.iter().filter(|entry| entry.is_lossy) {
        assert!(is(
            &read(&files, &entry.path).await,
            FileErrorKind::NotFound
        ));
    }
    for path in ["/workspace/a\0b", "", "/workspace/names/\0"] {
        assert!(read(&files, path).await.is_err(), "{path:?}");
    }
    for path in [
        "/workspace/".to_owned() + &"n".repeat(256),
        "/workspace/".to_owned() + &"x/".repeat(3000),
        "x".repeat(2 << 20),
    ] {
        for refused in [
            read(&files, &path).await.map(drop),
            write(&files, &path, "x").await,
        ] {
            assert!(
                matches!(
                    refused,
                    Err(SandboxError::File { .. } | SandboxError::Invalid { .. })
                ),
                "{} bytes: {refused:?}",
                path.len()
            );
        }
    }
    files.remove("/workspace/names").await.unwrap();
    assert_eq!(files.list("/workspace", 9).await.unwrap(), []);
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// A folder that is a link out of the folders half of the time.
const SWAPS: &str = r#"
import os
os.chdir("/workspace")
os.mkdir("real")
open("real/passwd", "w").write("mine")
os.symlink("/etc", "link")
os.rename("real", "d")
print("swaps", flush=True)
while True:
    os.rename("d", "real")
    os.rename("link", "d")
    os.rename("d", "link")
    os.rename("real", "d")
"#;

#[tokio::test]
async fn a_folder_that_changes_while_it_is_used_leads_nowhere_else() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("swaps", with_python()).await;
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    let words = ["python3", "-c", SWAPS].map(str::to_owned);
    let request = ExecRequest {
        command: wire::kernel::ShellCommand::Arguments(words.into()),
        background: true,
        ..line("")
    };
    let swaps = sandboxes.exec(&Owner::Person, &id, request).await.unwrap();
    assert!(soon(swaps.events(0).next()).await.is_some());
    let (mut own, mut refused) = (0, 0);
    // Until both were seen, and then some.
    for _ in 0..20_000 {
        match read(&files, "/workspace/d/passwd").await {
            Ok(content) => {
                assert_eq!(content, "mine");
                own += 1;
            }
            Err(SandboxError::File { kind, .. }) => {
                assert!(
                    matches!(kind, FileErrorKind::Outside | FileErrorKind::NotFound),
                    "{kind:?}"
                );
                refused += u32::from(kind == FileErrorKind::Outside);
            }
            Err(other) => panic!("{other:?}"),
        }
        if own > 20 && refused > 20 {
            break;
        }
    }
    assert!(
        own > 0 && refused > 0,
        "{own} of its own, {refused} refused"
    );
    assert_eq!(swaps.view().exit_code, None);
    swaps.signal(9).await.unwrap();
    let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(seen.state, SandboxState::Running);
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}
