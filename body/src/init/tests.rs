//! PID 1 with real processes, each test in a process of its own: PID 1 reaps whatever child there is.

use std::{path::Path, process::Command};

use nix::sys::wait::{WaitStatus, waitpid};

use super::*;

/// In whose environment the folder of a test stands that runs in a process of its own.
const APART: &str = "VIVARIUM_TEST_APART";

/// Runs a test of this file in a process of its own, to which orphans come as they do to PID 1. What
/// `test` is given is a folder, also its run folder.
fn apart(name: &str, test: fn(&Path)) {
    if let Some(folder) = std::env::var_os(APART) {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        return test(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // A copy: the program of one test is taken away while it runs.
    let program = folder.path().join("body");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // In all threads, as PID 1 has but one.
    let output = Command::new("env")
        .arg("--block-signal=TERM,INT,CHLD")
        .arg(program)
        .args(["--exact", &format!("init::tests::{name}"), "--nocapture"])
        .env(APART, folder.path())
        .env("VIVARIUM_RUN_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_supervisor_is_started_where_the_program_was_replaced() {
    apart(
        "a_supervisor_is_started_where_the_program_was_replaced",
        |folder| {
            std::fs::remove_file(folder.join("body")).unwrap();
            // Here it is the tests once more, of which none is called `supervise`.
            let pid = start_supervisor(&Given::default()).unwrap();
            let ended = waitpid(Pid::from_raw(pid), None).unwrap();
            assert_eq!(ended, WaitStatus::Exited(Pid::from_raw(pid), 0));
        },
    );
}
