//! The driver against a worker that says what the test wants.

mod clock;
mod ends;
mod fake;
mod references;
mod spooled;

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};
use wire::{
    job::JobOwner,
    kernel::{ExecRequest, ExecStatus},
};

use self::fake::{Fake, Machine, cell, fresh};
use super::{AskError, Follower, Message};
use crate::{clock::Clock, shell::Shell};

#[tokio::test]
async fn the_shells_context_goes_both_ways() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(cell("a"));
    assert_eq!(worker.hears("shell_context").await["cwd"], "/");
    let id = worker.hears("execute").await["execution_id"].clone();

    // From outside, while the cell runs.
    machine.shell.context.set("OUTER", "1").unwrap();
    assert_eq!(worker.hears("shell_context").await["env"]["OUTER"], "1");
    // From the cell: added to what is there, and echoed with its number.
    worker
        .say(json!({"type": "shell_context", "changes": 1, "env": {"INNER": "2"}}))
        .await;
    let echo = worker.hears("shell_context").await;
    assert_eq!(
        (&echo["env"], &echo["seen"]),
        (&json!({"INNER": "2", "OUTER": "1"}), &json!(1))
    );
    worker
        .say(json!({"type": "shell_context", "changes": 2, "cwd": "/tmp"}))
        .await;
    worker.done(&id).await;
    assert_eq!(execution.answer().await.status, ExecStatus::Completed);
    assert_eq!(machine.shell.context.snapshot().cwd, PathBuf::from("/tmp"));

    // A new worker is told; its own beginnings count for nothing.
    drop(worker);
    let mut worker = machine.worker(2, fresh()).await;
    machine.execute(cell("b"));
    let told = worker.hears("shell_context").await;
    assert_eq!(
        (&told["cwd"], &told["env"]["INNER"]),
        (&json!("/tmp"), &json!("2"))
    );
    machine.end().await;
}

#[tokio::test]
async fn a_new_supervisor_learns_the_context_from_the_worker() {
    let machine = Machine::new();
    let shell = json!({"cwd": "/usr", "env": {"A": "b"}, "changes": 3});
    let mut worker = machine.worker(1, shell).await;
    machine.execute(cell("a"));
    assert_eq!(worker.hears("shell_context").await["seen"], 3);
    let now = machine.shell.context.snapshot();
    let env = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
    assert_eq!((now.cwd, now.env), (PathBuf::from("/usr"), env));
    machine.end().await;
}

#[tokio::test]
async fn a_worker_at_rest_hears_of_the_context_and_none_takes_the_next_supervisor_back() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = || {
        let shell = Shell::take_over(folder.path(), "/".into());
        Machine::of(shell, Clock::system())
    };
    let machine = supervisor();
    let mut worker = machine.worker(1, fresh()).await;
    assert_eq!(worker.hears("shell_context").await["cwd"], "/");
    // From a thread of a cell that is over.
    worker
        .say(json!({"type": "shell_context", "changes": 1, "cwd": "/var"}))
        .await;
    let echo = worker.hears("shell_context").await;
    assert_eq!((&echo["cwd"], &echo["seen"]), (&json!("/var"), &json!(1)));
    machine.shell.context.cd("/usr").unwrap();
    assert_eq!(worker.hears("shell_context").await["cwd"], "/usr");
    machine.end().await;

    let machine = supervisor();
    let left = json!({"cwd": "/var", "env": {}, "changes": 1});
    let mut worker = machine.worker(1, left).await;
    assert_eq!(worker.hears("shell_context").await["cwd"], "/usr");
    machine.end().await;
}

#[tokio::test]
async fn lost_output_is_said_where_it_is_missing() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(cell("a"));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let output = json!({"output_type": "stream", "name": "stdout", "text": "end\n"});
    worker
        .say(json!({"type": "truncated", "from": 6, "to": 105}))
        .await;
    worker
        .say(json!({"type": "event", "seq": 106, "execution_id": id, "output": output}))
        .await;
    worker.done(&id).await;
    let answer = execution.answer().await;
    assert_eq!(answer.outputs.len(), 2);
    assert!(
        answer.stderr.contains("100 outputs omitted"),
        "{}",
        answer.stderr
    );
    assert_eq!(answer.stdout, "end\n");
    machine.end().await;
}

/// Of the cell that a supervisor before this one sent.
fn started(seq: u64, code: &str) -> Value {
    let request = json!({"type": "execute", "execution_id": "X1", "id": "mine", "code": code});
    json!({"type": "started", "seq": seq, "at_s": 0.5, "request": request})
}

#[tokio::test]
async fn a_new_supervisor_takes_over_the_running_cell_and_its_outputs() {
    let machine = Machine::new();
    let ready = json!({"type": "ready", "seq": 4, "pid": 7, "shell": fresh()});
    let mut worker = Fake::accept(&machine.listener, ready).await;
    let piece = |seq: u64, text: &str| {
        json!({"type": "event", "seq": seq, "execution_id": "X1",
               "output": {"output_type": "stream", "name": "stdout", "text": text}})
    };
    let request = json!({"type": "input_request", "seq": 3, "execution_id": "X1", "number": 1,
                         "prompt": "who?", "password": false});
    for message in [started(1, "c"), piece(2, "a"), request, piece(4, "b")] {
        worker.say(message).await;
    }
    machine.kernel.ready(None).await;
    let execution = machine.kernel.execution("X1").unwrap();
    let shown = execution.shown();
    assert_eq!(
        (shown.id.as_str(), shown.code.as_str(), shown.last_seq),
        ("mine", "c", 3)
    );
    // The question still stands, and is answered.
    assert_eq!(shown.input.unwrap().prompt, "who?");
    assert!(machine.kernel.input(&execution, "me".to_owned()).await);
    let answer = worker.hears("input").await;
    assert_eq!(
        (&answer["number"], &answer["value"]),
        (&json!(1), &json!("me"))
    );
    worker.say(piece(5, "c")).await;
    worker.done(&json!("X1")).await;
    assert_eq!(execution.answer().await.stdout, "abc");
    // The next cell takes its turn.
    machine.execute(cell("next"));
    worker.hears("shell_context").await;
    assert_eq!(worker.hears("execute").await["code"], "next");
    machine.end().await;
}

