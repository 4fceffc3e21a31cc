//! What untrusted code can't use up: bombs end themselves and nothing else.

use sandbox::{Owner, Sandboxes};
use wire::{
    kernel::ShellCommand,
    sandbox::{CreateRequest, ExecRequest, SandboxId, SandboxState},
};

use crate::{create, docker, line, made, python, run, soon, until, wanted, with_python};

fn small(request: CreateRequest) -> CreateRequest {
    CreateRequest {
        memory_mb: Some(256),
        disk_mb: Some(32),
        pids: Some(64),
        ..request
    }
}

/// Ends all but the sandbox's own processes and itself. It is a shell that forks nothing.
const ENDS_OTHERS: &str = r"kill -STOP -1; for p in /proc/[0-9]*; do
    read name < $p/comm && [[ $name != sandbox-init && $p != /proc/$$ ]] && kill -9 ${p#/proc/}
done 2>/dev/null; true";

async fn ends_others(sandboxes: &Sandboxes, id: &SandboxId) {
    let request = ExecRequest {
        command: ShellCommand::Arguments(["bash", "-c", ENDS_OTHERS].map(str::to_owned).into()),
        ..ExecRequest::default()
    };
    let exec = sandboxes.exec(&Owner::Person, id, request).await;
    assert_eq!(soon(exec.unwrap().wait()).await.exit_code, Some(0));
    goes_on(sandboxes, id).await;
}

/// It runs commands, and is none that took another one's place.
async fn goes_on(sandboxes: &Sandboxes, id: &SandboxId) {
    assert_eq!(run(sandboxes, id, "echo on").await.stdout, "on\n");
    let seen = sandboxes.get(&Owner::Person, id).await.unwrap();
    assert_eq!(seen.state, SandboxState::Running);
}

/// How many processes its container has.
fn processes(id: &SandboxId) -> usize {
    // Without the line of titles.
    docker(&["top", &id.container(), "-eo", "pid"]).len() - 1
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_sandbox_and_holds_up_no_other() {
    if !wanted() {
        return;
    }
    let (site, sandboxes, id) = made("forks", small(CreateRequest::default())).await;
    let other = create(&sandboxes, CreateRequest::default()).await;
    let bomb = ExecRequest {
        background: true,
        ..line("bash -c ':(){ :|:& };:' 2>/dev/null; sleep 600")
    };
    drop(sandboxes.exec(&Owner::Person, &id, bomb).await.unwrap());
    until("all processes that it may have", async || {
        processes(&id) > 60
    })
    .await;
    for _ in 0..5 {
        assert!(processes(&id) <= 64);
        goes_on(&sandboxes, &other).await;
        // What needs no process works in the one that has none left.
        let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
        soon(files.make_dir("/workspace/a")).await.unwrap();
        assert_eq!(soon(files.list("/workspace", 1)).await.unwrap().len(), 1);
    }
    for id in [id, other] {
        soon(sandboxes.remove(&Owner::Person, &id)).await.unwrap();
    }
    assert_eq!(site.containers(), [""; 0]);
    sandboxes.stop().await;
}

/// Starts processes while there is room, each of them in a group of its own and deaf to what asks it to
/// end; says how many.
const BACKGROUND: &str = "my $made = 0; for (1..10000) { my $pid = fork // last; if ($pid) { $made++; next } \
    setpgrp; $SIG{$_} = q(IGNORE) for qw(TERM HUP INT); open STDOUT, q(>/dev/null); sleep 600; exit } print $made";

#[tokio::test]
async fn ten_thousand_processes_in_the_background_are_as_many_as_may_be() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("background", small(CreateRequest::default())).await;
    let made = run(&sandboxes, &id, &format!("perl -e '{BACKGROUND}'")).await;
    let made: usize = made.stdout.parse().unwrap();
    assert!((50..64).contains(&made), "{made}");
    assert!(processes(&id) <= 64);
    // They are there for as long as their owner wants them. The one that made them has left room for one
    // that ends them.
    ends_others(&sandboxes, &id).await;
    assert!(processes(&id) < 10);
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn bombs_of_memory_end_themselves_and_nothing_else() {
    if !wanted() {
        return;
    }
    // All of its folders together hold more than its memory.
    let request = CreateRequest {
        memory_mb: Some(64),
        disk_mb: Some(64),
        pids: Some(256),
        ..CreateRequest::default()
    };
    let (_site, sandboxes, id) = made("memory", request).await;
    for bomb in [
        "head -c 1G /dev/zero | tail",
        // Many at once, each of which is small.
        "for i in $(seq 8); do (head -c 20M /dev/zero | tail) & done; wait",
        // What is in files is there when all that made them is gone.
        "for f in ~ /home/user /workspace /tmp; do head -c 1G /dev/zero > $f/full; done",
    ] {
        let request = ExecRequest {
            timeout_s: Some(60.0),
            ..line(bomb)
        };
        let exec = sandboxes.exec(&Owner::Person, &id, request).await;
        let answer = soon(exec.expect(bomb).wait()).await;
        assert!(answer.exit_code.is_some(), "{bomb}");
        let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
        assert_eq!(
            seen.state,
            SandboxState::Running,
            "{bomb}: {:?}",
            seen.reason
        );
    }
    // There is no room for a command now. Its files can be removed all the same.
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    for folder in crate::files::FOLDERS {
        // Not each of them was begun.
        let _ = soon(files.remove(&format!("{folder}/full"))).await;
    }
    goes_on(&sandboxes, &id).await;
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn files_fill_their_folder_and_nothing_else() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("disk", small(CreateRequest::default())).await;
    for folder in crate::files::FOLDERS {
        let fill = format!(
            "cd {folder} && head -c 1G /dev/zero > full; stat -c %s full; \
             fallocate -l 1G more 2>/dev/null || echo refused; truncate -s 1T hole && du -k hole | cut -f1"
        );
        let filled = run(&sandboxes, &id, &fill).await;
        assert!(
            filled.stderr.contains("No space left"),
            "{folder}: {filled:?}"
        );
        let said: Vec<&str> = filled.stdout.lines().collect();
        assert!(
            said[0].parse::<u64>().unwrap() <= 32 << 20,
            "{folder}: {said:?}"
        );
        assert_eq!(said[1..], ["refused", "0"], "{folder}");
    }
    // All of them are full, and what needs no room works.
    goes_on(&sandboxes, &id).await;
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    let more = futures_util::stream::iter([Ok(vec![7; 1 << 20].into())]);
    let refused = files.write("/workspace/new", Box::pin(more)).await;
    assert!(
        crate::files::is(&refused, sandbox::FileErrorKind::Full),
        "{refused:?}"
    );
    assert!(files.stat("/workspace/new").await.is_err());
    for folder in crate::files::FOLDERS {
        files.remove(&format!("{folder}/full")).await.unwrap();
    }
    let again = "head -c 1M /dev/zero > /workspace/a && echo on";
    assert_eq!(run(&sandboxes, &id, again).await.stdout, "on\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// Makes empty files until there may be no more, with names that are as long as may be.
const MANY: &str = r#"
import errno, os, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    made = 0
    try:
        for made in range(1_000_000):
            os.close(os.open(f"{made:0200}", os.O_CREAT | os.O_EXCL))
        print(folder, "all of them")
    except OSError as error:
        print(folder, errno.errorcode[error.errno], 1_000 < made < 20_000)
"#;

#[tokio::test]
async fn a_million_files_are_not_made() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("files", small(with_python())).await;
    let folders = [&crate::files::FOLDERS[..], &["/dev/shm"]].concat();
    let words: Vec<String> = folders.iter().map(|&folder| folder.to_owned()).collect();
    let said = python(&sandboxes, &id, MANY, &words).await;
    let expected: String = folders
        .iter()
        .map(|folder| format!("{folder} ENOSPC True\n"))
        .collect();
    assert_eq!(said, expected);
    goes_on(&sandboxes, &id).await;
    // Also with so many of them, lists are bounded and the folder can be emptied.
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    assert!(soon(files.list("/workspace", 9)).await.unwrap().len() > 1000);
    let empty = "find /workspace -mindepth 1 -delete; touch /workspace/a && echo on";
    assert_eq!(run(&sandboxes, &id, empty).await.stdout, "on\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn an_endless_output_takes_no_more_than_is_kept_of_it() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("output", CreateRequest::default()).await;
    let unread = sandboxes.exec(&Owner::Person, &id, line("yes; true")).await;
    let unread = unread.unwrap();
    let dropped = ExecRequest {
        background: true,
        ..line("yes | tee /dev/stderr")
    };
    let dropped = sandboxes.exec(&Owner::Person, &id, dropped).await.unwrap();
    for _ in 0..5 {
        assert_eq!(run(&sandboxes, &id, "echo quick").await.stdout, "quick\n");
    }
    // What is waited for ends with its time.
    let request = ExecRequest {
        timeout_s: Some(2.0),
        ..line("yes")
    };
    let exec = sandboxes.exec(&Owner::Person, &id, request).await.unwrap();
    let answer = soon(exec.wait()).await;
    assert!(answer.timed_out && answer.stdout.len() <= 16 << 20);
    for endless in [unread, dropped] {
        assert_eq!(endless.view().exit_code, None);
        endless.signal(9).await.unwrap();
        soon(endless.wait()).await;
    }
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn who_ends_everything_in_it_ends_the_sandbox() {
    if !wanted() {
        return;
    }
    let (site, sandboxes, id) = made("ends", CreateRequest::default()).await;
    let exec = sandboxes
        .exec(&Owner::Person, &id, line("kill -9 -1"))
        .await;
    soon(exec.unwrap().wait()).await;
    let mut reason = String::new();
    until("the sandbox is told as lost", async || {
        let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
        reason = seen.reason.unwrap_or_default();
        seen.state == SandboxState::Lost
    })
    .await;
    assert!(
        reason.starts_with("all of its processes were killed"),
        "{reason}"
    );
    until("its container is gone", async || {
        site.containers().is_empty()
    })
    .await;
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// Holds the lock of the pipe that its output is read from, by a splice from a socket that says nothing
/// more, as soon as the sandbox's loop waits for that lock.
pub const HOLDS: &str = r#"exec python3 -c '
import os, socket, threading, time
near, far = socket.socketpair()
ours = (int(pid) for pid in os.listdir("/proc") if pid.isdigit() and open(f"/proc/{pid}/comm").read() == "sandbox-init\n")
loop = sorted(ours)[1]
def hold():
    while True:
        os.splice(near.fileno(), 1, 10)
threading.Thread(target=hold, daemon=True).start()
while open(f"/proc/{loop}/stat").read().rpartition(")")[2].split()[0] != "D":
    far.send(b"y")
    time.sleep(0.01)
time.sleep(600)
'"#;

#[tokio::test]
async fn one_whose_output_cannot_be_read_is_removed_all_the_same() {
    if !wanted() {
        return;
    }
    let (site, sandboxes, id) = made("held", with_python()).await;
    let request = ExecRequest {
        background: true,
        ..line(HOLDS)
    };
    let exec = sandboxes.exec(&Owner::Person, &id, request).await;
    drop(exec.unwrap());
    let container = id.container();
    until("the loop waits and can't be killed", async || {
        let processes = docker(&["top", &container, "-eo", "pid,stat,args"]);
        processes
            .iter()
            .any(|line| line.contains(" D") && line.contains("sandbox-init"))
    })
    .await;
    soon(sandboxes.remove(&Owner::Person, &id)).await.unwrap();
    assert_eq!(site.containers(), [""; 0]);
    sandboxes.stop().await;
}
