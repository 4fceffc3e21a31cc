//! What can go wrong around an evolve: somebody gives it up, disks are full, programs are missing.

#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use containers::CancellationToken;
use lifecycle::{RunEvent, RunWork};
use wire::{
    evolve::{
        EvolveRequest, EvolveRun, GenerationState, RollbackRequest, RunState, StepName, StepState,
    },
    failure::FailureCode,
};

use crate::evolving::{BODY_DOCKERFILE, Tiny, carry_out_heard, docker, machine};

fn evolve() -> RunWork {
    RunWork::Evolve(EvolveRequest::default())
}

/// Whether a run is told to be at this step now.
pub fn is_at(told: &RunEvent, wanted: StepName) -> bool {
    let RunEvent::Run(run) = told else {
        return false;
    };
    let last = run.steps.last();
    last.is_some_and(|step| step.name == wanted && step.state == StepState::Running)
}

async fn numbers(tiny: &Tiny, state: GenerationState) -> Vec<u32> {
    let all = tiny.machine().generations(&tiny.engine).await.unwrap();
    let some = all.generations.iter().filter(|one| one.state == state);
    some.map(|one| one.number).collect()
}

/// Gives a run up as soon as this is told.
async fn cancelled_at(tiny: &Tiny, wanted: impl Fn(&RunEvent) -> bool + Send + Sync) -> EvolveRun {
    let cancel = CancellationToken::new();
    let mut hear = |told: RunEvent| {
        if wanted(&told) {
            cancel.cancel();
        }
    };
    let run = carry_out_heard(&tiny.tiny.options, evolve(), &cancel, &mut hear).await;
    assert!(cancel.is_cancelled(), "{run:?}");
    run.unwrap()
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_the_machine_and_nothing_else() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("given-up", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    let says = |words: &'static str| move |told: &RunEvent| matches!(told, RunEvent::Line(line) if line.contains(words));
    let is_cancelled = async |run: EvolveRun, what: &str| {
        assert_eq!(run.state, RunState::Cancelled, "{what}: {run:?}");
        assert_eq!(run.failure.unwrap().code, FailureCode::Cancelled, "{what}");
        tiny.is_whole("1", what).await;
        assert!(
            numbers(&tiny, GenerationState::Failed).await.is_empty(),
            "{what}"
        );
    };
    let run = cancelled_at(&tiny, |told| is_at(told, StepName::Prepare)).await;
    is_cancelled(run, "in prepare").await;

    tiny.edit_dockerfile("RUN sleep 600\n");
    let run = cancelled_at(&tiny, says("RUN sleep 600")).await;
    is_cancelled(run, "in a build's step").await;
    tiny.edit_dockerfile("");

    // One that never answers is proved until somebody has enough of it.
    tiny.edit(
        "body/rootfs/usr/local/bin/machine",
        &machine("if (candidate()) { sleep 600 }"),
    );
    let cancel = CancellationToken::new();
    let options = tiny.tiny.options.clone();
    let given_up = cancel.clone();
    let proving =
        tokio::spawn(
            async move { carry_out_heard(&options, evolve(), &given_up, &mut |_| {}).await },
        );
    let candidate = format!("{}-next", tiny.machine().container_name());
    let is_there = async || {
        let found = tiny.engine.container(&candidate).await.unwrap();
        found.is_some_and(|found| found.is_running())
    };
    assert!(super::until(is_there).await, "no candidate");
    cancel.cancel();
    is_cancelled(proving.await.unwrap().unwrap(), "in the proof").await;
    tiny.edit("body/rootfs/usr/local/bin/machine", &machine(""));

    tiny.shell("touch /tmp/cell").await;
    let run = cancelled_at(&tiny, says("cells still running")).await;
    is_cancelled(run, "while a cell is waited for").await;
    tiny.shell("rm /tmp/cell").await;

    let run = cancelled_at(&tiny, |told| is_at(told, StepName::Swap)).await;
    is_cancelled(run, "just before the swap").await;

    // From there on it is too late.
    let run = cancelled_at(&tiny, |told| is_at(told, StepName::Settle)).await;
    assert_eq!(run.state, RunState::Good, "{run:?}");
    tiny.is_whole("2", "after the swap").await;
    tiny.tidy().await;
}

/// What was marked as the current generation, and then did not come up again, is not the current one.
#[tokio::test]
async fn a_machine_that_fails_after_it_was_marked_loses_its_mark() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("marked", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    let boot = machine(r#"if (-e "/data/broken") { exit 5 }"#);
    tiny.edit("body/rootfs/usr/local/bin/machine", &boot);
    tiny.child("marked").wait().unwrap();
    tiny.shell("touch /data/broken").await;
    let name = tiny.machine().container_name().to_owned();
    tiny.engine.stop_container(&name, 1).await.unwrap();
    let run = tiny.machine().recover(&tiny.engine, &mut |_| {}).await;
    let run = run.unwrap().unwrap();
    assert_eq!(run.state, RunState::Undone, "{run:?}");
    let all = tiny.machine().generations(&tiny.engine).await.unwrap();
    for generation in all.generations {
        let is_new = Some(generation.number) == run.generation;
        assert_eq!(generation.current, !is_new, "{generation:?}");
        assert_eq!(generation.state == GenerationState::Failed, is_new);
    }
    tiny.is_whole("1", "undone").await;
    // Where the mark counts: it is made of the old one again.
    tiny.tiny.up_again(&tiny.engine).await.unwrap();
    tiny.is_whole("1", "marked").await;
    tiny.tidy().await;
}

/// A small file system of its own over a folder; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(folder: &Path) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("left out: only root can mount a small file system");
            return None;
        }
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=755", "vtest"])
            .arg(folder)
            .status();
        assert!(mounted.unwrap().success(), "mounted");
        Some(Self(folder.to_owned()))
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("full")).unwrap();
        let error = loop {
            if let Err(error) = file.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("full")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Where a run stands can't be written any more, from each step on.
#[tokio::test]
async fn a_disk_that_fills_up_during_any_step_costs_no_machine() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("full", &["generations_to_keep=0"]).await;
    let state = tiny.machine().repo_dir().parent().unwrap().join("evolve");
    let Some(disk) = SmallDisk::over(&state) else {
        tiny.tidy().await;
        return;
    };
    let steps = [
        StepName::Prepare,
        StepName::Build,
        StepName::Prove,
        StepName::Carry,
        StepName::Swap,
        StepName::Settle,
        StepName::Tidy,
    ];
    let mut version = "1".to_owned();
    for (number, step) in steps.into_iter().enumerate() {
        let wanted = format!("v{number}");
        tiny.edit("body/rootfs/version", &wanted);
        let never = CancellationToken::new();
        let mut full = false;
        let mut hear = |told: RunEvent| {
            if !full && is_at(&told, step) {
                full = true;
                disk.fill();
            }
        };
        let ended = carry_out_heard(&tiny.tiny.options, evolve(), &never, &mut hear).await;
        assert!(full, "{step:?}: {ended:?}");
        // With the disk still full: the machine is up and takes cells, whatever could be noted.
        let seen =
            "cat /version /tmp/namespace /root/kept /data/kept; ls /tmp/closed 2>/dev/null; true";
        let now = if step == StepName::Tidy {
            &wanted
        } else {
            &version
        };
        assert_eq!(
            tiny.shell(seen).await,
            format!("{now}kepthomedata"),
            "{step:?}: {ended:?}"
        );
        disk.free();
        let never = &mut |_| {};
        let run = match tiny.machine().recover(&tiny.engine, never).await.unwrap() {
            Some(run) => run,
            None => ended.unwrap(),
        };
        match run.state {
            RunState::Good if step == StepName::Tidy => version = wanted,
            RunState::Undone | RunState::Failed => {
                let code = run.failure.as_ref().map(|failure| failure.code);
                assert!(code.is_some(), "{step:?}: {run:?}");
            }
            state => panic!("{step:?}: {state:?}"),
        }
        tiny.is_whole(&version, &format!("{step:?}")).await;
    }
    tiny.edit("body/rootfs/version", "last");
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    tiny.is_whole("last", "with room again").await;
    // What is to be tidied up is known below the small disk.
    let generations = state.join("generations.json");
    let known = std::fs::read(&generations).unwrap();
    drop(disk);
    std::fs::write(&generations, known).unwrap();
    tiny.tidy().await;
}

