//! Against a real container engine, with a tiny image of our own making. Only
//! where VIVARIUM_TEST_ENGINE=1 says that one may be used.

#[path = "engine/evolve.rs"]
mod evolve;
#[path = "engine/evolve_candidates.rs"]
mod evolve_candidates;
#[path = "engine/evolve_faults.rs"]
mod evolve_faults;
#[path = "engine/evolve_killed.rs"]
mod evolve_killed;
#[path = "engine/evolving.rs"]
mod evolving;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/found_ports.rs"]
mod found_ports;
#[path = "engine/history.rs"]
mod history;
#[path = "engine/machine.rs"]
mod machine;
#[path = "engine/perl.rs"]
mod perl;
#[path = "engine/power.rs"]
mod power;
#[path = "engine/prune.rs"]
mod prune;
#[path = "engine/recreate.rs"]
mod recreate;
#[path = "engine/tiny.rs"]
mod tiny;
#[path = "engine/watch.rs"]
mod watch;
#[path = "engine/world.rs"]
mod world;

use std::{
    collections::BTreeMap,
    io::{Seek, Write},
};

use containers::{
    BuildRequest, CancellationToken, ContainerSpec, Engine, EngineError, PublishedPort,
};
use wire::machine::Progress;

const LABEL: &str = "vivarium.test";

fn wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_ENGINE").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "left out: VIVARIUM_TEST_ENGINE=1 is not set, so no container engine may be used"
        );
    }
    wanted
}

/// A name for what a test makes at the engine: no other process has it, and scripts/test.sh finds by
/// it what a test of its run left behind.
fn own_name(word: &str) -> String {
    let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
    format!("{run}-{word}-{}", std::process::id())
}

/// What `docker` says to this, in lines.
fn docker(words: &[&str]) -> Vec<String> {
    let output = std::process::Command::new("docker").args(words).output();
    let output = output.expect("docker runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// A name of things at the engine that are gone when it is dropped, also where a test failed.
struct Named(String);

impl Named {
    fn new(word: &str) -> Self {
        Self(own_name(word))
    }
}

impl std::ops::Deref for Named {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        docker(&["rm", "-fv", self]);
        docker(&["network", "rm", &format!("{}-net", self.0)]);
        docker(&["volume", "rm", self]);
        docker(&["rmi", "-f", self]);
        for label in ["vivarium.test", "vivarium.test.name"] {
            let label = format!("label={label}={}", self.0);
            for image in docker(&["images", "-q", "--filter", &label]) {
                docker(&["rmi", "-f", &image]);
            }
        }
    }
}

/// A context of one Dockerfile and one file, for images from scratch.
fn context(dockerfile: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in [("Dockerfile", dockerfile), ("file", "hello")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes())
            .expect("written to memory");
    }
    tar.into_inner().expect("written to memory")
}

fn file(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("rewound");
    file
}

fn request(dockerfile: &str, tag: &str) -> BuildRequest {
    BuildRequest {
        context: file(&context(dockerfile)),
        dockerfile: "Dockerfile".into(),
        tag: tag.into(),
        args: BTreeMap::new(),
        labels: BTreeMap::from([(LABEL.to_owned(), "1".to_owned())]),
    }
}

