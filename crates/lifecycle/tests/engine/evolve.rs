//! Evolve against the real engine, with a machine of a few lines.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use containers::EngineError;
use lifecycle::{LifecycleError, RunWork};
use wire::{
    evolve::{EvolveRequest, RollbackRequest, RunState, RunningCell, StepName},
    failure::FailureCode,
};

use crate::evolving::{Tiny, carry_out, docker, failed_at};

#[tokio::test]
async fn a_new_machine_takes_the_old_ones_place_and_there_is_a_way_back() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("evolve", &["generations_to_keep=2"]).await;
    let port = tiny.machine().kernel_port(&tiny.engine).await.unwrap();
    assert!(tiny.machine().preview().await.unwrap().files.is_empty());
    tiny.shell("touch /opt/lost").await;
    tiny.edit("body/rootfs/version", "2");
    let diff = tiny.machine().preview().await.unwrap();
    assert_eq!(diff.files[0].path, "body/rootfs/version");
    assert!(diff.patch.contains("+2") && !diff.compiles);

    let begin = Instant::now();
    let run = tiny.evolve().await;
    let took = begin.elapsed().as_millis();
    assert_eq!(run.state, RunState::Good, "{run:?}");
    assert_eq!((run.from_generation, run.generation), (Some(1), Some(2)));
    assert_eq!(run.report.lost_files, ["/opt/lost"]);
    assert_eq!(run.report.kernels[0].skipped[0].name, "t");
    // It is away for a part of the run only.
    assert!(
        run.report
            .downtime_ms
            .is_some_and(|ms| u128::from(ms) < took)
    );
    tiny.is_whole("2", "after an evolve").await;
    // On the same ports, though the spec takes any.
    assert_eq!(
        tiny.machine().kernel_port(&tiny.engine).await.unwrap(),
        port
    );
    // `up` finds nothing to do.
    let id = |status: wire::machine::MachineStatus| status.container_id;
    let before = id(tiny.machine().status(&tiny.engine).await.unwrap());
    tiny.tiny.up_again(&tiny.engine).await.unwrap();
    assert_eq!(
        id(tiny.machine().status(&tiny.engine).await.unwrap()),
        before
    );
    // The owner's branch and files are as they were.
    assert!(tiny.machine().preview().await.unwrap().files.is_empty());

    tiny.edit("body/rootfs/added", "x");
    let back = tiny
        .run(RunWork::Rollback(RollbackRequest::default()))
        .await;
    let back = back.unwrap();
    assert_eq!(back.state, RunState::Good, "{back:?}");
    tiny.is_whole("1", "after a rollback").await;
    let repo = tiny.machine().repo_dir();
    assert_eq!(
        std::fs::read_to_string(repo.join("body/rootfs/version")).unwrap(),
        "1"
    );
    assert!(!repo.join("body/rootfs/added").exists());
    let again = tiny.run(RunWork::Rollback(RollbackRequest {
        number: Some(2),
        ..Default::default()
    }));
    assert_eq!(again.await.unwrap().state, RunState::Good);
    tiny.is_whole("2", "after a way forward").await;
    let nowhere = tiny.run(RunWork::Rollback(RollbackRequest {
        number: Some(99),
        ..Default::default()
    }));
    assert!(matches!(
        nowhere.await,
        Err(LifecycleError::NoGeneration { number: 99 })
    ));
    tiny.tidy().await;
}

#[tokio::test]
async fn cells_that_run_are_waited_for_interrupted_or_a_reason_to_refuse() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("cells", &[]).await;
    let evolve = |running_cell, cell_limit_s| {
        tiny.run(RunWork::Evolve(EvolveRequest {
            note: None,
            running_cell,
            cell_limit_s,
            tree: None,
        }))
    };
    tiny.shell("touch /tmp/cell; chown os /tmp/cell").await;
    let cases = [
        (RunningCell::Refuse, StepName::Prepare),
        (RunningCell::Wait, StepName::Carry),
    ];
    for (how, step) in cases {
        let run = evolve(how, 1).await.unwrap();
        assert_eq!(failed_at(&run).0, step, "{run:?}");
        assert_eq!(run.failure.unwrap().code, FailureCode::Busy);
        tiny.is_whole("1", "after a refusal").await;
    }
    let run = evolve(RunningCell::Interrupt, 0).await.unwrap();
    assert_eq!(run.state, RunState::Good, "{run:?}");
    tiny.tidy().await;
}

