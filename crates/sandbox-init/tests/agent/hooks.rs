//! Hooks, and what is answered to them.

use agent_status::ToHelper;

use crate::helper::{Follower, Helper, launch};

const ASKS: &str = r#"{"hook_event_name":"PermissionRequest","session_id":"c","tool_name":"Bash","tool_input":{"command":"rm -rf /"}}"#;

fn running() -> (Helper, Follower) {
    let helper = Helper::start();
    let mut follower = Follower::new(&helper.socket());
    follower.say(&ToHelper::Launch(Box::new(launch("sleep 1000", ""))));
    follower.find("launched", |snapshot| snapshot.launched);
    (helper, follower)
}

#[test]
fn a_hook_tells_and_ends_at_once() {
    let (helper, mut follower) = running();
    let hook = helper.hook(
        &[],
        r#"{"hook_event_name":"UserPromptSubmit","session_id":"c"}"#,
    );
    follower.state("working");
    let ended = hook.join().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty());
    // A large output of the tool's own tool is no hindrance, nor one that is too large.
    for size in [1 << 20, 8 << 20] {
        let text = "x".repeat(size);
        let json =
            format!(r#"{{"hook_event_name":"Stop","session_id":"c","tool_response":"{text}"}}"#);
        let hook = helper.hook(&["Stop"], &json);
        follower.state("your turn");
        assert!(hook.join().unwrap().status.success());
        helper.event(r#"{"hook_event_name":"PreToolUse","session_id":"c"}"#);
        follower.state("working");
    }
    let journal = helper.read("state/journal.jsonl");
    assert_eq!(journal.lines().count(), 5, "{journal}");
}

#[test]
fn a_permission_is_answered_in_the_window() {
    let (helper, mut follower) = running();
    for (allow, message, expected) in [
        (true, None, r#""behavior":"allow""#),
        (
            false,
            Some("not on my computer"),
            r#""message":"not on my computer""#,
        ),
    ] {
        let hook = helper.hook(&["--wait"], ASKS);
        let asked = follower.find("an ask", |snapshot| !snapshot.asks.is_empty());
        assert_eq!(asked.asks[0].detail, "rm -rf /");
        let message = message.map(str::to_owned);
        let ask = asked.asks[0].id;
        follower.say(&ToHelper::Answer {
            ask,
            allow,
            message,
        });
        let said = String::from_utf8(hook.join().unwrap().stdout).unwrap();
        assert!(said.contains(expected), "{said}");
        assert!(
            said.contains(r#""hookEventName":"PermissionRequest""#),
            "{said}"
        );
        let after = follower.state("working");
        assert!(after.asks.is_empty());
    }
}

#[test]
fn a_permission_that_is_answered_in_the_terminal_lets_its_hook_go_without_a_word() {
    let (helper, mut follower) = running();
    let settles = r#"{"hook_event_name":"PostToolUse","session_id":"c","tool_name":"Bash","tool_input":{"command":"rm -rf /"}}"#;
    for typed in [true, false] {
        let hook = helper.hook(&["--wait"], ASKS);
        follower.find("an ask", |snapshot| !snapshot.asks.is_empty());
        match typed {
            true => follower.say(&ToHelper::Typed),
            false => helper.event(settles),
        }
        let ended = hook.join().unwrap();
        assert!(ended.status.success() && ended.stdout.is_empty());
        follower.state("working");
    }
}

#[test]
fn a_hook_that_does_not_wait_asks_in_the_terminal_alone() {
    let (helper, mut follower) = running();
    let ended = helper.hook(&[], ASKS).join().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty());
    let waiting = follower.state("waiting");
    assert!(waiting.asks.is_empty());
}

#[test]
fn a_hook_that_is_killed_leaves_no_ask_behind() {
    let (helper, mut follower) = running();
    {
        use std::io::Write;
        let mut stream = std::os::unix::net::UnixStream::connect(helper.socket()).unwrap();
        let event = agent_status::read_hook(ASKS.as_bytes(), None).unwrap();
        let hook = agent_status::HookMessage { event, waits: true };
        let line = agent_status::write_line(&ToHelper::Hook(hook)).unwrap();
        stream.write_all(&line).unwrap();
        follower.find("an ask", |snapshot| !snapshot.asks.is_empty());
    }
    let after = follower.find("no ask", |snapshot| snapshot.asks.is_empty());
    assert_eq!(after.state.word(), "waiting");
}

#[test]
fn without_a_helper_a_hook_is_no_failure() {
    let (helper, _) = running();
    helper.terminate();
    let socket = helper.socket();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sandbox-init"));
    command
        .arg("hook")
        .arg("--wait")
        .arg("--socket")
        .arg(socket.with_extension("gone"));
    let ended = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty());
}
