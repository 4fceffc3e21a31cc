//! What ends a cell, and what must not: the kernel's end, interrupts, limits, a frame beyond all size.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use wire::kernel::{ExecRequest, ExecStatus};

use super::fake::{DEADLINE, Fake, Machine, cell, fresh};
use crate::kernel::{AskError, Execution, Follower, ending::Ending, link::LONGEST_FRAME};

async fn answered(execution: &Execution) -> ExecStatus {
    let answer = tokio::time::timeout(DEADLINE, execution.answer()).await;
    answer.expect("an answer").status
}

#[tokio::test]
async fn a_kernel_that_goes_for_good_ends_its_running_cell_too() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let running = machine.execute(cell("flood"));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let waiting = machine.execute(cell("waits"));
    // Its client lags: the driver waits for it and not for the worker.
    let _follower = Follower::new(&running);
    let mut changes = running.watch();
    let flood = "x".repeat(5 << 20);
    let output = json!({"output_type": "stream", "name": "stdout", "text": flood});
    worker
        .say(json!({"type": "event", "seq": 1, "execution_id": id, "output": output}))
        .await;
    changes
        .wait_for(|_| running.followers.are_behind())
        .await
        .unwrap();
    drop(worker);
    machine.stop.cancel();
    machine.kernel.close();
    assert_eq!(answered(&running).await, ExecStatus::Died);
    assert_eq!(answered(&waiting).await, ExecStatus::Interrupted);
    // The driver may have heard of the worker's end as well: a cell ends once.
    running.runs(crate::clock::Instant::now());
    machine.kernel.end(&running, Ending::died(Duration::ZERO));
    assert!(running.is_over());
    assert_eq!(
        (machine.kernel.waiting(), machine.kernel.counts()["died"]),
        (0, 1)
    );
    // A request that found the kernel before it went.
    let late = machine.execute(cell("late"));
    assert_eq!(answered(&late).await, ExecStatus::Interrupted);
    let late = tokio::time::timeout(DEADLINE, machine.kernel.job("reset", Value::Null)).await;
    assert!(matches!(late.expect("an answer"), Err(AskError::Gone)));
    machine.end().await;
}

#[tokio::test]
async fn an_interrupt_reaches_no_worker_but_the_one_that_was_there() {
    let machine = Machine::new();
    let next = machine.execute(cell("next"));
    machine.kernel.interrupt().await;
    let mut worker = machine.worker(1, fresh()).await;
    worker.hears("shell_context").await;
    worker.hears("execute").await;
    still_asks(&machine, &mut worker).await;

    // Two that come as the worker goes: the driver takes the first one at the most.
    let after = machine.execute(cell("after"));
    drop(worker);
    machine.kernel.interrupt().await;
    machine.kernel.interrupt().await;
    assert_eq!(answered(&next).await, ExecStatus::Died);
    let mut worker = machine.worker(2, fresh()).await;
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    still_asks(&machine, &mut worker).await;
    worker.done(&id).await;
    assert_eq!(answered(&after).await, ExecStatus::Completed);
    machine.end().await;
}

/// The next that the worker hears is a question.
async fn still_asks(machine: &Machine, worker: &mut Fake) {
    machine.kernel.ready(None).await;
    let answering = async {
        let ask = worker.hears("ask").await["ask"].clone();
        worker.say(json!({"type": "answer", "ask": ask})).await;
    };
    let (asked, ()) = tokio::join!(machine.kernel.ask("variables", Value::Null), answering);
    asked.unwrap();
}

#[tokio::test]
async fn a_limit_holds_also_for_a_cell_that_was_interrupted_before() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(ExecRequest {
        timeout_s: Some(0.3),
        ..cell("swallows the first")
    });
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    machine.kernel.interrupt().await;
    worker.hears("interrupt").await;
    worker.hears("interrupt").await;
    worker
        .say(json!({
            "type": "done", "seq": 9, "execution_id": id, "status": "interrupted",
            "result": null, "error": null, "timing_ms": 300, "execution_count": 1,
        }))
        .await;
    assert_eq!(answered(&execution).await, ExecStatus::Timeout);
    machine.end().await;
}

