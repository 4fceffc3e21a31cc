//! The power goes in the middle of a run: all that runs is killed, the container engine too, and
//! what is on the disks stays. For that a test has an engine of its own in a world of its own. What a
//! real cut may take of files that were not synced is not shown here.

#![allow(clippy::unwrap_used)]

use containers::CancellationToken;
use lifecycle::{FAILPOINTS, LifecycleError, RunEvent, RunWork};
use nix::sys::signal::{Signal, kill};
use wire::{
    evolve::{EvolveRequest, EvolveRun, RunState, StepName},
    failure::FailureCode,
};

use crate::{
    evolve_faults::is_at,
    evolving::{Tiny, carry_out_heard, machine},
    world::Power,
};

/// Those of each step; VIVARIUM_TEST_POWER_CUTS=all for all there are.
const SOME: &[&str] = &["built", "proving", "stopped", "placed", "reloaded", "undo"];

/// Runs one of the tests below in a world of its own.
fn in_a_world(test: &str) {
    if super::wanted() {
        crate::world::in_a_world(&format!("power::{test}"), &super::own_name(test));
    }
}

async fn recovered(tiny: &Tiny, what: &str) -> EvolveRun {
    let run = tiny.machine().recover(&tiny.engine, &mut |_| {}).await;
    let run = run.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    run.unwrap_or_else(|| panic!("{what}: no run"))
}

#[test]
fn a_power_cut_costs_no_machine() {
    in_a_world("cuts");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn cuts() {
    let Some(mut power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("cut", &["generations_to_keep=0"]).await;
    let all = std::env::var("VIVARIUM_TEST_POWER_CUTS").is_ok_and(|which| which == "all");
    let places = if all { FAILPOINTS } else { SOME };
    let mut version = "1".to_owned();
    for (number, place) in places.iter().enumerate() {
        let wanted = format!("v{number}");
        tiny.edit("body/rootfs/version", &wanted);
        let boot = match *place {
            "undo" => "if (candidate()) { exit 3 }",
            _ => "",
        };
        tiny.edit("body/rootfs/usr/local/bin/machine", &machine(boot));
        let mut child = tiny.child(place);
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{place}");
        power.cut();
        power.again();
        let run = recovered(&tiny, place).await;
        match run.state {
            RunState::Good => version = wanted,
            RunState::Undone => assert!(run.error.is_some(), "{place}: {run:?}"),
            state => panic!("{place}: {state:?}"),
        }
        tiny.is_whole(&version, place).await;
        eprintln!("cut at {place}: {:?}", run.state);
    }
    tiny.tidy().await;
}

#[test]
fn an_engine_that_is_killed_costs_no_machine() {
    in_a_world("engine_killed");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn engine_killed() {
    let Some(mut power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("engine", &[]).await;
    let mut version = "1".to_owned();
    for step in [
        StepName::Build,
        StepName::Prove,
        StepName::Swap,
        StepName::Settle,
    ] {
        let wanted = format!("{step:?}");
        tiny.edit("body/rootfs/version", &wanted);
        let dockerd = power.engine();
        let mut killed = false;
        let mut hear = |told: RunEvent| {
            if !killed && is_at(&told, step) {
                killed = true;
                kill(dockerd, Signal::SIGKILL).unwrap();
            }
        };
        let never = CancellationToken::new();
        let what = RunWork::Evolve(EvolveRequest::default());
        let ended = carry_out_heard(&tiny.tiny.options, what, &never, &mut hear).await;
        let is_left = matches!(ended, Err(LifecycleError::NotUndone { .. }));
        assert!(is_left, "{step:?}: {ended:?}");
        power.end_engine(Signal::SIGKILL);
        power.again();
        let run = recovered(&tiny, &wanted).await;
        match run.state {
            RunState::Good => version = wanted,
            state => assert_eq!(state, RunState::Undone, "{step:?}: {run:?}"),
        }
        tiny.is_whole(&version, &format!("{step:?}")).await;
    }
    tiny.tidy().await;
}

#[test]
fn an_engine_whose_disk_is_full_keeps_its_machine() {
    in_a_world("full_disk");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn full_disk() {
    let Some(power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("filled", &[]).await;
    power.leave_free(512 << 20);
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::DiskFull);
    tiny.is_whole("1", "with little room").await;

    // Enough at the beginning, and then no more.
    power.leave_free(2 << 30);
    tiny.edit_dockerfile("RUN head -c 200000000 /dev/zero > /filled\n");
    let mut hear = |told: RunEvent| {
        if is_at(&told, StepName::Build) {
            power.leave_free(64 << 20);
        }
    };
    let never = CancellationToken::new();
    let what = RunWork::Evolve(EvolveRequest::default());
    let run = carry_out_heard(&tiny.tiny.options, what, &never, &mut hear).await;
    let run = run.unwrap();
    assert_eq!(run.state, RunState::Undone, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::DiskFull);
    tiny.is_whole("1", "after a full disk").await;
    power.leave_free(2 << 30);
    tiny.edit_dockerfile("");
    tiny.edit("body/rootfs/version", "2");
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    tiny.is_whole("2", "with room again").await;
    tiny.tidy().await;
}
