//! What is killed in the middle of a run: the process that carries it out, which is this test's
//! program again, and the machine itself.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use containers::CancellationToken;
use lifecycle::{FAILPOINTS, RunEvent, RunWork};
use wire::{
    evolve::{EvolveRequest, EvolveRun, RollbackRequest, RunState, StepName},
    machine::MachineState,
};

use crate::{
    evolve_faults::is_at,
    evolving::{QUICK, Tiny, carry_out, carry_out_heard, docker, failed_at, machine},
};

/// Not a test of its own: the process that the next ones kill, and that others measure.
#[tokio::test]
async fn child() {
    let Some(home) = std::env::var_os("VIVARIUM_TEST_EVOLVE") else {
        return;
    };
    let options = crate::tiny::options(
        &std::env::var("VIVARIUM_INSTANCE").unwrap(),
        Path::new(&home),
        QUICK,
    );
    let what = match std::env::var("VIVARIUM_TEST_WHAT").as_deref() {
        Ok("rollback") => RunWork::Rollback(RollbackRequest::default()),
        _ => RunWork::Evolve(EvolveRequest::default()),
    };
    let run = carry_out(&options, what).await.unwrap();
    let told = serde_json::to_string(&(run, peak_bytes())).unwrap();
    println!("\n{told}");
}

/// The most memory that this process had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.unwrap_or_default().trim().trim_end_matches(" kB");
    words.parse::<u64>().unwrap_or_default() << 10
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_is_finished_or_undone() {
    killed_at(0).await;
}

#[tokio::test]
async fn so_is_one_that_is_killed_in_the_middle() {
    killed_at(1).await;
}

#[tokio::test]
async fn so_is_one_that_is_killed_near_its_end() {
    killed_at(2).await;
}

/// One third of all places.
async fn killed_at(third: usize) {
    if !super::wanted() {
        return;
    }
    let name = format!("killed-{third}");
    let tiny = Tiny::up(&name, &["generations_to_keep=0"]).await;
    let mut version = "1".to_owned();
    let places = FAILPOINTS.chunks(FAILPOINTS.len().div_ceil(3)).nth(third);
    for (number, failpoint) in places.unwrap().iter().enumerate() {
        let wanted = format!("v{number}");
        tiny.edit("body/rootfs/version", &wanted);
        // Only a run that fails comes by there.
        let boot = if *failpoint == "undo" {
            "if (candidate()) { exit 3 }"
        } else {
            ""
        };
        tiny.edit("body/rootfs/usr/local/bin/machine", &machine(boot));
        let ended = tiny.child(failpoint).wait().unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(ended.signal(), Some(9), "{failpoint}: {ended:?}");
        assert!(tiny.machine().is_interrupted(), "{failpoint}");
        let run = tiny
            .machine()
            .recover(&tiny.engine, &mut |_| {})
            .await
            .unwrap_or_else(|error| panic!("{failpoint}: {error:?}"));
        let run = run.expect("a run");
        match run.state {
            RunState::Good => version = wanted,
            RunState::Undone => {
                assert!(run.error.is_some(), "{failpoint}: {run:?}");
            }
            state => panic!("{failpoint}: {state:?}"),
        }
        tiny.is_whole(&version, failpoint).await;
        assert!(!tiny.machine().is_interrupted(), "{failpoint}");
    }
    // Once with `up`, as people do.
    tiny.edit("body/rootfs/version", "last");
    tiny.child("stopped").wait().unwrap();
    tiny.tiny.up_again(&tiny.engine).await.unwrap();
    tiny.is_whole(&version, "up after a kill").await;
    tiny.tidy().await;
}

/// What a cell keeps goes with the machine's life.
const FORGETS: &str = "unlink '/tmp/namespace';";

/// An evolve, in whose build step something happens to the machine's container.
async fn with_in_the_build_step(tiny: &Tiny, happens: &[&str]) -> EvolveRun {
    let name = tiny.machine().container_name().to_owned();
    let mut has_happened = false;
    let mut hear = |told: RunEvent| {
        if is_at(&told, StepName::Build) && !std::mem::replace(&mut has_happened, true) {
            for word in happens {
                assert_eq!(docker(&[word, &name]), [name.as_str()], "docker {word}");
            }
        }
    };
    let what = RunWork::Evolve(EvolveRequest::default());
    let cancel = CancellationToken::new();
    let run = carry_out_heard(&tiny.tiny.options, what, &cancel, &mut hear).await;
    run.unwrap()
}

#[tokio::test]
async fn what_is_said_of_a_machine_that_is_killed_in_the_build_step_is_what_it_is() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("killed-machine", &[]).await;
    tiny.edit("body/rootfs/usr/local/bin/machine", &machine(FORGETS));
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    let cases: [(&[&str], &str, StepName, &str); 4] = [
        (&["kill"], "RUN false\n", StepName::Build, "without"),
        // Somebody starts it again at once, and it is up before the run fails.
        (
            &["kill", "start"],
            "RUN false\n",
            StepName::Build,
            "without",
        ),
        (&["kill"], "RUN true\n", StepName::Carry, "without"),
        (&[], "RUN false\n", StepName::Build, "never stopped"),
    ];
    for (happens, more, step, words) in cases {
        tiny.shell("printf kept > /tmp/namespace").await;
        tiny.edit_dockerfile(more);
        let run = with_in_the_build_step(&tiny, happens).await;
        assert_eq!(run.state, RunState::Undone, "{happens:?}: {run:?}");
        assert_eq!(failed_at(&run).0, step, "{happens:?}: {run:?}");
        let kept = tiny.shell("cat /tmp/namespace 2>/dev/null; true").await;
        let expected = match words {
            "without" => (
                "the old machine is running again, without its variables",
                "",
            ),
            _ => ("the old machine was never stopped", "kept"),
        };
        let said = run.steps.last().unwrap().note.clone().unwrap_or_default();
        assert_eq!(
            (said.as_str(), kept.as_str()),
            expected,
            "{happens:?} {more}"
        );
        let status = tiny.machine().status(&tiny.engine).await.unwrap();
        assert_eq!(status.state, MachineState::Running, "{happens:?}");
    }
    tiny.tidy().await;
}
