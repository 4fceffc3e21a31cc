//! `up` never throws a running machine away unasked, and never before its successor answers.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;

use containers::ContainerState;
use lifecycle::{CancellationToken, Engine, LifecycleError, Machine, MachineOptions, UpOptions};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::evolving::Tiny;

const RECREATE: UpOptions = UpOptions {
    rebuild: false,
    recreate: true,
};

/// A machine of the same folders with other settings.
fn with(tiny: &Tiny, change: impl FnOnce(&mut MachineOptions)) -> Result<Machine, LifecycleError> {
    let mut options = tiny.tiny.options.clone();
    change(&mut options);
    Machine::load(&options)
}

async fn up(machine: &Machine, engine: &Engine, options: UpOptions) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    let up = machine.up(engine, options, &cancel, &mut |_| {}).await;
    up.map(|_| ()).map_err(Failure::from)
}

async fn id(tiny: &Tiny) -> String {
    let name = tiny.tiny.machine.container_name();
    let found = tiny.engine.container(name).await.unwrap().unwrap();
    assert!(found.is_running(), "{:?}", found.state);
    found.id
}

/// What is there of the machine's containers: the machine, and nothing beside it.
async fn alone(tiny: &Tiny) {
    let label = "vivarium.instance";
    let found = tiny.engine.containers_labelled(label, &tiny.tiny.instance);
    let name = tiny.tiny.machine.container_name();
    assert_eq!(found.await.unwrap(), [name]);
}

async fn unchanged(tiny: &Tiny) {
    let engine = &tiny.engine;
    let before = id(tiny).await;
    let life = || async {
        let found = engine.container(&before).await.unwrap().unwrap();
        match found.state {
            ContainerState::Running { started_at_ms } => started_at_ms,
            other => panic!("{other:?}"),
        }
    };
    let began = life().await;

    // Limits: in place, there and back.
    let limited = with(tiny, |options| {
        let limits = ["limits.memory=200m", "limits.cpus=0.5", "limits.pids=300"];
        options.overrides.extend(limits.map(str::to_owned));
    });
    up(&limited.unwrap(), engine, UpOptions::default())
        .await
        .unwrap();
    let limits = engine.container(&before).await.unwrap().unwrap().limits;
    assert_eq!(limits.memory_bytes, Some(200 << 20));
    assert_eq!((limits.cpus, limits.pids), (Some(0.5), Some(300)));
    up(&tiny.tiny.machine, engine, UpOptions::default())
        .await
        .unwrap();
    let limits = engine.container(&before).await.unwrap().unwrap().limits;
    let all = engine.most().await.unwrap();
    assert_eq!(limits.memory_bytes, all.memory_bytes);
    assert_eq!((limits.cpus, limits.pids), (all.cpus, Some(2048)));
    up(&tiny.tiny.machine, engine, UpOptions::default())
        .await
        .unwrap();
    // A limit that is below what is in use would end processes.
    let tiny_limit = with(tiny, |options| {
        options.overrides.push("limits.memory=7m".into());
    });
    let in_use = engine.usage(&before).await.unwrap().unwrap().memory_bytes;
    if in_use > 7 << 20 {
        let refused = up(&tiny_limit.unwrap(), engine, UpOptions::default()).await;
        assert_eq!(refused.unwrap_err().code, FailureCode::WouldRecreate);
    }

    // What takes another container is refused, with nothing changed.
    let other = with(tiny, |options| {
        options.overrides.push("environment.A=x".into());
    })
    .unwrap();
    let refused = up(&other, engine, UpOptions::default()).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::WouldRecreate);
    assert!(refused.cause.unwrap().contains("its settings"));
    assert_eq!(refused.next.as_deref(), Some(&Advice::RecreateMachine));
    assert!(refused.detail.unwrap().contains("packages"));

    // A taken port, and a path that is not there, are seen before anything is changed.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let taken = with(tiny, |options| {
        options.overrides.push(format!("ports.kernel={port}"));
    });
    let refused = up(&taken.unwrap(), engine, RECREATE).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::PortTaken);
    let typo = tiny.tiny.folder().join("typo");
    let away = with(tiny, |options| options.repo = Some(typo.clone())).unwrap();
    for options in [UpOptions::default(), RECREATE] {
        let refused = up(&away, engine, options).await.unwrap_err();
        assert_eq!(refused.code, FailureCode::NotFound, "{refused}");
    }
    assert!(!typo.exists());

    assert_eq!((id(tiny).await, life().await), (before.clone(), began));
    alone(tiny).await;
}

/// A new container that does not come up leaves the old one in place.
async fn put_back(tiny: &Tiny) {
    let engine = &tiny.engine;
    let before = id(tiny).await;
    tiny.shell("echo kept >/opt/kept").await;
    let broken = with(tiny, |options| {
        // Perl ends at once with a library path that it does not take.
        options
            .overrides
            .push("environment.PERL5OPT=-Mnothing".into());
    });
    let failure = up(&broken.unwrap(), engine, RECREATE).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unhealthy);
    let message = failure.message;
    assert!(
        message.contains("previous container is running again"),
        "{message}"
    );
    assert_eq!(id(tiny).await, before);
    assert_eq!(tiny.shell("cat /opt/kept").await, "kept\n");
    alone(tiny).await;
}

/// With a path that has a colon, and after a recreation that was cut off.
async fn recreated(tiny: &Tiny) {
    let engine = &tiny.engine;
    let before = id(tiny).await;
    let odd = tiny.tiny.folder().join("a:b");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("file"), "seen").unwrap();
    let other = with(tiny, |options| options.repo = Some(odd.clone())).unwrap();
    let refused = up(&other, engine, UpOptions::default()).await.unwrap_err();
    assert!(refused.cause.unwrap().contains("its folders"));
    up(&other, engine, RECREATE).await.unwrap();
    assert_ne!(id(tiny).await, before);
    assert_eq!(tiny.shell("cat /repo/file").await, "seen");
    alone(tiny).await;
    let now = id(tiny).await;
    up(&other, engine, UpOptions::default()).await.unwrap();
    assert_eq!(id(tiny).await, now);

    // Cut off between two names.
    let name = tiny.tiny.machine.container_name();
    engine.stop_container(&now, 1).await.unwrap();
    let aside = format!("{name}-old");
    engine.rename_container(&now, &aside).await.unwrap();
    up(&other, engine, UpOptions::default()).await.unwrap();
    assert_eq!(id(tiny).await, now);
    alone(tiny).await;

    // A stopped machine follows its settings, as before.
    engine.stop_container(&now, 1).await.unwrap();
    up(&tiny.tiny.machine, engine, UpOptions::default())
        .await
        .unwrap();
    assert_ne!(id(tiny).await, now);
    alone(tiny).await;
}

#[tokio::test]
async fn nothing_is_removed_before_its_successor_answers() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("recreate", &[]).await;
    unchanged(&tiny).await;
    put_back(&tiny).await;
    recreated(&tiny).await;
    tiny.tidy().await;
}