#[tokio::test]
async fn a_build_that_meets_a_full_disk_is_told_as_that() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("no-room", &[]).await;
    // The engine gives each build 64 MB there.
    tiny.edit_dockerfile("RUN cp /dev/zero /dev/shm/fills\n");
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Undone, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::DiskFull);
    tiny.is_whole("1", "after a full disk").await;
    tiny.tidy().await;
}

#[tokio::test]
async fn files_that_change_between_proof_and_swap_are_named_too() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("late", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    tiny.shell("touch /opt/early /tmp/cell").await;
    let name = tiny.machine().container_name().to_owned();
    let mut hear = |told: RunEvent| {
        if matches!(&told, RunEvent::Line(line) if line.contains("cells still running")) {
            docker(&["exec", &name, "sh", "-c", "touch /opt/late; rm /tmp/cell"]);
        }
    };
    let never = CancellationToken::new();
    let run = carry_out_heard(&tiny.tiny.options, evolve(), &never, &mut hear).await;
    let run = run.unwrap();
    assert_eq!(run.state, RunState::Good, "{run:?}");
    assert_eq!(run.report.lost_files, ["/opt/early", "/opt/late"]);
    assert_eq!(run.report.lost_files_count, 2);
    tiny.tidy().await;
}

#[tokio::test]
async fn without_git_a_machine_evolves_and_goes_back() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("no-git", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    let run = tiny.without_git(&evolve());
    assert_eq!(run.state, RunState::Good, "{run:?}");
    tiny.is_whole("2", "without git").await;
    let run = tiny.without_git(&RunWork::Rollback(RollbackRequest::default()));
    assert_eq!(run.state, RunState::Good, "{run:?}");
    assert_eq!(tiny.read("body/rootfs/version"), "1");
    tiny.is_whole("1", "gone back without git").await;
    tiny.tidy().await;
}

