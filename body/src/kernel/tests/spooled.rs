//! Cells that a supervisor leaves behind: none is lost, and none runs twice.

use std::sync::atomic::Ordering;

use serde_json::json;
use wire::{
    job::JobOwner,
    kernel::{ExecRequest, ExecStatus},
};

use super::{
    fake::{Fake, Machine, cell, fresh},
    started,
};
use crate::kernel::{Kernel, MOST_WAITING_BYTES};

fn ids(kernel: &Kernel) -> Vec<String> {
    let executions = kernel.executions();
    executions
        .iter()
        .map(|one| one.order.execution_id.clone())
        .collect()
}

fn of_batch(code: &str) -> ExecRequest {
    ExecRequest {
        batch: Some("all".to_owned()),
        ..cell(code)
    }
}

/// What lies in the spool, but for the folder of it.
fn spooled(machine: &Machine) -> Vec<String> {
    let entries = std::fs::read_dir(machine.folder.path().join("queue")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn waiting_cells_outlive_the_supervisor_and_none_runs_twice() {
    let machine = Machine::new();
    machine.execute(cell("first"));
    machine.execute(cell("second"));
    let before = ids(&machine.kernel);
    let machine = machine.next();
    assert_eq!(ids(&machine.kernel), before);

    // The worker had got the first one already.
    let ready = json!({"type": "ready", "seq": 2, "pid": 7, "shell": fresh()});
    let mut worker = Fake::accept(&machine.listener, ready).await;
    let mut begun = started(1, "first");
    begun["request"]["execution_id"] = json!(before[0]);
    worker.say(begun).await;
    let done = json!({"type": "done", "seq": 2, "execution_id": before[0], "status": "completed",
                      "result": "1", "error": null, "timing_ms": 1, "execution_count": 1});
    worker.say(done).await;
    worker.hears("shell_context").await;
    assert_eq!(worker.hears("execute").await["code"], "second");
    let first = machine.kernel.execution(&before[0]).unwrap();
    assert_eq!(first.answer().await.result.as_deref(), Some("1"));
    assert_eq!(spooled(&machine), [format!("{}.running", before[1])]);
    worker.done(&json!(before[1])).await;
    let second = machine.kernel.execution(&before[1]).unwrap();
    assert_eq!(second.answer().await.status, ExecStatus::Completed);
    assert!(spooled(&machine).is_empty());
    machine.end().await;
}

#[tokio::test]
async fn what_ran_in_a_worker_that_went_with_its_supervisor_has_died_and_its_batch_with_it() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    machine.kernel.ready(None).await;
    machine.execute(of_batch("runs"));
    worker.hears("shell_context").await;
    worker.hears("execute").await;
    machine.execute(of_batch("waits"));
    machine.execute(cell("other"));
    let before = ids(&machine.kernel);
    drop(worker);
    let machine = machine.next();

    let mut worker = machine.worker(2, fresh()).await;
    worker.hears("shell_context").await;
    assert_eq!(worker.hears("execute").await["code"], "other");
    let answer = async |id: &str| machine.kernel.execution(id).unwrap().answer().await.status;
    assert_eq!(answer(&before[0]).await, ExecStatus::Died);
    assert_eq!(answer(&before[1]).await, ExecStatus::Interrupted);
    machine.end().await;
}

#[tokio::test]
async fn a_cell_that_a_worker_goes_on_with_is_not_lost() {
    let machine = Machine::new();
    let mut worker = machine.worker(7, fresh()).await;
    let cell = machine.execute(cell("long"));
    worker.hears("shell_context").await;
    let mut request = worker.hears("execute").await;
    let id = cell.order.execution_id.clone();
    let machine = machine.next();
    let ready = json!({"type": "ready", "seq": 1, "pid": 7, "shell": fresh()});
    let mut worker = Fake::accept(&machine.listener, ready).await;
    request["type"] = json!("execute");
    worker
        .say(json!({"type": "started", "seq": 1, "at_s": 0.5, "request": request}))
        .await;
    machine.kernel.ready(None).await;
    let execution = machine.kernel.execution(&id).unwrap();
    assert!(!execution.is_over() && execution.has_begun());
    worker.done(&json!(id)).await;
    assert_eq!(execution.answer().await.status, ExecStatus::Completed);
    assert_eq!(machine.kernel.executions().len(), 1);
    machine.end().await;
}

#[tokio::test]
async fn what_waits_has_a_limit_and_room_again_when_some_is_taken_out() {
    let machine = Machine::new();
    let large = cell(&"#".repeat(1 << 20));
    machine
        .kernel
        .waiting_bytes
        .store(MOST_WAITING_BYTES - (3 << 19), Ordering::Relaxed);
    let first = machine.execute(large.clone());
    let full = machine
        .kernel
        .execute(large.clone(), JobOwner::Person)
        .err()
        .unwrap();
    assert!(
        full.to_string()
            .starts_with("the queue is full, queued cells: 1;")
    );
    machine.execute(cell("small"));
    machine.kernel.cancel(&first).await;
    machine.execute(large);
    assert_eq!(machine.kernel.waiting(), 2);
    machine.end().await;
}
