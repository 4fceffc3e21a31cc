//! Commands: what they write, read and end with.

use futures_util::StreamExt;
use wire::{
    kernel::ShellCommand,
    sandbox::{ExecRequest, PtySize},
};

use super::{line, run, soon, start, until};
use crate::{error::SandboxError, exec::ExecEventKind, start_exec, testing::Inside};

#[tokio::test]
async fn a_command_says_what_it_wrote_and_how_it_ended() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let answer = soon(run(&sandbox, line("echo out; echo err >&2; exit 3"))).await;
    assert_eq!(answer.stdout, "out\n");
    assert_eq!(answer.stderr, "err\n");
    assert_eq!(answer.exit_code, Some(3));
    assert!(!answer.timed_out && !answer.truncated);
    let words = ["printf", "%s|", "a b", "$HOME"].map(str::to_owned).into();
    let request = ExecRequest {
        command: ShellCommand::Arguments(words),
        ..ExecRequest::default()
    };
    assert_eq!(soon(run(&sandbox, request)).await.stdout, "a b|$HOME|");
}

#[tokio::test]
async fn variables_of_the_sandbox_and_of_the_command_are_there() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let mut request = line("echo $KEY $OWN; pwd");
    request.env.insert("OWN".into(), "mine".into());
    request.cwd = Some("/".into());
    assert_eq!(
        soon(run(&sandbox, request)).await.stdout,
        "secret mine\n/\n"
    );
    let mut request = line("true");
    request.env.insert("A=B".into(), String::new());
    let refused = start_exec::start(&sandbox, request, false).await;
    assert!(matches!(
        refused,
        Err(SandboxError::Invalid { field: "env", .. })
    ));
}

#[tokio::test]
async fn what_cannot_be_started_says_so() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let request = ExecRequest {
        command: ShellCommand::Arguments(vec!["/no/such/program".into()]),
        ..ExecRequest::default()
    };
    let refused = soon(start_exec::start(&sandbox, request, false)).await;
    assert!(
        matches!(refused, Err(SandboxError::ExecFailed { .. })),
        "{refused:?}"
    );
    assert!(sandbox.all_execs().is_empty());
}

#[tokio::test]
async fn fifty_commands_at_once_all_end_with_their_own_output() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let runs = (0..50).map(|number| {
        let sandbox = &sandbox;
        async move {
            let answer = run(sandbox, line(&format!("echo {number}; exit {number}"))).await;
            assert_eq!(answer.stdout, format!("{number}\n"));
            assert_eq!(answer.exit_code, Some(number));
        }
    });
    soon(futures_util::future::join_all(runs)).await;
    // Of those that ended, only the last can still be asked for once another one begins.
    soon(run(&sandbox, line("true"))).await;
    assert!(sandbox.all_execs().len() <= 17);
}

#[tokio::test]
async fn an_endless_output_that_nobody_reads_delays_nobody() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let unread = start(&sandbox, line("yes")).await;
    let _reader = unread.events(0);
    let dropped = start(
        &sandbox,
        ExecRequest {
            background: true,
            ..line("yes no")
        },
    )
    .await;
    for _ in 0..20 {
        assert_eq!(
            soon(run(&sandbox, line("echo quick"))).await.stdout,
            "quick\n"
        );
    }
    for endless in [&unread, &dropped] {
        assert_eq!(endless.view().exit_code, None);
        endless.signal(9).await.expect("signalled");
    }
    let answer = soon(dropped.wait()).await;
    assert_eq!(answer.exit_code, Some(128 + 9));
    assert!(answer.truncated);
}

#[tokio::test]
async fn much_output_arrives_whole_and_what_is_too_much_is_cut() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let answer = soon(run(&sandbox, line("seq 1000000"))).await;
    assert_eq!(answer.stdout.lines().count(), 1_000_000);
    assert!(answer.stdout.ends_with("\n1000000\n") && !answer.truncated);
    let answer = soon(run(&sandbox, line("head -c 20000000 /dev/zero"))).await;
    assert_eq!(answer.stdout.len(), 16 << 20);
    assert!(answer.truncated);
    assert_eq!(answer.exit_code, Some(0));
}

#[tokio::test]
async fn stdin_is_what_was_given_then_ends() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let mut request = line("cat; echo end");
    request.stdin = Some("x".repeat(1 << 20));
    let answer = soon(run(&sandbox, request)).await;
    assert_eq!(answer.stdout.len(), (1 << 20) + 4);
    // Nobody gives it anything.
    assert_eq!(
        soon(run(&sandbox, line("cat; echo end"))).await.stdout,
        "end\n"
    );
    let mut request = line("read a; echo got $a; cat");
    request.keep_stdin = Some(true);
    let exec = start(&sandbox, request).await;
    exec.write_stdin("one\n".into()).await.expect("taken");
    assert_eq!(until(&exec, "\n").await, "got one\n");
    exec.write_stdin("two".into()).await.expect("taken");
    exec.close_stdin().await.expect("closed");
    exec.close_stdin().await.expect("closed before");
    assert_eq!(soon(exec.wait()).await.stdout, "got one\ntwo");
    let late = exec.write_stdin("three".into()).await;
    assert!(matches!(late, Err(SandboxError::ExecClosed(_))));
}

#[tokio::test]
async fn a_terminal_has_a_size_that_changes() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let mut request = line("stty size; read a; stty size; exit 5");
    request.pty = Some(PtySize { cols: 90, rows: 30 });
    let exec = start(&sandbox, request).await;
    assert!(until(&exec, "30 90").await.contains("30 90"));
    let size = PtySize {
        cols: 120,
        rows: 40,
    };
    exec.resize(size).await.expect("resized");
    exec.write_stdin("\n".into()).await.expect("taken");
    let answer = soon(exec.wait()).await;
    assert!(answer.stdout.contains("40 120"), "{}", answer.stdout);
    assert_eq!(answer.exit_code, Some(5));
    assert!(exec.view().pty);
}

#[tokio::test]
async fn signals_and_time_limits_end_a_command() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let exec = start(&sandbox, line("echo ready; sleep 1000")).await;
    until(&exec, "ready").await;
    assert!(matches!(
        exec.signal(0).await,
        Err(SandboxError::Invalid { .. })
    ));
    exec.signal(15).await.expect("signalled");
    let answer = soon(exec.wait()).await;
    assert_eq!(
        (answer.exit_code, answer.timed_out),
        (Some(128 + 15), false)
    );
    let mut request = line("sleep 1000");
    request.timeout_s = Some(0.05);
    let answer = soon(run(&sandbox, request)).await;
    assert!(answer.timed_out && answer.exit_code.is_some());
}

#[tokio::test]
async fn events_are_numbered_and_can_be_asked_for_again() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let exec = start(&sandbox, line("echo one; echo two >&2")).await;
    let all: Vec<_> = soon(exec.events(0).collect()).await;
    let numbers: Vec<_> = all.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, Vec::from_iter(1..=all.len() as u64));
    let last = all.last().expect("its end");
    assert!(matches!(last.kind, ExecEventKind::Ended(exit) if exit.code == 0));
    let again: Vec<_> = soon(exec.events(1).collect()).await;
    assert_eq!(again, all[1..]);
    let none: Vec<_> = soon(exec.events(last.seq - 1).collect()).await;
    assert_eq!(none.len(), 1);
}