/// The stages of the real Dockerfile, with a program of a line.
const STAGES: &str = "ARG BASE\nARG BUILDER=rust:1.95-slim-trixie\n\
    FROM ${BUILDER} AS builder\nLABEL vivarium.stage=NAME\n\
    COPY body/Cargo.toml body/bin* /prebuilt/\nCOPY body/src /src\n\
    RUN if [ -f /prebuilt/$(uname -m)/body ]; then install -m 0755 /prebuilt/$(uname -m)/body /body; \
    else rustc -o /body /src/main.rs; fi\n\
    FROM ${BASE}\nCOPY --from=builder /body /compiled\n";

#[tokio::test]
async fn sources_that_changed_are_compiled_and_others_are_shipped() {
    if !super::wanted() {
        return;
    }
    let dockerfile = BODY_DOCKERFILE.replace("MORE", "");
    let dockerfile = dockerfile.replacen("ARG BASE\nFROM ${BASE}\n", STAGES, 1);
    let files = [
        ("Cargo.toml", ""),
        ("body/Cargo.toml", ""),
        ("body/src/main.rs", "fn main() { println!(\"first\") }"),
    ];
    let tiny = Tiny::from("compiles", &dockerfile, |tiny| {
        for (path, text) in files {
            tiny.write(path, text);
        }
        let shipped = format!("body/bin/{}/body", std::env::consts::ARCH);
        tiny.write(&shipped, "#!/bin/sh\necho shipped\n");
    })
    .await;
    if tiny
        .engine
        .image("rust:1.95-slim-trixie")
        .await
        .unwrap()
        .is_none()
    {
        eprintln!("left out: the image rust:1.95-slim-trixie is not here");
        tiny.tidy().await;
        return;
    }
    assert_eq!(tiny.shell("/compiled").await, "shipped\n");
    tiny.edit("body/rootfs/version", "2");
    assert!(!tiny.machine().preview().await.unwrap().compiles);
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    assert_eq!(tiny.shell("/compiled").await, "shipped\n");

    tiny.edit("body/src/main.rs", "fn main() { println!(\"changed\") }");
    assert!(tiny.machine().preview().await.unwrap().compiles);
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Good, "{run:?}");
    assert_eq!(tiny.shell("/compiled").await, "changed\n");
    tiny.edit("body/src/main.rs", "fn main() { nonsense }");
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Undone, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::BuildFailed);
    assert_eq!(tiny.shell("/compiled").await, "changed\n");
    tiny.tidy().await;
}
