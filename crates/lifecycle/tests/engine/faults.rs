//! What goes wrong at the engine, and that it is told as what it is.

use std::time::{Duration, Instant};

use containers::ContainerSpec;
use lifecycle::{Engine, LifecycleError};
use wire::failure::{Failure, FailureCode};

use crate::tiny::TinyMachine;

const ENDS: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.stage=os vivarium.test=NAME\n\
    CMD [\"sh\", \"-c\", \"echo it broke; exit 3\"]\n";

fn code(ended: Result<(), LifecycleError>) -> (FailureCode, Failure) {
    let failure = Failure::from(ended.expect_err("it failed"));
    (failure.code, failure)
}

#[tokio::test]
async fn a_machine_that_ends_is_told_at_once_with_its_exit_status_and_log() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("ends", ENDS, &[]);
    let begin = Instant::now();
    let ended = code(tiny.up(&engine).await);
    let took = begin.elapsed();
    tiny.tidy(&engine).await;
    assert_eq!(ended.0, FailureCode::Unhealthy);
    // Sooner than one that never answers is given up.
    assert!(took < Duration::from_secs(90), "{took:?}");
    let failure = ended.1;
    let cause = failure.cause.unwrap();
    // The restart policy may be quicker than our look at it.
    assert!(
        ["it exited with code 3", "it exited and was restarted"].contains(&cause.as_str()),
        "{cause}"
    );
    assert!(failure.detail.unwrap().contains("it broke"));
}

#[tokio::test]
async fn the_log_of_a_machine_that_is_being_removed_is_no_fault() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("going", ENDS, &[]);
    let name = tiny.machine.container_name().to_owned();
    let mut odd = Vec::new();
    for _ in 0..4 {
        let writes = ContainerSpec {
            name: name.clone(),
            image: "debian:trixie-slim".into(),
            command: Some(vec!["echo".into(), "a line".into()]),
            ..Default::default()
        };
        engine.create_container(&writes).await.unwrap();
        engine.start_container(&name).await.unwrap();
        let look = async {
            loop {
                match tiny.machine.logs(&engine, 10).await {
                    Ok(lines) if lines.iter().all(|line| line == "a line") => {}
                    Err(LifecycleError::NotRunning { .. }) => {
                        if engine.container(&name).await.unwrap().is_none() {
                            break;
                        }
                    }
                    other => odd.push(other),
                }
            }
        };
        let (removed, ()) = tokio::join!(engine.remove_container(&name), look);
        removed.unwrap();
    }
    tiny.tidy(&engine).await;
    assert!(odd.is_empty(), "{odd:?}");
}

#[tokio::test]
async fn a_strangers_container_is_left_alone() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("stranger", ENDS, &[]);
    let name = tiny.machine.container_name().to_owned();
    let stranger = ContainerSpec {
        name: name.clone(),
        image: "debian:trixie-slim".into(),
        command: Some(vec!["sleep".into(), "60".into()]),
        ..Default::default()
    };
    engine.create_container(&stranger).await.unwrap();
    let up = code(tiny.up(&engine).await);
    let status = tiny.machine.status(&engine).await;
    let removed = tiny.machine.remove(&engine, false).await;
    let there = engine.container(&name).await.unwrap().is_some();
    engine.remove_container(&name).await.unwrap();
    tiny.tidy(&engine).await;
    assert!(there);
    assert_eq!(up.0, FailureCode::Busy);
    assert!(matches!(status, Err(LifecycleError::Foreign { .. })));
    assert!(matches!(removed, Err(LifecycleError::Foreign { .. })));
}

#[tokio::test]
async fn a_dockerfile_that_can_not_be_read_is_a_failed_build() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("unread", "ARG BASE\nFROM ${BASE}\nRUNN true\n", &[]);
    let failed = code(tiny.up(&engine).await);
    tiny.tidy(&engine).await;
    assert_eq!(failed.0, FailureCode::BuildFailed);
    let cause = failed.1.cause.unwrap();
    assert!(cause.to_lowercase().contains("runn"), "{cause}");
}