#[tokio::test]
async fn builds_create_look_and_leave_nothing() {
    if !wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let name = Named::new("lifecycle");
    let cancel = CancellationToken::new();
    let mut told = Vec::new();
    let built = engine
        .build(
            request("FROM scratch\nCOPY file /file\n", &name),
            &cancel,
            &mut |progress| told.push(progress),
        )
        .await
        .unwrap();
    assert!(
        matches!(&told[0], Progress::Step { index: 1, total, .. } if *total >= 2),
        "{told:?}"
    );
    let image = engine.image(&name).await.unwrap().unwrap();
    assert_eq!(
        (image.id, image.labels.get(LABEL).map(String::as_str)),
        (built.id, Some("1"))
    );

    let labels = BTreeMap::from([(LABEL.to_owned(), name.to_owned())]);
    let network = format!("{}-net", name.0);
    engine.ensure_network(&network, &labels).await.unwrap();
    engine.ensure_network(&network, &labels).await.unwrap();
    engine.ensure_volume(&name, &labels).await.unwrap();
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: name.to_owned(),
        command: Some(vec!["/none".into()]),
        labels,
        ports: vec![PublishedPort {
            host: 0,
            container: 80,
        }],
        network: Some(network.clone()),
        ..Default::default()
    };
    engine.create_container(&spec).await.unwrap();
    assert!(
        engine
            .create_container(&spec)
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert!(!engine.container(&name).await.unwrap().unwrap().is_running());
    assert_eq!(
        engine.containers_labelled(LABEL, &name).await.unwrap(),
        [&*name]
    );

    engine.remove_container(&name).await.unwrap();
    engine.remove_container(&name).await.unwrap();
    engine.remove_network(&network).await.unwrap();
    engine.remove_volume(&name).await.unwrap();
    engine.remove_image(&name).await.unwrap();
    assert_eq!(engine.container(&name).await.unwrap(), None);
    assert_eq!(engine.image(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_failing_step_is_named_and_a_cancelled_build_ends() {
    if !wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let cancel = CancellationToken::new();
    let failing = request("FROM scratch\nCOPY missing /x\n", &own_name("failing"));
    match engine.build(failing, &cancel, &mut |_| {}).await {
        Err(EngineError::Build { step, .. }) => assert!(step.contains("COPY missing"), "{step}"),
        other => panic!("{other:?}"),
    }
    cancel.cancel();
    let cancelled = engine
        .build(
            request("FROM scratch\n", &own_name("cancelled")),
            &cancel,
            &mut |_| {},
        )
        .await;
    assert!(matches!(cancelled, Err(EngineError::Cancelled)));
}

/// Waits for a condition of the engine's, for two minutes at most.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) -> bool {
    for _ in 0..1200 {
        if holds().await {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_build_cancelled_within_a_step_leaves_no_container() {
    if !wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    if engine.is_podman() {
        eprintln!("left out: Podman's API does not show the containers of a build");
        return;
    }
    let name = Named::new("sleeping");
    let dockerfile = format!(
        "FROM debian:trixie-slim\nLABEL {LABEL}={}\nRUN sleep 600\n",
        name.0
    );
    let cancel = CancellationToken::new();
    let (building, cancelled, request) =
        (engine.clone(), cancel.clone(), request(&dockerfile, &name));
    let build = tokio::spawn(async move { building.build(request, &cancelled, &mut |_| {}).await });
    let containers = || async { engine.containers_labelled(LABEL, &name).await.unwrap() };
    assert!(
        until(|| async { !containers().await.is_empty() }).await,
        "the step's container did not appear"
    );
    cancel.cancel();
    // The answer does not wait for the step's end.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(120), build).await;
    let answer = answer.unwrap().unwrap();
    assert!(matches!(answer, Err(EngineError::Cancelled)), "{answer:?}");
    assert!(
        until(|| async { containers().await.is_empty() }).await,
        "the step's container still runs"
    );
    assert_eq!(engine.image(&name).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_newer_build_replaced_is_loose() {
    if !wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let name = Named::new("loose");
    let cancel = CancellationToken::new();
    let (mut ids, mut steps) = (Vec::new(), Vec::new());
    for number in ["1", "2"] {
        let dockerfile = format!(
            "FROM scratch\nLABEL {LABEL}.name={}\nENV NUMBER={number}\n",
            name.0
        );
        let built = engine
            .build(request(&dockerfile, &name), &cancel, &mut |_| {})
            .await
            .unwrap();
        ids.push(built.id);
        steps = built.steps;
    }
    let loose = engine
        .loose_images(&format!("{LABEL}.name={}", name.0))
        .await
        .unwrap();
    for id in &ids {
        engine.remove_image(id).await.unwrap();
    }
    let loose: Vec<&str> = loose.iter().map(|image| image.id.as_str()).collect();
    assert_eq!(loose, [ids[0].as_str()]);
    assert!(
        ids[1].contains(steps.last().unwrap().as_str()),
        "{ids:?} {steps:?}"
    );
}
