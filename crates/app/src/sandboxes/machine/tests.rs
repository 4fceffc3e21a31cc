//! A machine that calls, and an engine that has it, both made up here; and sandboxes that only remember.

mod fake_machine;
mod fake_runner;

use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    error_code::ErrorCode,
    kernel::ExecStatus,
    sandbox::{CodeAnswer, NetworkMode, SandboxId},
    sandbox_call::{
        CALL_BYTES, CALL_FILE_BYTES, SandboxAccess, SandboxAnswer, SandboxCall, SandboxFileContent,
    },
};

use self::{fake_machine::FakeMachine, fake_runner::FakeRunner};
use super::{
    owner,
    work::{Caller, Creating, MOST, Work},
};

fn call(value: serde_json::Value) -> SandboxCall {
    serde_json::from_value(value).unwrap()
}

fn work(runner: &FakeRunner, machine: &str, network: Option<NetworkMode>) -> Work<FakeRunner> {
    Work {
        runner: runner.clone(),
        caller: Caller {
            machine: machine.into(),
            owner: owner(machine),
            access: SandboxAccess {
                allowed: network.is_some(),
                network: network.unwrap_or_default(),
            },
        },
        tasks: TaskTracker::new(),
        creating: Creating::default(),
    }
}

impl Work<FakeRunner> {
    /// What comes of a call, with all that was left to do behind it.
    async fn done(&self, value: serde_json::Value) -> SandboxAnswer {
        let cancelled = CancellationToken::new();
        let answer = self.carry_out(call(value), &cancelled).await.unwrap();
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        answer
    }

    async fn refused(&self, value: serde_json::Value) -> (ErrorCode, String) {
        match self.done(value).await {
            SandboxAnswer::Failed { code, message } => (code, message),
            answer => panic!("{answer:?}"),
        }
    }