#[tokio::test]
async fn a_job_has_its_turn_to_its_end_also_when_nobody_waits_for_it() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    machine.kernel.ready(None).await;
    let store = {
        let job = machine.kernel.job("store", Value::Null);
        let hearing = async {
            worker.hears("shell_context").await;
            worker.hears("ask").await["ask"].clone()
        };
        tokio::select! {
            _ = job => panic!("it was not answered"),
            ask = hearing => ask,
        }
    };
    let execution = machine.execute(cell("after"));
    still_asks(&machine, &mut worker).await;
    still_asks(&machine, &mut worker).await;
    worker.say(json!({"type": "answer", "ask": store})).await;
    let id = worker.hears("execute").await["execution_id"].clone();
    worker.done(&id).await;
    assert_eq!(answered(&execution).await, ExecStatus::Completed);
    machine.end().await;
}

#[tokio::test]
async fn a_worker_whose_frame_is_beyond_all_size_is_ended() {
    let machine = Machine::new();
    let mut process = tokio::process::Command::new("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = i32::try_from(process.id().unwrap()).unwrap();
    let mut worker = machine.worker(pid, fresh()).await;
    let execution = machine.execute(cell("large"));
    worker.hears("shell_context").await;
    worker.hears("execute").await;
    worker.promises(LONGEST_FRAME + 1).await;
    assert_eq!(answered(&execution).await, ExecStatus::Died);
    let ended = tokio::time::timeout(DEADLINE, process.wait()).await;
    assert!(!ended.expect("its end").unwrap().success());
    machine.end().await;
}

#[tokio::test]
async fn behind_a_cell_of_a_batch_that_fails_none_of_it_runs() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    machine.kernel.ready(None).await;
    let of = |code: &str, batch: &str| {
        machine.execute(ExecRequest {
            batch: Some(batch.to_owned()),
            ..cell(code)
        })
    };
    let status = |cell: &Execution| cell.since(0).1.map(|answer| answer.status);
    let first = of("1/0", "one");
    worker.hears("shell_context").await;
    let failing = worker.hears("execute").await["execution_id"].clone();
    // One that waits, another client's, and one that comes when the first has failed.
    let waits = of("2", "one");
    let other = of("3", "two");
    worker
        .say(json!({
            "type": "done", "seq": 9, "execution_id": failing, "status": "failed", "result": null,
            "error": {"type": "ZeroDivisionError", "message": "", "traceback": ""}, "timing_ms": 1,
            "execution_count": 1,
        }))
        .await;
    let runs = worker.hears("execute").await;
    assert_eq!(runs["code"], "3");
    assert_eq!(status(&first), Some(ExecStatus::Failed));
    assert_eq!(status(&waits), Some(ExecStatus::Interrupted));
    assert_eq!(status(&of("4", "one")), Some(ExecStatus::Interrupted));

    // One that is taken out of the queue breaks nothing.
    let out = of("5", "two");
    let last = of("6", "two");
    assert!(machine.kernel.take_out(&out.order.execution_id));
    machine.kernel.end(&out, Ending::interrupted_in_queue());
    worker.done(&runs["execution_id"]).await;
    assert_eq!(worker.hears("execute").await["code"], "6");
    assert_eq!(
        (status(&other), status(&last)),
        (Some(ExecStatus::Completed), None)
    );
    machine.end().await;
}

#[tokio::test]
async fn behind_a_cell_of_a_batch_that_exits_none_of_it_runs_and_it_is_completed() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    machine.kernel.ready(None).await;
    let of = |code: &str| {
        machine.execute(ExecRequest {
            batch: Some("one".to_owned()),
            ..cell(code)
        })
    };
    let first = of("import sys; sys.exit()");
    worker.hears("shell_context").await;
    let exits = worker.hears("execute").await["execution_id"].clone();
    let waits = of("2");
    let other = machine.execute(cell("3"));
    worker
        .say(json!({
            "type": "done", "seq": 9, "execution_id": exits, "status": "completed", "result": null,
            "error": null, "timing_ms": 1, "execution_count": 1, "exit_code": 0,
        }))
        .await;
    let answer = tokio::time::timeout(DEADLINE, first.answer())
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.exit_code),
        (ExecStatus::Completed, Some(0))
    );
    assert_eq!(answered(&waits).await, ExecStatus::Interrupted);
    let runs = worker.hears("execute").await;
    assert_eq!(runs["code"], "3");
    worker.done(&runs["execution_id"]).await;
    let answer = tokio::time::timeout(DEADLINE, other.answer())
        .await
        .unwrap();
    assert_eq!(answer.exit_code, None);
    machine.end().await;
}
