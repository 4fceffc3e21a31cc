//! What happens to a machine at the engine is heard, whoever did it.

use std::time::Duration;

use containers::ContainerAction;
use lifecycle::{Change, Engine, EngineChoice, UpOptions};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc::{self, Receiver},
    task::JoinSet,
};

use crate::tiny::TinyMachine;

const RESTS: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.stage=os vivarium.test=NAME\nCMD [\"sleep\", \"600\"]\n";

/// Waits for a change that is as wanted.
async fn heard(changes: &mut Receiver<Change>, wanted: impl Fn(&Change) -> bool) -> bool {
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while let Some(change) = changes.recv().await {
            if wanted(&change) {
                return true;
            }
        }
        false
    });
    waited.await.unwrap_or(false)
}

fn container(wanted: ContainerAction) -> impl Fn(&Change) -> bool {
    move |change| matches!(change, Change::Container(action) if *action == wanted)
}

#[tokio::test]
async fn what_others_do_to_the_machine_is_heard() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("watch", RESTS, &[]);
    let (tell, mut changes) = mpsc::channel(64);
    let machine = tiny.machine.clone();
    let watching = tokio::spawn(async move { machine.watch(tell).await });
    let here = heard(&mut changes, |change| matches!(change, Change::EngineHere)).await;

    // It never becomes ready; its container is there meanwhile.
    let (upping, docked) = (tiny.machine.clone(), engine.clone());
    let up = tokio::spawn(async move {
        let cancel = lifecycle::CancellationToken::new();
        let _ = upping
            .up(&docked, UpOptions::default(), &cancel, &mut |_| {})
            .await;
    });
    let image = heard(&mut changes, |change| matches!(change, Change::Image)).await;
    let created = heard(&mut changes, container(ContainerAction::Created)).await;
    let started = heard(&mut changes, container(ContainerAction::Started)).await;
    let usage = tiny.machine.usage(&engine).await;
    let disk = tiny.machine.disk(&engine).await;
    let name = tiny.machine.container_name();
    engine.stop_container(name, 0).await.unwrap();
    let killed = ContainerAction::Ended { exit_code: 137 };
    let ended = heard(&mut changes, container(killed)).await;
    let stopped = tiny.machine.disk(&engine).await;
    engine.remove_container(name).await.unwrap();
    let removed = heard(&mut changes, container(ContainerAction::Removed)).await;
    let away = tiny.machine.usage(&engine).await;
    up.await.unwrap();
    drop(changes);
    watching.await.unwrap();
    tiny.tidy(&engine).await;

    assert!(here && image && created && started && ended && removed);
    let usage = usage.unwrap();
    assert!(usage.memory_bytes > 0 && usage.memory_limit_bytes > usage.memory_bytes);
    assert_eq!(usage.pids_limit, Some(2048));
    let disk = disk.unwrap();
    assert!(
        disk.image_bytes > Some(0) && disk.home_bytes.is_some(),
        "{disk:?}"
    );
    let stopped = stopped.unwrap();
    assert!(
        stopped.image_bytes > Some(0) && stopped.home_bytes.is_none(),
        "{stopped:?}"
    );
    assert!(matches!(
        away,
        Err(lifecycle::LifecycleError::NotRunning { .. })
    ));
}

/// Passes connections on to the engine; dropping what it answers cuts them all.
pub fn in_between(socket: &std::path::Path, engine: &str) -> JoinSet<()> {
    let listener = UnixListener::bind(socket).expect("a socket");
    let engine = engine.to_owned();
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let engine = engine.clone();
            connections.spawn(async move {
                let mut far = UnixStream::connect(engine).await.expect("the engine");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    listening
}

#[tokio::test]
async fn an_engine_that_goes_and_comes_back_is_told_of() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let Some(engine) = engine.info().endpoint.strip_prefix("unix://") else {
        eprintln!("left out: the engine has no socket here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let between = in_between(&socket, engine);
    let choice = EngineChoice::new(Some(socket.display().to_string()));
    let tiny = TinyMachine::at(choice.clone(), "goes", RESTS, &[]);
    let (tell, mut changes) = mpsc::channel(64);
    let watching = tokio::spawn(async move { tiny.machine.watch(tell).await });
    let is_here = |change: &Change| matches!(change, Change::EngineHere);
    let is_gone = |change: &Change| matches!(change, Change::EngineGone(_));
    assert!(heard(&mut changes, is_here).await);

    drop(between);
    std::fs::remove_file(&socket).unwrap();
    assert!(heard(&mut changes, is_gone).await);
    let between = in_between(&socket, engine);
    assert!(heard(&mut changes, is_here).await);

    // Another one is chosen meanwhile.
    choice.set(Some("unix:///nonexistent.sock".into()));
    assert!(heard(&mut changes, is_gone).await);
    drop((between, changes));
    watching.await.unwrap();
}