#[tokio::test]
async fn what_is_asked_is_answered_beside_a_cell_and_jobs_take_their_turn() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    machine.kernel.ready(None).await;
    machine.execute(cell("a"));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let job = machine.kernel.job("reset", Value::Null);
    let ask = machine.kernel.ask("variables", json!({"x": 1}));
    let working = async {
        let asked = worker.hears("ask").await;
        assert_eq!(
            (&asked["what"], &asked["arguments"]["x"]),
            (&json!("variables"), &json!(1))
        );
        worker
            .say(json!({"type": "answer", "ask": asked["ask"], "error": "no"}))
            .await;
        worker.done(&id).await;
        let asked = worker.hears("ask").await;
        assert_eq!(asked["what"], "reset");
        worker
            .say(json!({"type": "answer", "ask": asked["ask"], "value": {"done": 1}}))
            .await;
    };
    let (reset, asked, ()) = tokio::join!(job, ask, working);
    assert_eq!(reset.unwrap()["done"], 1);
    assert!(matches!(asked, Err(AskError::Failed(why)) if why == "no"));

    // A worker that goes takes its job with it.
    let job = machine.kernel.job("store", Value::Null);
    let going = async {
        worker.hears("ask").await;
        drop(worker);
    };
    assert!(matches!(tokio::join!(job, going).0, Err(AskError::Gone)));
    machine.end().await;
}

#[tokio::test]
async fn an_input_that_nobody_can_answer_is_refused() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(cell("input()"));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let request = |number: u64| {
        json!({"type": "input_request", "seq": number, "execution_id": id, "number": number,
               "prompt": "", "password": true})
    };
    worker.say(request(1)).await;
    assert_eq!(worker.hears("input").await["value"], Value::Null);
    // With somebody there it is asked, and over when the cell says so.
    let follower = Follower::new(&execution);
    let mut changes = execution.watch();
    worker.say(request(2)).await;
    changes
        .wait_for(|_| execution.shown().input.is_some())
        .await
        .unwrap();
    worker
        .say(json!({"type": "input_over", "seq": 3, "execution_id": id, "number": 2}))
        .await;
    changes
        .wait_for(|_| execution.shown().input.is_none())
        .await
        .unwrap();
    assert!(!machine.kernel.input(&execution, String::new()).await);
    drop(follower);
    worker.done(&id).await;
    machine.end().await;
}

#[tokio::test]
async fn an_update_reaches_the_display_of_an_earlier_cell() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let mut ids = Vec::new();
    for kind in ["display_data", "update_display_data"] {
        let execution = machine.execute(cell(kind));
        if ids.is_empty() {
            worker.hears("shell_context").await;
        }
        let id = worker.hears("execute").await["execution_id"].clone();
        let output = json!({"output_type": kind, "data": {"text/plain": kind}, "metadata": {},
                            "transient": {"display_id": "d"}});
        worker
            .say(json!({"type": "event", "seq": 1, "execution_id": id, "output": output}))
            .await;
        worker.done(&id).await;
        execution.answer().await;
        ids.push(execution.order.execution_id.clone());
    }
    let shown = machine.kernel.execution(&ids[0]).unwrap().shown();
    assert_eq!(
        shown.outputs[0]["data"]["text/plain"],
        "update_display_data"
    );
    assert!(
        machine
            .kernel
            .execution(&ids[1])
            .unwrap()
            .shown()
            .outputs
            .is_empty()
    );
    machine.end().await;
}

#[tokio::test]
async fn a_comms_message_takes_its_turn_and_what_comes_late_is_kept() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let first = machine.execute(cell("a"));
    let message = Message {
        comm_id: "c".to_owned(),
        ..Message::default()
    };
    let second = machine
        .kernel
        .send(ExecRequest::default(), JobOwner::Machine, message)
        .unwrap();
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    worker.done(&id).await;
    let heard = worker.hears("execute").await;
    assert_eq!(
        (&heard["comm"]["msg_type"], &heard["comm"]["comm_id"]),
        (&json!("comm_msg"), &json!("c"))
    );
    let id = heard["execution_id"].clone();
    let said =
        json!({"type": "comm", "seq": 3, "execution_id": id, "message": {"msg_type": "comm_msg"}});
    worker.say(said.clone()).await;
    worker.done(&id).await;
    assert_eq!(first.answer().await.status, ExecStatus::Completed);
    assert_eq!(second.answer().await.status, ExecStatus::Completed);
    let mut changes = second.watch();
    worker.say(said).await;
    changes
        .wait_for(|_| second.since(0).0.len() == 2)
        .await
        .unwrap();
    machine.end().await;
}
