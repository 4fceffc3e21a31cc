//! From creation to the end, whoever brings it.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use sandbox::{Owner, SandboxError};
use wire::{
    kernel::ShellCommand,
    sandbox::{CreateRequest, ExecRequest, OnTimeout, SandboxEventKind, SandboxState},
};

use crate::{Site, create, docker, line, run, settings, soon, until, wanted};

#[tokio::test]
async fn a_sandbox_runs_commands_until_it_is_removed() {
    if !wanted() {
        return;
    }
    let site = Site::new("runs");
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        metadata: BTreeMap::from([("for".to_owned(), "a test".to_owned())]),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let answer = run(&sandboxes, &id, "echo $GREETING; pwd; id -u; exit 7").await;
    assert_eq!(answer.stdout, "hello\n/home/sandboxuser\n1000\n");
    assert_eq!(answer.exit_code, Some(7));
    let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(view.state, SandboxState::Running);
    assert_eq!(view.metadata["for"], "a test");
    assert!(view.usage.unwrap().memory_bytes > 0);
    assert_eq!(site.containers(), [id.container()]);
    // Somebody else sees nothing of it.
    let other = Owner::Token("other".into());
    let hidden = sandboxes.get(&other, &id).await;
    assert!(matches!(hidden, Err(SandboxError::NotFound(_))));
    assert!(sandboxes.list(&other).is_empty());
    assert!(sandboxes.remove(&Owner::Person, &id).await.unwrap());
    assert!(!sandboxes.remove(&Owner::Person, &id).await.unwrap());
    assert!(site.containers().is_empty());
    let late = sandboxes.exec(&Owner::Person, &id, line("true")).await;
    assert!(matches!(late, Err(SandboxError::Ended { .. })));
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn what_is_removed_from_outside_is_lost_and_said() {
    if !wanted() {
        return;
    }
    let site = Site::new("lost");
    let (sandboxes, task) = site.start(settings()).await;
    let mut events = sandboxes.events();
    let id = create(&sandboxes, CreateRequest::default()).await;
    let exec = sandboxes
        .exec(&Owner::Person, &id, line("sleep 1000"))
        .await;
    docker(&["rm", "-f", &id.container()]);
    let answer = soon(exec.unwrap().wait()).await;
    assert_eq!(answer.exit_code, Some(137));
    let lost = soon(async {
        loop {
            if let SandboxEventKind::Lost { reason } = events.recv().await.unwrap().kind {
                return reason;
            }
        }
    });
    assert!(lost.await.contains("removed from outside"));
    let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(view.state, SandboxState::Lost);
    let late = sandboxes.exec(&Owner::Person, &id, line("true")).await;
    assert!(matches!(late, Err(SandboxError::Lost { .. })));
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn time_is_announced_and_over() {
    if !wanted() {
        return;
    }
    let site = Site::new("ttl");
    let (sandboxes, task) = site.start(settings()).await;
    let mut events = sandboxes.events();
    let request = CreateRequest {
        ttl_s: Some(1.0),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let mut kinds = Vec::new();
    while !matches!(kinds.last(), Some(SandboxEventKind::Ended { .. })) {
        kinds.push(soon(events.recv()).await.unwrap().kind);
    }
    assert!(matches!(
        kinds[..],
        [
            SandboxEventKind::Created,
            SandboxEventKind::EndsSoon { .. },
            SandboxEventKind::Ended { .. }
        ]
    ));
    until("its container is gone", async || {
        site.containers().is_empty()
    })
    .await;
    let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(view.state, SandboxState::Ended);
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_paused_sandbox_keeps_what_it_has() {
    if !wanted() {
        return;
    }
    let site = Site::new("pause");
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        ttl_s: Some(0.5),
        on_timeout: Some(OnTimeout::Pause),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    until("it is paused", async || {
        let view = sandboxes.get(&Owner::Person, &id).await.unwrap();
        view.state == SandboxState::Paused
    })
    .await;
    let early = sandboxes.exec(&Owner::Person, &id, line("true")).await;
    assert!(matches!(early, Err(SandboxError::Paused(_))));
    assert!(sandboxes.resume(&Owner::Person, &id).await.unwrap());
    assert!(!sandboxes.resume(&Owner::Person, &id).await.unwrap());
    run(&sandboxes, &id, "echo kept > /workspace/a").await;
    assert!(sandboxes.pause(&Owner::Person, &id).await.unwrap());
    assert!(!sandboxes.pause(&Owner::Person, &id).await.unwrap());
    assert!(sandboxes.resume(&Owner::Person, &id).await.unwrap());
    let minutes = Duration::from_secs(600);
    let set = sandboxes.set_timeout(&Owner::Person, &id, minutes).await;
    assert!(set.unwrap().ends_at_ms > 0);
    let answer = run(&sandboxes, &id, "cat /workspace/a").await;
    assert_eq!(answer.stdout, "kept\n");
    // One that wants it goes on with the next command or file.
    let request = CreateRequest {
        on_timeout: Some(OnTimeout::Pause),
        auto_resume: true,
        ..CreateRequest::default()
    };
    let other = create(&sandboxes, request).await;
    assert!(sandboxes.pause(&Owner::Person, &other).await.unwrap());
    assert_eq!(run(&sandboxes, &other, "echo on").await.stdout, "on\n");
    assert!(sandboxes.pause(&Owner::Person, &other).await.unwrap());
    let files = sandboxes.files(&Owner::Person, &other).await.unwrap();
    assert!(files.list("/workspace", 1).await.unwrap().is_empty());
    sandboxes.remove(&Owner::Person, &other).await.unwrap();
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_fork_has_the_files_and_lives_its_own_life() {
    if !wanted() {
        return;
    }
    let site = Site::new("fork");
    let (sandboxes, task) = site.start(settings()).await;
    let id = create(&sandboxes, CreateRequest::default()).await;
    run(
        &sandboxes,
        &id,
        "echo one > a; mkdir /workspace/d; ln -s /usr/bin/env /workspace/d/env",
    )
    .await;
    let fork = sandboxes
        .fork(&Owner::Person, &id)
        .await
        .unwrap()
        .sandbox_id;
    assert_ne!(fork, id);
    run(&sandboxes, &id, "echo two > a").await;
    let look = "cat a; readlink /workspace/d/env";
    let answer = run(&sandboxes, &fork, look).await;
    assert_eq!(answer.stdout, "one\n/usr/bin/env\n");
    let archive = sandboxes.snapshot(&Owner::Person, &id).await.unwrap();
    let archive: Vec<_> = soon(archive.collect()).await;
    run(&sandboxes, &id, "rm a").await;
    let restored = stream::iter(archive).boxed();
    sandboxes
        .restore(&Owner::Person, &id, restored)
        .await
        .unwrap();
    assert_eq!(run(&sandboxes, &id, "cat a").await.stdout, "two\n");
    for one in [&id, &fork] {
        sandboxes.remove(&Owner::Person, one).await.unwrap();
    }
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn an_image_without_a_shell_runs_programs() {
    if !wanted() {
        return;
    }
    let site = Site::new("scratch");
    let image = format!("{}-image", site.instance);
    let context = tempfile::tempdir().unwrap();
    std::fs::write(
        context.path().join("Dockerfile"),
        "FROM scratch\nVOLUME /data\nCOPY Dockerfile /file\n",
    )
    .unwrap();
    docker(&[
        "build",
        "-q",
        "-t",
        &image,
        context.path().to_str().unwrap(),
    ]);
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(image.clone()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let program = ExecRequest {
        command: ShellCommand::Arguments(
            ["/.vivarium/sandbox-init", "--nonsense"]
                .map(str::to_owned)
                .into(),
        ),
        ..ExecRequest::default()
    };
    let exec = sandboxes.exec(&Owner::Person, &id, program).await.unwrap();
    let answer = soon(exec.wait()).await;
    assert_eq!(answer.exit_code, Some(2), "{}", answer.stderr);
    let without = sandboxes.exec(&Owner::Person, &id, line("true")).await;
    assert!(
        matches!(without, Err(SandboxError::ExecFailed { .. })),
        "{without:?}"
    );
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    files.make_dir("/workspace/a").await.unwrap();
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    soon(task).await.unwrap();
    docker(&["rmi", "-f", &image]);
}

#[tokio::test]
async fn what_cannot_be_made_says_why() {
    if !wanted() {
        return;
    }
    let site = Site::new("refused");
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some("vivarium-test-no-such-image:1".into()),
        ..CreateRequest::default()
    };
    let missing = sandboxes.create(&Owner::Person, request, None).await;
    assert!(
        matches!(missing, Err(SandboxError::ImageMissing { .. })),
        "{missing:?}"
    );
    let request = CreateRequest {
        runtime: Some("runsc".into()),
        ..CreateRequest::default()
    };
    let known = docker(&["info", "--format", "{{json .Runtimes}}"]);
    if !known.iter().any(|line| line.contains("runsc")) {
        let refused = sandboxes.create(&Owner::Person, request, None).await;
        assert!(matches!(refused, Err(SandboxError::NotSupported { .. })));
    }
    assert!(site.containers().is_empty());
    let health = sandboxes.health().await;
    assert_eq!((health.engine, health.store), (None, None));
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

/// Whether the engine laid out no network for it.
fn is_quick(id: &str) -> bool {
    let format = "{{.Config.NetworkDisabled}}";
    docker(&["inspect", "--format", format, id]) == ["true"]
}

#[tokio::test]
async fn the_volume_of_first_processes_is_made_again_and_is_not_needed_whole() {
    if !wanted() {
        return;
    }
    let site = Site::new("volume");
    let (sandboxes, _task) = site.start(settings()).await;
    let label = format!("label=vivarium.instance={}", site.instance);
    let volume = || docker(&["volume", "ls", "-q", "--filter", &label]).remove(0);
    let works = async || {
        let id = create(&sandboxes, CreateRequest::default()).await;
        let answer = run(&sandboxes, &id, "getent ahosts localhost").await;
        assert!(answer.stdout.contains("127.0.0.1 "), "{answer:?}");
        let is_quick = is_quick(&id.container());
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
        is_quick
    };
    assert!(works().await);
    docker(&["volume", "rm", &volume()]);
    assert!(works().await);
    // As on an engine that has its volumes where it can't bind a file of them.
    let inside = format!("{}:/volume", volume());
    docker(&[
        "run",
        "--rm",
        "-v",
        &inside,
        crate::IMAGE,
        "rm",
        "/volume/hosts",
    ]);
    assert!(!works().await);
    sandboxes.stop().await;
}
