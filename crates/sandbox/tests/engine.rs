//! Against a real container engine. Only where VIVARIUM_TEST_ENGINE=1 says that one may be used.

#![allow(clippy::unwrap_used)]

#[path = "engine/answers.rs"]
mod answers;
#[path = "engine/archives.rs"]
mod archives;
#[path = "engine/between.rs"]
mod between;
#[path = "engine/code.rs"]
mod code;
#[path = "engine/commands.rs"]
mod commands;
#[path = "engine/disk.rs"]
mod disk;
#[path = "engine/files.rs"]
mod files;
#[path = "engine/killed.rs"]
mod killed;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/limits.rs"]
mod limits;
#[path = "engine/pool.rs"]
mod pool;
#[path = "engine/reach.rs"]
mod reach;
#[path = "engine/restart.rs"]
mod restart;
#[path = "engine/rights.rs"]
mod rights;
#[path = "engine/takeover.rs"]
mod takeover;
#[path = "engine/traffic.rs"]
mod traffic;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../../lifecycle/tests/engine/world.rs"]
mod world;

use std::{path::PathBuf, time::Duration};

use containers::EngineChoice;
use sandbox::{Options, Owner, PoolSize, Sandboxes, Settings};
use tokio::task::JoinHandle;
use wire::{
    kernel::ShellCommand,
    sandbox::{CreateRequest, ExecAnswer, ExecRequest, SandboxId},
};

/// What every engine here has.
const IMAGE: &str = "debian:trixie-slim";
/// The image of docker/sandbox, as scripts/testing builds it.
const KERNEL_IMAGE: &str = "vivarium-test-sandbox";

fn wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_ENGINE").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "left out: VIVARIUM_TEST_ENGINE=1 is not set, so no container engine may be used"
        );
    }
    wanted
}

/// What `docker` says to this, in lines.
fn docker(words: &[&str]) -> Vec<String> {
    let output = std::process::Command::new("docker").args(words).output();
    let output = output.expect("docker runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// The static program, as scripts/lib/build.sh makes it.
fn init_binary() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = format!(
        "target/{}-unknown-linux-gnu/release/sandbox-init",
        std::env::consts::ARCH
    );
    let program = match std::env::var_os("VIVARIUM_SANDBOX_INIT") {
        Some(program) => program.into(),
        None => root.join(built),
    };
    assert!(
        program.is_file(),
        "{} is missing: . scripts/lib/build.sh && build_static sandbox-init",
        program.display()
    );
    program
}

/// An installation of its own, of which nothing is left when it is dropped, also where a test failed.
struct Site {
    instance: String,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(word: &str) -> Self {
        let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
        Self {
            instance: format!("{run}-{word}-{}", std::process::id()),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn options(&self, settings: Settings) -> Options {
        Options {
            engine: EngineChoice::default(),
            data_dir: self.folder.path().to_owned(),
            instance: Some(self.instance.clone()),
            settings,
            init_binary: init_binary(),
        }
    }

    async fn start(&self, settings: Settings) -> (Sandboxes, JoinHandle<()>) {
        let started = Sandboxes::start(self.options(settings)).await;
        started.expect("started")
    }

    /// Names of its sandboxes' containers.
    fn containers(&self) -> Vec<String> {
        let label = format!("label=vivarium.instance={}", self.instance);
        let kind = "label=vivarium.kind=sandbox";
        let format = "{{.Names}}";
        docker(&[
            "ps", "-a", "--filter", &label, "--filter", kind, "--format", format,
        ])
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let label = format!("label=vivarium.instance={}", self.instance);
        for (list, remove) in [
            (vec!["ps", "-aq"], vec!["rm", "-fv"]),
            (vec!["network", "ls", "-q"], vec!["network", "rm"]),
            (vec!["volume", "ls", "-q"], vec!["volume", "rm"]),
        ] {
            for found in docker(&[&list[..], &["--filter", &label]].concat()) {
                docker(&[&remove[..], &[&found]].concat());
            }
        }
    }
}

/// Without a pool.
fn settings() -> Settings {
    Settings {
        image: IMAGE.into(),
        pool: Vec::new(),
        ..Settings::default()
    }
}

fn with_pool(size: u32) -> Settings {
    let settings = settings();
    Settings {
        pool: vec![PoolSize {
            image: IMAGE.into(),
            limits: settings.limits,
            network: settings.network,
            size,
        }],
        ..settings
    }
}

async fn create(sandboxes: &Sandboxes, request: CreateRequest) -> SandboxId {
    let made = sandboxes.create(&Owner::Person, request, None).await;
    made.expect("made").sandbox_id
}

fn line(line: &str) -> ExecRequest {
    ExecRequest {
        command: ShellCommand::Line(line.into()),
        ..ExecRequest::default()
    }
}

async fn run(sandboxes: &Sandboxes, id: &SandboxId, text: &str) -> ExecAnswer {
    let exec = sandboxes.exec(&Owner::Person, id, line(text)).await;
    soon(exec.expect("it runs").wait()).await
}

/// A sandbox of an installation of its own.
async fn made(word: &str, request: CreateRequest) -> (Site, Sandboxes, SandboxId) {
    let site = Site::new(word);
    let (sandboxes, _task) = site.start(settings()).await;
    let id = create(&sandboxes, request).await;
    (site, sandboxes, id)
}

/// Of the image that has Python.
fn with_python() -> CreateRequest {
    CreateRequest {
        image: Some(KERNEL_IMAGE.into()),
        ..CreateRequest::default()
    }
}

/// What a Python program says, with these arguments.
async fn python(sandboxes: &Sandboxes, id: &SandboxId, program: &str, words: &[String]) -> String {
    let start = ["python3", "-c", program].map(str::to_owned);
    let request = ExecRequest {
        command: ShellCommand::Arguments([&start[..], words].concat()),
        ..ExecRequest::default()
    };
    let exec = sandboxes.exec(&Owner::Person, id, request).await;
    let answer = soon(exec.expect("it runs").wait()).await;
    assert_eq!(answer.exit_code, Some(0), "{answer:?}");
    answer.stdout
}

/// A deadline for what must not hang.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(600), work).await;
    done.expect("done within ten minutes")
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