    /// Runs a command in a fresh sandbox that is kept.
    async fn kept(&self) -> SandboxId {
        let command = json!({"action": "run_command", "command": "x", "keep": true});
        match self.done(command).await {
            SandboxAnswer::Command {
                sandbox: Some(id), ..
            } => id,
            answer => panic!("{answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_machine_that_is_not_allowed_to_reaches_nothing_and_hears_how_it_is_allowed() {
    let runner = FakeRunner::default();
    let denied = work(&runner, "lab", None);
    for value in [
        json!({"action": "run_command", "command": "x"}),
        json!({"action": "run_code", "code": "1"}),
        json!({"action": "list_sandboxes"}),
        json!({"action": "read_file", "sandbox": "s1", "path": "/workspace/x"}),
        json!({"action": "remove_sandbox", "sandbox": "s1"}),
    ] {
        let (code, message) = denied.refused(value).await;
        assert_eq!(code, ErrorCode::SandboxDenied);
        assert!(
            message.contains("vivarium sandbox allow --machine lab"),
            "{message}"
        );
    }
    assert_eq!(runner.asked(), 0);
}

#[tokio::test]
async fn a_sandbox_is_fresh_and_goes_unless_it_is_kept() {
    let runner = FakeRunner::default();
    let work = work(&runner, "lab", Some(NetworkMode::None));
    let command = json!({"action": "run_command", "command": "echo"});
    let SandboxAnswer::Command { sandbox, answer } = work.done(command).await else {
        panic!();
    };
    assert_eq!((sandbox, answer.stdout.as_str()), (None, "echo"));
    assert_eq!(runner.living(), 0);
    let kept = work.kept().await;
    assert_eq!(runner.living(), 1);
    let again = json!({"action": "run_command", "command": "x", "sandbox": &kept});
    let SandboxAnswer::Command { sandbox, .. } = work.done(again).await else {
        panic!();
    };
    assert_eq!(sandbox.as_ref(), Some(&kept));
    assert_eq!(runner.living(), 1);
    let remove = json!({"action": "remove_sandbox", "sandbox": &kept});
    for existed in [true, false] {
        let answer = work.done(remove.clone()).await;
        assert_eq!(answer, SandboxAnswer::Removed { existed });
    }
}

#[tokio::test]
async fn another_machines_sandbox_is_not_found() {
    let runner = FakeRunner::default();
    let (mine, other) = (
        work(&runner, "lab", Some(NetworkMode::None)),
        work(&runner, "attic", Some(NetworkMode::None)),
    );
    let id = mine.kept().await;
    for value in [
        json!({"action": "run_command", "command": "x", "sandbox": &id}),
        json!({"action": "run_code", "code": "1", "sandbox": &id}),
        json!({"action": "read_file", "sandbox": &id, "path": "/workspace/x"}),
        json!({"action": "write_file", "sandbox": &id, "path": "/workspace/x", "content": {"text": ""}}),
    ] {
        let (code, _) = other.refused(value).await;
        assert_eq!(code, ErrorCode::NotFound);
    }
    let remove = json!({"action": "remove_sandbox", "sandbox": &id});
    let existed = false;
    assert_eq!(other.done(remove).await, SandboxAnswer::Removed { existed });
    assert_eq!(runner.living(), 1);
    let listed = async |work: &Work<FakeRunner>| match work
        .done(json!({"action": "list_sandboxes"}))
        .await
    {
        SandboxAnswer::Sandboxes { sandboxes } => sandboxes.len(),
        answer => panic!("{answer:?}"),
    };
    assert_eq!((listed(&mine).await, listed(&other).await), (1, 0));
}

#[tokio::test]
async fn a_sandbox_reaches_nothing_unless_asked_for_and_no_more_than_is_allowed() {
    let runner = FakeRunner::default();
    let asks = |network: &str| json!({"action": "run_code", "code": "1", "network": network});
    let none = work(&runner, "lab", Some(NetworkMode::None));
    let (code, message) = none.refused(asks("isolated")).await;
    assert_eq!(code, ErrorCode::SandboxDenied);
    assert!(message.contains("--network isolated"), "{message}");
    let isolated = work(&runner, "lab", Some(NetworkMode::Isolated));
    assert_eq!(
        isolated.refused(asks("internet")).await.0,
        ErrorCode::SandboxDenied
    );
    isolated.done(asks("isolated")).await;
    let internet = work(&runner, "lab", Some(NetworkMode::Internet));
    internet.done(asks("internet")).await;
    internet
        .done(json!({"action": "run_code", "code": "1"}))
        .await;
    let networks = [
        NetworkMode::Isolated,
        NetworkMode::Internet,
        NetworkMode::None,
    ];
    assert_eq!(runner.networks(), networks);
    // One that is there keeps its own.
    let id = internet.kept().await;
    let mut other = asks("none");
    other["sandbox"] = json!(id);
    assert_eq!(internet.refused(other).await.0, ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn what_a_machine_asks_for_is_bounded() {
    let runner = FakeRunner::default();
    let work = work(&runner, "lab", Some(NetworkMode::None));
    for value in [
        json!({"action": "run_command", "command": ""}),
        json!({"action": "run_command", "command": "x".repeat(1 << 20)}),
        json!({"action": "run_command", "command": "x", "env": {"A": "x".repeat(1 << 20)}}),
        json!({"action": "run_command", "command": "x", "timeout_s": 0.0}),
        json!({"action": "run_command", "command": "x", "timeout_s": 1e9}),
        json!({"action": "run_code", "code": "x".repeat(8 << 20)}),
        json!({"action": "run_code", "code": "1", "timeout_s": -1.0}),
        json!({"action": "write_file", "sandbox": "s1", "path": "/workspace/x", "content": {"base64": "?"}}),
        json!({"action": "write_file", "sandbox": "s1", "path": "/workspace/x", "content": {"text": "x".repeat(CALL_FILE_BYTES + 1)}}),
        json!({"action": "read_file", "sandbox": "s1", "path": "x".repeat(1 << 20)}),
    ] {
        assert_eq!(work.refused(value).await.0, ErrorCode::InvalidRequest);
    }
    assert_eq!(runner.asked(), 0);
    for _ in 0..MOST {
        work.kept().await;
    }
    let more = json!({"action": "run_code", "code": "1"});
    assert_eq!(work.refused(more).await.0, ErrorCode::TooManySandboxes);
}

#[tokio::test]
async fn what_comes_out_of_a_sandbox_is_bounded() {
    let runner = FakeRunner::default();
    let work = work(&runner, "lab", Some(NetworkMode::None));
    let id = work.kept().await;
    runner.says("ä".repeat(8 << 20));
    let command = json!({"action": "run_command", "command": "say", "sandbox": &id});
    let SandboxAnswer::Command { answer, .. } = work.done(command).await else {
        panic!();
    };
    assert!(answer.truncated && answer.stdout.contains("bytes omitted"));
    assert!(answer.stdout.len() < 2 << 20, "{}", answer.stdout.len());
    let code = json!({"action": "run_code", "code": "say", "sandbox": &id});
    let answer = work.done(code).await;
    assert!(serde_json::to_vec(&answer).unwrap().len() < CALL_BYTES);
    let SandboxAnswer::Code {
        answer: CodeAnswer {
            status, truncated, ..
        },
        ..
    } = answer
    else {
        panic!();
    };
    assert_eq!((status, truncated), (ExecStatus::Completed, true));
    // Bytes, and letters that would be six in JSON, come as base64.
    let read = json!({"action": "read_file", "sandbox": &id, "path": "/workspace/x"});
    for (content, is_text) in [
        (b"text\n".to_vec(), true),
        (vec![1; CALL_FILE_BYTES], false),
        (vec![0xff], false),
    ] {
        runner.holds(content);
        let answer = work.done(read.clone()).await;
        assert!(serde_json::to_vec(&answer).unwrap().len() < CALL_BYTES);
        let SandboxAnswer::File { content, .. } = answer else {
            panic!();
        };
        assert_eq!(matches!(content, SandboxFileContent::Text(_)), is_text);
    }
    runner.holds(vec![0; CALL_FILE_BYTES + 1]);
    assert_eq!(work.refused(read).await.0, ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn nothing_is_left_of_a_call_that_nobody_waits_for() {
    let runner = FakeRunner::default();
    let work = work(&runner, "lab", Some(NetworkMode::None));
    let cancelled = CancellationToken::new();
    let kept = json!({"action": "run_command", "command": "wait", "keep": true});
    let begun = work.carry_out(call(kept), &cancelled);
    let stopping = async {
        runner.waits().await;
        cancelled.cancel();
    };
    let (answer, ()) = tokio::join!(begun, stopping);
    assert_eq!(answer, None);
    work.tasks.close();
    work.tasks.wait().await;
    assert_eq!(runner.living(), 0);
}

#[tokio::test]
async fn a_call_of_a_machine_is_taken_and_answered_as_its_owner_allows() {
    let mut machine = FakeMachine::new().await;
    machine.handle().answer_sandbox_calls();
    // It waited before anybody listened.
    machine.put("c1", json!({"action": "list_sandboxes"}));
    let (id, answer) = machine.answer().await;
    assert_eq!(
        (id.as_str(), &answer["code"]),
        ("c1", &json!("sandbox_denied"))
    );
    assert_eq!(machine.server_orders(), [""; 0]);
    let allowed = json!({"allowed": true, "network": "isolated"});
    let state = machine.set_access(&allowed).await;
    assert_eq!(state, json!({"access": allowed, "sandboxes": []}));
    assert_eq!(machine.server_orders(), ["enable"]);
    machine.put(
        "c2",
        json!({"action": "run_code", "code": "1", "network": "internet"}),
    );
    machine.tell();
    // It is no longer denied as such; how far it comes depends on what is installed here.
    let (id, answer) = machine.answer().await;
    assert_eq!((id.as_str(), &answer["outcome"]), ("c2", &json!("failed")));
    let denied = json!({"allowed": false});
    machine.set_access(&denied).await;
    assert_eq!(machine.server_orders(), ["enable", "remove"]);
    machine.put("c3", json!({"action": "list_sandboxes"}));
    machine.tell();
    let (_, answer) = machine.answer().await;
    assert_eq!(answer["code"], "sandbox_denied");
    machine.stop().await;
}
