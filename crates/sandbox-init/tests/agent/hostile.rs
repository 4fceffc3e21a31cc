//! Whoever is in the container may say anything, as often as it likes.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use agent_status::{HookEvent, HookMessage, ToHelper, write_line};

use crate::helper::{Follower, Helper, folder, launch};

/// Far more than it needs, and far less than what is thrown at it.
const MOST_KB: u64 = 40 << 10;

fn running(helper: &Helper) -> Follower {
    let mut follower = Follower::new(&helper.socket());
    follower.say(&ToHelper::Launch(Box::new(launch("sleep 1000", ""))));
    follower.find("launched", |snapshot| snapshot.launched);
    follower
}

fn works(helper: &Helper, follower: &mut Follower) {
    helper.event(r#"{"hook_event_name":"Stop","session_id":"c"}"#);
    follower.state("your turn");
    helper.event(r#"{"hook_event_name":"PreToolUse","session_id":"c"}"#);
    follower.state("working");
    let memory = helper.memory_kb();
    assert!(memory < MOST_KB, "{memory} KiB");
}

#[test]
fn nonsense_is_closed_and_nobody_else_notices() {
    let helper = Helper::start();
    let mut follower = running(&helper);
    let endless = "x".repeat(1 << 20);
    for nonsense in [
        "\n",
        "{}\n",
        "null\n",
        "{\"launch\":7}\n",
        "\u{0}\u{1}\n",
        &endless,
        "{\"hook\":{}}\n",
    ] {
        let mut stream = UnixStream::connect(helper.socket()).unwrap();
        // It may be closed before all is written.
        let _ = stream.write_all(nonsense.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{nonsense:.20}");
    }
    works(&helper, &mut follower);
}

#[test]
fn a_flood_of_hooks_is_borne() {
    let helper = Helper::start();
    let mut follower = running(&helper);
    let event = HookEvent {
        name: "PreToolUse".into(),
        tool: Some("t".repeat(64)),
        detail: Some("d".repeat(2 << 10)),
        ..HookEvent::default()
    };
    let hook = ToHelper::Hook(HookMessage { event, waits: true });
    let line = write_line(&hook).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    if let Ok(mut stream) = UnixStream::connect(helper.socket()) {
                        let _ = stream.write_all(&line);
                    }
                }
            });
        }
    });
    works(&helper, &mut follower);
    let sizes =
        ["state/journal.jsonl", "state/journal-old.jsonl"].map(|name| helper.read(name).len());
    assert!(sizes.iter().sum::<usize>() < 3 << 20, "{sizes:?}");
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let helper = Helper::start();
    let mut follower = running(&helper);
    let silent: Vec<UnixStream> = (0..400)
        .filter_map(|_| UnixStream::connect(helper.socket()).ok())
        .collect();
    works(&helper, &mut follower);
    drop(silent);
}

#[test]
fn a_follower_that_does_not_read_holds_nobody_up_and_hears_the_newest() {
    let helper = Helper::start();
    let mut follower = running(&helper);
    let mut slow = Follower::new(&helper.socket());
    for number in 0..2000 {
        helper.event(&format!(
            r#"{{"hook_event_name":"PreToolUse","session_id":"c-{number}"}}"#
        ));
    }
    follower.find("the last", |it| {
        it.conversation.as_deref() == Some("c-1999")
    });
    works(&helper, &mut follower);
    slow.find("the last", |it| it.conversation.as_deref() == Some("c"));
}

#[test]
fn asks_that_are_never_answered_are_few() {
    let helper = Helper::start();
    let mut follower = running(&helper);
    let event = |number: usize| HookEvent {
        name: "PermissionRequest".into(),
        tool: Some(format!("t{number}")),
        ..HookEvent::default()
    };
    let waiting: Vec<UnixStream> = (0..100)
        .map(|number| {
            let hook = HookMessage {
                event: event(number),
                waits: true,
            };
            let mut stream = UnixStream::connect(helper.socket()).unwrap();
            stream
                .write_all(&write_line(&ToHelper::Hook(hook)).unwrap())
                .unwrap();
            stream
        })
        .collect();
    follower.find("as many as there may be", |it| {
        it.asks.len() == agent_status::MOST_ASKS
    });
    works(&helper, &mut follower);
    drop(waiting);
}

#[test]
fn files_that_are_pipes_and_links_hold_nobody_up() {
    let folder = folder();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    for name in ["journal.jsonl", "launch.json", "state.json.new"] {
        nix::unistd::mkfifo(&state.join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", state.join("state.json")).unwrap();
    let helper = Helper::start_in(folder);
    let mut follower = running(&helper);
    works(&helper, &mut follower);
}
