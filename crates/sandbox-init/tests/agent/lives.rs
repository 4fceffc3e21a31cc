//! What runs, in one life after another.

use agent_status::ToHelper;
use nix::sys::signal::{Signal, kill};
use wire::agent::AgentState;

use crate::helper::{Follower, Helper, launch};

fn told(helper: &Helper, first: &str, resume: &str) -> Follower {
    let mut follower = Follower::new(&helper.socket());
    follower.say(&ToHelper::Launch(Box::new(launch(first, resume))));
    follower
}

#[test]
fn what_is_to_run_is_run_and_its_code_is_the_container_s() {
    let helper = Helper::start();
    let mut follower = told(&helper, "exit 7", "");
    follower.find("launched", |snapshot| snapshot.launched);
    let end = follower.find("exited", |snapshot| !snapshot.state.is_live());
    assert_eq!(end.state, AgentState::Exited { code: Some(7) });
    let (code, log, _) = helper.ended();
    assert_eq!(code, Some(7));
    for line in [
        "agent: started",
        "agent: the tool runs",
        "agent: exited with code 7",
    ] {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn the_conversation_goes_on_in_another_life() {
    let helper = Helper::start();
    let mut follower = told(
        &helper,
        "echo first $1 >$TEST_FOLDER/ran; sleep 1000",
        "echo resumed $1 >$TEST_FOLDER/ran",
    );
    crate::until("it ran", || helper.read("ran").contains("first"));
    helper.event(r#"{"hook_event_name":"SessionStart","session_id":"c-1"}"#);
    follower.find("the conversation", |it| {
        it.conversation.as_deref() == Some("c-1")
    });
    helper.terminate();
    let (code, log, folder) = helper.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("agent: asked to stop"), "{log}");
    let helper = Helper::start_in(folder);
    crate::until("it ran again", || {
        helper.read("ran").contains("resumed c-1")
    });
}

#[test]
fn a_tool_that_cannot_be_started_says_why() {
    let helper = Helper::start();
    let mut wrong = launch("", "");
    wrong.first = vec!["/does/not/exist".into()];
    let mut follower = Follower::new(&helper.socket());
    follower.say(&ToHelper::Launch(Box::new(wrong)));
    let end = follower.find("failed", |snapshot| !snapshot.state.is_live());
    let AgentState::Failed { reason } = end.state else {
        panic!("{:?}", end.state)
    };
    assert!(
        reason.contains("could not start /does/not/exist"),
        "{reason}"
    );
    assert_eq!(helper.ended().0, Some(1));
}

#[test]
fn a_terminal_that_is_killed_is_a_failure_and_not_a_hang() {
    let helper = Helper::start();
    let mut follower = told(&helper, "exec sleep 1000", "");
    follower.find("launched", |snapshot| snapshot.launched);
    let (terminal, tool) = (helper.pid("terminal"), helper.pid("tool"));
    // Whoever starts the tool says so before it does.
    crate::until("the tool runs", || {
        let children = std::fs::read_to_string(format!("/proc/{tool}/task/{tool}/children"));
        children.is_ok_and(|children| !children.trim().is_empty())
    });
    for pid in [terminal, tool] {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    let end = follower.find("failed", |snapshot| !snapshot.state.is_live());
    assert!(
        matches!(end.state, AgentState::Failed { .. }),
        "{:?}",
        end.state
    );
    assert_eq!(helper.ended().0, Some(1));
}

#[test]
fn without_tmux_it_fails_with_the_reason() {
    let folder = crate::helper::folder();
    std::fs::write(
        folder.path().join("tmux"),
        "#!/bin/sh\necho 'no terminals here' >&2\nexit 3\n",
    )
    .unwrap();
    let helper = Helper::start_in(folder);
    let mut follower = told(&helper, "true", "");
    let end = follower.find("failed", |snapshot| !snapshot.state.is_live());
    let AgentState::Failed { reason } = end.state else {
        panic!("{:?}", end.state)
    };
    assert!(reason.contains("no terminals here"), "{reason}");
}

#[test]
fn what_runs_is_said_once() {
    let helper = Helper::start();
    let mut follower = told(&helper, "echo one >>$TEST_FOLDER/ran; sleep 1000", "");
    follower.find("launched", |snapshot| snapshot.launched);
    crate::until("it ran", || helper.read("ran").contains("one"));
    let other = launch("echo two >>$TEST_FOLDER/ran", "");
    helper.say(&ToHelper::Launch(Box::new(other)));
    helper.say(&ToHelper::Begin);
    helper.event(r#"{"hook_event_name":"UserPromptSubmit","session_id":"c"}"#);
    follower.state("working");
    assert_eq!(helper.read("ran"), "one\n");
}
