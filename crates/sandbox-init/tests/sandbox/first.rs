//! As the first process of a PID namespace, where the system lets the tests make one.

use std::process::Command;

use frames::{
    Body, StreamId,
    message::{Event, Reason, Request},
};

use crate::client::{Client, folder, line, until};

const UNSHARE: [&str; 5] = [
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--mount-proc",
];

/// A sandbox as PID 1; none if namespaces are forbidden here, as in many containers. Then the tests
/// with the container engine are what shows this.
fn first() -> Option<Client> {
    let mut attempt = Command::new("unshare");
    if !attempt
        .args(UNSHARE)
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("no PID namespace can be made here: not tried as PID 1");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg("--kill-child");
    command.arg(env!("CARGO_BIN_EXE_sandbox-init"));
    Some(Client::with(folder(), command))
}

#[test]
fn no_process_ends_pid_1_and_orphans_are_its_own() {
    let Some(mut client) = first() else {
        return;
    };
    assert_eq!(
        client.run(line("cat /proc/1/comm")).text(),
        "sandbox-init\n"
    );
    for signal in ["TERM", "INT", "KILL", "STOP", "CHLD", "HUP", "SEGV"] {
        client.run(line(&format!("kill -{signal} 1")));
        assert_eq!(client.run(line("echo fine")).text(), "fine\n", "{signal}");
    }
    client.run(line("for i in 1 2 3; do (setsid sleep 0.05 &); done"));
    until("end of all orphans", || {
        let outcome = client.run(line("ls /proc | grep -c '^[0-9]'"));
        // PID 1, the shell, and the two of the pipe.
        (outcome.text().trim() == "4").then_some(())
    });
}

#[test]
fn all_processes_end_with_pid_1() {
    let Some(mut client) = first() else {
        return;
    };
    let escaped = "(setsid sh -c 'trap \"touch asked; exit\" TERM; touch there; while :; do sleep 0.01; done' &)";
    client.run(line(escaped));
    until("start", || client.path("home/there").exists().then_some(()));
    client.send(
        StreamId(99),
        &Body::Request(Request::Shutdown { grace_ms: 60_000 }),
    );
    assert_eq!(client.goodbye().reason, Reason::Shutdown);
    assert!(client.ended().success());
    assert!(client.path("home/asked").exists());
}

#[test]
fn a_session_is_killed_in_a_namespace_too() {
    let Some(mut client) = first() else {
        return;
    };
    let mut exec = line("set -m; sleep 600 & sleep 601");
    exec.timeout_ms = Some(100);
    assert!(client.run(exec).exit.timed_out);
    assert_eq!(
        client.answer(Request::Execs),
        Event::Execs { execs: vec![] }
    );
}
