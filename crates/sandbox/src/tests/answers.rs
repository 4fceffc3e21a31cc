//! A first process that doesn't answer: what runs in a sandbox can keep it from that. Time is the tests'
//! own here: it passes at once while everybody waits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use nix::sys::signal::Signal;
use wire::sandbox::ExecRequest;

use super::{line, run, start, until};
use crate::{
    error::SandboxError,
    exec::{ExecEventKind, Unseen},
    files::Files,
    sandbox::{Life, Sandbox},
    start_exec,
    testing::Inside,
};

/// Far longer than anything may wait.
const LONG: Duration = Duration::from_secs(3600);

async fn ended<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LONG, work).await;
    done.expect("it isn't waited for without end")
}

fn says_so<T: std::fmt::Debug>(result: Result<T, SandboxError>) {
    let error = result.expect_err("it can't be done");
    assert!(matches!(error, SandboxError::Session { .. }), "{error:?}");
    let words = error.to_string();
    assert!(
        words.contains("is not responding: no response from its first process for"),
        "{words}"
    );
}

/// A sandbox with a command that has a time limit, held before that is over.
async fn held(inside: &Inside) -> (Arc<Sandbox>, crate::exec::Exec) {
    let sandbox = inside.sandbox().await;
    let request = ExecRequest {
        timeout_s: Some(600.0),
        ..line("echo ready; sleep 1000")
    };
    let exec = start(&sandbox, request).await;
    until(&exec, "ready").await;
    inside.signal(Signal::SIGSTOP);
    tokio::time::pause();
    (sandbox, exec)
}

#[tokio::test]
async fn nothing_waits_without_end_and_the_sandbox_says_why() {
    let inside = Inside::start();
    let (sandbox, exec) = held(&inside).await;
    assert!(sandbox.view().responding);
    says_so(ended(exec.answer()).await);
    let events: Vec<_> = ended(exec.events(0).collect()).await;
    let Some(ExecEventKind::Ended(exit)) = events.last().map(|event| &event.kind) else {
        panic!("it has an end: {events:?}")
    };
    assert!(exit.timed_out && matches!(exit.unseen, Some(Unseen::NoAnswer { .. })));
    let view = sandbox.view();
    assert!(!view.responding);
    assert!(
        view.notes
            .iter()
            .any(|note| note.contains("hasn't answered")),
        "{:?}",
        view.notes
    );
    // Neither does anything that comes later.
    says_so(ended(start_exec::start(&sandbox, line("true"), false)).await);
    let files = Files(Arc::clone(&sandbox));
    says_so(ended(files.list(&inside.path(""), 1)).await);
    says_so(ended(files.read(&inside.path("a"))).await.map(drop));
    let much = stream::iter((0..64).map(|_| Ok(Bytes::from(vec![0; 1 << 20]))));
    says_so(ended(files.write(&inside.path("b"), much.boxed())).await);
    says_so(ended(files.pack()).await.map(drop));
    // It answers again, and what was given up is killed.
    inside.signal(Signal::SIGCONT);
    tokio::time::resume();
    super::soon(async {
        while !sandbox.view().responding {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        super::soon(run(&sandbox, line("echo on"))).await.stdout,
        "on\n"
    );
    let pid = exec.pid();
    super::soon(run(
        &sandbox,
        line(&format!(
            "while kill -0 {pid} 2>/dev/null; do sleep 0.05; done"
        )),
    ))
    .await;
}

#[tokio::test]
async fn one_that_starts_is_not_waited_for_either() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    inside.signal(Signal::SIGSTOP);
    tokio::time::pause();
    says_so(ended(start_exec::start(&sandbox, line("true"), false)).await);
    assert!(!sandbox.view().responding && sandbox.all_execs().is_empty());
}

#[tokio::test]
async fn a_look_at_what_it_uses_finds_it_too() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    inside.signal(Signal::SIGSTOP);
    tokio::time::pause();
    for _ in 0..100 {
        ended(sandbox.look_at_usage()).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(!sandbox.view().responding);
}

#[tokio::test]
async fn one_that_is_paused_is_waited_for() {
    let inside = Inside::start();
    let (sandbox, exec) = held(&inside).await;
    let Life::Running(session) = sandbox.life() else {
        panic!("it runs")
    };
    session.set_frozen(true);
    let waited = tokio::time::timeout(LONG, exec.answer()).await;
    assert!(waited.is_err(), "{waited:?}");
    assert!(sandbox.view().responding);
    inside.signal(Signal::SIGCONT);
    tokio::time::resume();
    session.set_frozen(false);
    exec.signal(15).await.expect("signalled");
    let answer = super::soon(exec.answer()).await.expect("it answers");
    assert_eq!(answer.exit_code, Some(128 + 15));
}