#[tokio::test]
async fn a_second_run_is_refused_and_a_taken_port_does_not_lose_the_machine() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("second", &[]).await;
    tiny.edit("body/rootfs/version", "2");
    // The first one waits for a cell until it is over.
    tiny.shell("touch /tmp/cell").await;
    let options = tiny.tiny.options.clone();
    let first = tokio::spawn(async move {
        carry_out(&options, RunWork::Evolve(EvolveRequest::default())).await
    });
    let begin = Instant::now();
    while !tiny
        .machine()
        .runs()
        .unwrap()
        .iter()
        .any(|run| run.steps.iter().any(|step| step.name == StepName::Carry))
    {
        assert!(begin.elapsed() < Duration::from_secs(180));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = tiny.run(RunWork::Evolve(EvolveRequest::default())).await;
    assert!(matches!(second, Err(LifecycleError::Busy { .. })));
    // Something takes the machine's port as soon as the old one lets go of it.
    let port = tiny.machine().kernel_port(&tiny.engine).await.unwrap();
    let thief = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        loop {
            if let Ok(held) = std::net::TcpListener::bind(("127.0.0.1", port)) {
                return held;
            }
            assert!(begin.elapsed() < Duration::from_secs(180));
        }
    });
    tiny.shell("rm /tmp/cell").await;
    let held = thief.await.unwrap();
    let run = first.await.unwrap().unwrap();
    drop(held);
    assert_eq!(run.state, RunState::Good, "{run:?}");
    assert!(
        run.report
            .warnings
            .iter()
            .any(|text| text.contains(&port.to_string())),
        "{:?}",
        run.report.warnings
    );
    tiny.is_whole("2", "after a stolen port").await;
    tiny.tidy().await;
}

#[tokio::test]
async fn an_engine_that_goes_away_in_the_middle_is_survived() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("gone", &[]).await;
    let Some(engine) = tiny.engine.info().endpoint.strip_prefix("unix://") else {
        eprintln!("left out: the engine has no socket here");
        return;
    };
    let socket = tiny.tiny.folder().join("engine.sock");
    let between = crate::watch::in_between(&socket, engine);
    let mut options = tiny.tiny.options.clone();
    options.engine = lifecycle::EngineChoice::new(Some(socket.display().to_string()));
    tiny.edit("body/rootfs/version", "2");
    tiny.shell("touch /tmp/cell").await;
    let run = tokio::spawn(async move {
        carry_out(&options, RunWork::Evolve(EvolveRequest::default())).await
    });
    let begin = Instant::now();
    while tiny
        .shell("ls /tmp/closed 2>/dev/null; true")
        .await
        .is_empty()
    {
        assert!(begin.elapsed() < Duration::from_secs(180));
    }
    drop(between);
    std::fs::remove_file(&socket).unwrap();
    let ended = run.await.unwrap();
    assert!(
        matches!(
            ended,
            Err(LifecycleError::NotUndone { .. }
                | LifecycleError::Engine(EngineError::Transport { .. }))
        ),
        "{ended:?}"
    );
    tiny.shell("rm /tmp/cell").await;
    let run = tiny
        .machine()
        .recover(&tiny.engine, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(run.unwrap().state, RunState::Undone);
    tiny.is_whole("1", "after the engine was away").await;
    tiny.tidy().await;
}

#[tokio::test]
async fn runs_one_after_another_leave_nothing() {
    if !super::wanted() {
        return;
    }
    // VIVARIUM_TEST_EVOLVES=50 for a long run.
    let rounds = std::env::var("VIVARIUM_TEST_EVOLVES").ok();
    let rounds: usize = rounds.and_then(|text| text.parse().ok()).unwrap_or(5);
    let tiny = Tiny::up("leaks", &["generations_to_keep=1"]).await;
    let label = format!("label=vivarium.instance={}", tiny.tiny.instance);
    let images = || docker(&["images", "-aq", "--filter", &label]).len();
    let mut counts = Vec::new();
    for round in 0..rounds {
        tiny.edit("body/rootfs/version", &format!("r{round}"));
        let run = tiny.evolve().await;
        assert_eq!(run.state, RunState::Good, "{run:?}");
        tiny.is_whole(&format!("r{round}"), "a round").await;
        counts.push(images());
    }
    let all = tiny.machine().generations(&tiny.engine).await.unwrap();
    // The current one, the way back, and one more.
    assert!(all.generations.len() <= 3, "{all:?}");
    assert!(
        counts[rounds - 1] <= counts[2],
        "images pile up: {counts:?}"
    );
    let branches = std::process::Command::new("git")
        .args(["-c", "safe.directory=*", "--git-dir"])
        .arg(tiny.history())
        .args(["for-each-ref", "refs"])
        .output()
        .unwrap();
    let branches = String::from_utf8_lossy(&branches.stdout).lines().count();
    assert!(branches <= 8, "{branches} branches");
    tiny.tidy().await;
}
