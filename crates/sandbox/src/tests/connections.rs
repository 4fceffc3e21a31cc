//! Connections that end and begin again, and what is asked over them.

use super::{line, run, soon, start, until};
use crate::{
    clock::Moment,
    error::SandboxError,
    exec::Exec,
    sandbox::{Gone, Life, Sandbox},
    start_exec,
    testing::Inside,
};

#[tokio::test]
async fn commands_go_on_while_their_host_is_away() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let Life::Running(session) = sandbox.life() else {
        panic!("it runs")
    };
    let fifo = inside.path("go");
    let script = format!("echo before; mkfifo {fifo}; cat {fifo} >/dev/null; seq 100000; exit 4");
    let exec = start(&sandbox, line(&script)).await;
    until(&exec, "before").await;
    session.close().await;
    assert!(sandbox.set_life(Life::Detached));
    // It goes on, and ends or waits, while nobody is there.
    let wait = soon(tokio::fs::write(&fifo, "go")).await;
    wait.expect("somebody reads");
    let (again, execs) = inside.back(session.key()).await;
    assert_eq!(execs.len(), 1);
    sandbox.take_up_execs(&again, &execs);
    assert!(sandbox.set_life(Life::Running(again.clone())));
    let answer = soon(exec.wait()).await;
    assert_eq!(answer.stdout.lines().count(), 100_001);
    assert!(answer.stdout.ends_with("\n100000\n"));
    assert_eq!((answer.exit_code, answer.truncated), (Some(4), false));
    assert_eq!(soon(run(&sandbox, line("echo new"))).await.stdout, "new\n");
}

#[tokio::test]
async fn the_next_process_finds_what_runs() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let Life::Running(session) = sandbox.life() else {
        panic!("it runs")
    };
    let mut request = line("echo started; cat; exit 6");
    request.background = true;
    let exec = start(&sandbox, request).await;
    until(&exec, "started").await;
    session.close().await;
    let (again, execs) = inside.back(session.key()).await;
    let next = Sandbox::new(crate::record::tests::record("a"), 0, Life::Detached);
    next.take_up_execs(&again, &execs);
    assert!(next.set_life(Life::Running(again)));
    let [found] = <[_; 1]>::try_from(next.all_execs()).expect("one command");
    let found = Exec(found);
    assert_eq!((found.id(), found.pid()), (exec.id(), exec.pid()));
    assert!(found.view().background);
    until(&found, "started").await;
    found.close_stdin().await.expect("closed");
    assert_eq!(soon(found.wait()).await.exit_code, Some(6));
}

#[tokio::test]
async fn commands_of_a_sandbox_that_is_gone_have_ended() {
    let mut inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let exec = start(&sandbox, line("echo ready; sleep 1000")).await;
    until(&exec, "ready").await;
    let Life::Running(session) = sandbox.life() else {
        panic!("it runs")
    };
    inside.kill();
    soon(session.over()).await;
    assert!(sandbox.set_life(Life::Gone(Gone {
        is_lost: true,
        reason: "it was killed".into(),
        at: Moment::now(),
    })));
    let answer = soon(exec.wait()).await;
    assert_eq!(
        (answer.stdout.as_str(), answer.exit_code),
        ("ready\n", Some(137))
    );
    let refused = start_exec::start(&sandbox, line("true"), false).await;
    assert!(matches!(refused, Err(SandboxError::Lost { .. })));
}

#[tokio::test]
async fn usage_is_asked_of_the_first_process() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    soon(sandbox.look_at_usage()).await;
    assert!(sandbox.view().usage.is_some());
}
