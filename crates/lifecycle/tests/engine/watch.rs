//! What happens to a machine at the engine is heard, whoever did it.

use std::time::Duration;

use dock::ContainerAction;
use lifecycle::{Change, Dock};
use tokio::sync::mpsc::{self, Receiver};

use crate::tiny::TinyMachine;

const RESTS: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.stage=os\nCMD [\"sleep\", \"600\"]\n";

/// Waits for a change that is as wanted.
async fn heard(changes: &mut Receiver<Change>, wanted: impl Fn(&Change) -> bool) -> bool {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
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
    let dock = Dock::connect().await.unwrap();
    let tiny = TinyMachine::new("watch", RESTS, &[]);
    let (tell, mut changes) = mpsc::channel(64);
    let machine = tiny.machine.clone();
    let watching = tokio::spawn(async move { machine.watch(tell).await });
    let here = heard(&mut changes, |change| matches!(change, Change::EngineHere)).await;

    // It never becomes ready; its container is there meanwhile.
    let (upping, docked) = (tiny.machine.clone(), dock.clone());
    let up = tokio::spawn(async move {
        let cancel = lifecycle::CancellationToken::new();
        let _ = upping.up(&docked, false, &cancel, &mut |_| {}).await;
    });
    let image = heard(&mut changes, |change| matches!(change, Change::Image)).await;
    let created = heard(&mut changes, container(ContainerAction::Created)).await;
    let started = heard(&mut changes, container(ContainerAction::Started)).await;
    let usage = tiny.machine.usage(&dock).await;
    let disk = tiny.machine.disk(&dock).await;
    let name = tiny.machine.container_name();
    dock.remove_container(name).await.unwrap();
    let killed = ContainerAction::Ended { exit_code: 137 };
    let ended = heard(&mut changes, container(killed)).await;
    let removed = heard(&mut changes, container(ContainerAction::Removed)).await;
    let away = tiny.machine.usage(&dock).await;
    up.await.unwrap();
    drop(changes);
    watching.await.unwrap();
    tiny.tidy(&dock).await;

    assert!(here && image && created && started && ended && removed);
    let usage = usage.unwrap();
    assert!(usage.memory_bytes > 0 && usage.memory_limit_bytes > usage.memory_bytes);
    assert_eq!(usage.pids_limit, Some(4096));
    let disk = disk.unwrap();
    assert!(
        disk.image_bytes > Some(0) && disk.home_bytes.is_some(),
        "{disk:?}"
    );
    assert!(matches!(
        away,
        Err(lifecycle::LifecycleError::NotRunning { .. })
    ));
}
