//! Ports that a machine's spec leaves open: once found they stay the machine's, and another program
//! that has one of them costs no machine.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;

use containers::Engine;
use lifecycle::{CancellationToken, Machine, UpOptions};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::evolving::Tiny;

const RECREATE: UpOptions = UpOptions {
    rebuild: false,
    recreate: true,
};

async fn up(machine: &Machine, engine: &Engine, options: UpOptions) -> Result<(), Failure> {
    let cancel = CancellationToken::new();
    let up = machine.up(engine, options, &cancel, &mut |_| {}).await;
    up.map(|_| ()).map_err(Failure::from)
}

async fn ports(tiny: &Tiny) -> Vec<u16> {
    let name = tiny.tiny.machine.container_name();
    let found = tiny.engine.container(name).await.unwrap().unwrap();
    found.ports.values().copied().collect()
}

#[tokio::test]
async fn ports_once_found_are_kept_and_tried_again() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("ports", &[]).await;
    let (machine, engine) = (&tiny.tiny.machine, &tiny.engine);
    let found = ports(&tiny).await;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|port| *port != 0), "{found:?}");

    machine.down(engine).await.unwrap();
    up(machine, engine, UpOptions::default()).await.unwrap();
    assert_eq!(ports(&tiny).await, found, "stopped and started");
    machine.remove(engine, false).await.unwrap();
    up(machine, engine, UpOptions::default()).await.unwrap();
    assert_eq!(ports(&tiny).await, found, "removed and made again");
    let mut options = tiny.tiny.options.clone();
    options.overrides.push("environment.A=x".into());
    let changed = Machine::load(&options).unwrap();
    up(&changed, engine, RECREATE).await.unwrap();
    assert_eq!(ports(&tiny).await, found, "recreated");

    // Another program takes one while the machine is stopped. What was installed in the machine is
    // not thrown away for a port, unless its owner says so.
    changed.down(engine).await.unwrap();
    let held = TcpListener::bind(("127.0.0.1", found[0])).unwrap();
    let refused = up(&changed, engine, UpOptions::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, FailureCode::PortTaken, "{refused}");
    assert_eq!(refused.next.as_deref(), Some(&Advice::FreePortOrRecreate));
    up(&changed, engine, RECREATE).await.unwrap();
    let other = ports(&tiny).await;
    assert_ne!(other[0], found[0]);
    assert_eq!(other[1..], found[1..], "the others stay");
    drop(held);
    changed.down(engine).await.unwrap();
    up(&changed, engine, UpOptions::default()).await.unwrap();
    assert_eq!(ports(&tiny).await, other, "the new one is kept");
    tiny.tidy().await;
}
