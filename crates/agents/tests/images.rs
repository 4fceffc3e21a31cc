//! The images of agents, built by a real container engine and with the real tools in them. Only where
//! VIVARIUM_TEST_ENGINE=1 says that an engine may be used; VIVARIUM_TEST_AGENTS=all builds all tools.
//!
//! The images are kept under names of their own, so that the next run finds their layers. The test that
//! builds them has to have passed before the others: scripts/testing/plan.py sees to that.

#![allow(clippy::unwrap_used)]

#[path = "images/building.rs"]
mod building;
#[path = "images/container.rs"]
mod container;
#[path = "images/documents.rs"]
mod documents;
#[path = "images/entry.rs"]
mod entry;
#[path = "images/full.rs"]
mod full;
#[path = "images/registry.rs"]
mod registry;
#[path = "images/turns.rs"]
mod turns;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use agents::{
    catalogue::{Catalogue, ToolId},
    images::{AgentImage, BuildOptions, Ground, ImageSettings, Images},
};
use containers::{CancellationToken, Engine};
use wire::machine::Progress;

/// Stands before the names of the images.
const INSTANCE: &str = "vivarium-test";
/// How long anything is waited for.
const DEADLINE: Duration = Duration::from_secs(300);

fn wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_ENGINE").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "left out: VIVARIUM_TEST_ENGINE=1 is not set, so no container engine may be used"
        );
    }
    wanted
}

/// Whether all tools are asked for.
fn all_wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_AGENTS").is_ok_and(|value| value == "all");
    if !wanted {
        eprintln!("left out: VIVARIUM_TEST_AGENTS=all is not set");
    }
    wanted && self::wanted()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn tool(name: &str) -> ToolId {
    name.parse().unwrap()
}

fn image_of(tool: &str) -> String {
    format!("{INSTANCE}-ai-{tool}:latest")
}

fn base_image() -> String {
    format!("{INSTANCE}-tmux-agents-base:latest")
}

fn images(home: &Path, settings: ImageSettings) -> Images {
    Images::new(
        &root(),
        &home.join("config"),
        home,
        Some(INSTANCE),
        settings,
    )
}

/// Builds an image; answers its id and the phases that were told.
async fn build(images: &Images, engine: &Engine, image: &AgentImage) -> (String, Vec<String>) {
    build_on(images, engine, image, Ground::Usual).await
}

/// The same, on another ground.
async fn build_on(
    images: &Images,
    engine: &Engine,
    image: &AgentImage,
    ground: Ground,
) -> (String, Vec<String>) {
    let (cancel, mut phases) = (CancellationToken::new(), Vec::new());
    let mut tell = |progress: Progress| {
        if let Progress::Phase { name } = progress {
            phases.push(name);
        }
    };
    let catalogue = Catalogue::built_in();
    let options = BuildOptions {
        // For the next run.
        keep_fetched: true,
        rebuild: false,
        ground,
    };
    let built = images
        .build(engine, &catalogue, image, &options, &cancel, &mut tell)
        .await;
    let id = built.unwrap_or_else(|error| panic!("{:?}", wire::failure::Failure::from(error)));
    (id, phases)
}

/// `docker` with these words.
fn docker(words: &[&str]) -> Output {
    Command::new("docker")
        .args(words)
        .output()
        .expect("docker runs")
}

/// What it prints, if it succeeds.
fn said(words: &[&str]) -> String {
    let output = docker(words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "docker {words:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until this is true.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < DEADLINE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
