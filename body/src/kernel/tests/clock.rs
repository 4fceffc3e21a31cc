//! A wall clock that jumps: no limit of a cell sees it, and ids stay in order.

use serde_json::json;
use wire::kernel::{ExecRequest, ExecStatus};

use super::fake::{Machine, cell, fresh};
use crate::clock::Jumping;

fn limited(code: &str, timeout_s: f64) -> ExecRequest {
    ExecRequest {
        timeout_s: Some(timeout_s),
        ..cell(code)
    }
}

#[tokio::test]
async fn no_limit_ends_early_and_none_is_stuck_while_the_wall_clock_jumps() {
    let wall = Jumping::default();
    let machine = Machine::with(wall.clock());
    let mut worker = machine.worker(1, fresh()).await;
    let long = machine.execute(limited("long", 3600.0));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    for hours in [5, -5, 365 * 24] {
        wall.jump(hours);
        // The next that the worker hears is this, and no interrupt.
        let text = hours.to_string();
        machine.shell.context.set("HOURS", &text).unwrap();
        assert_eq!(
            worker.hears("shell_context").await["env"]["HOURS"],
            text.as_str()
        );
    }
    worker.done(&id).await;
    assert_eq!(long.answer().await.status, ExecStatus::Completed);

    let short = machine.execute(limited("short", 0.05));
    let id = worker.hears("execute").await["execution_id"].clone();
    wall.jump(-10);
    worker.hears("interrupt").await;
    worker
        .say(json!({
            "type": "done", "seq": 9, "execution_id": id, "status": "interrupted",
            "result": null, "error": null, "timing_ms": 50, "execution_count": 2,
        }))
        .await;
    assert_eq!(short.answer().await.status, ExecStatus::Timeout);

    let last = machine.execute(cell("last"));
    let ids = [&long, &short, &last].map(|one| &one.order.execution_id);
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    machine.end().await;
}

#[tokio::test]
async fn a_limit_beyond_all_time_is_none() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(limited("a", 1.8e19));
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    worker.done(&id).await;
    assert_eq!(execution.answer().await.status, ExecStatus::Completed);
    machine.end().await;
}
