//! Against a real container engine. Only where VIVARIUM_TEST_ENGINE=1 says that one may be used.

#![allow(clippy::unwrap_used)]

#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/hooks.rs"]
mod hooks;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/reconcile.rs"]
mod reconcile;
#[path = "engine/rights.rs"]
mod rights;
#[path = "engine/send.rs"]
mod send;
#[path = "engine/viewers.rs"]
mod viewers;
#[path = "engine/work.rs"]
mod work;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agents::{Agents, KeySource, Options, ToolSpec};
use containers::EngineChoice;
use wire::agent::{AgentId, AgentState, AgentView, StartAgent};

/// The image of tests/image, as scripts/testing builds it.
const IMAGE: &str = "vivarium-test-agent";
/// The key that the tests' tools may need, and its value.
const KEY: &str = "TEST_API_KEY";
const SECRET: &str = "sk-planted-secret-of-the-tests";

fn wanted() -> bool {
    let wanted = std::env::var("VIVARIUM_TEST_ENGINE").is_ok_and(|value| value == "1");
    if !wanted {
        eprintln!(
            "left out: VIVARIUM_TEST_ENGINE=1 is not set, so no container engine may be used"
        );
    }
    wanted
}

/// What `docker` says to this.
fn docker(words: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(words).output();
    let output = output.expect("docker runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
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

#[derive(Debug)]
struct OneKey;

impl KeySource for OneKey {
    fn value(&self, name: &str) -> Option<String> {
        (name == KEY).then(|| SECRET.to_owned())
    }
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
            instance: format!("{run}-agents-{word}-{}", std::process::id()),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A process's view of it: another one is what comes after a restart of the app.
    async fn start(&self) -> Agents {
        let options = Options {
            engine: EngineChoice::default(),
            instance: Some(self.instance.clone()),
            init_binary: init_binary(),
            workspaces: Arc::new(vec![self.folder.path().to_owned()]),
            work_folder: self.folder.path().join("work"),
            keys: Arc::new(OneKey),
        };
        Agents::start(options).await.0
    }

    fn label(&self) -> String {
        format!("label=vivarium.instance={}", self.instance)
    }

    /// What there is of a kind of things: `ps -a`, `volume ls`, `network ls`.
    fn there(&self, list: &[&str]) -> Vec<String> {
        let label = self.label();
        let found = docker(&[list, &["--filter", &label, "-q"]].concat());
        found.lines().map(str::to_owned).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let kinds: [(&[&str], &[&str]); 3] = [
            (&["ps", "-a"], &["rm", "-fv"]),
            (&["network", "ls"], &["network", "rm"]),
            (&["volume", "ls"], &["volume", "rm"]),
        ];
        for (list, remove) in kinds {
            for found in self.there(list) {
                docker(&[remove, &[&found]].concat());
            }
        }
    }
}

fn shell() -> ToolSpec {
    ToolSpec::shell(IMAGE)
}

/// A tool that is a few lines of shell; `$1` is the conversation's id.
fn tool(name: &str, first: &str, resume: &str) -> ToolSpec {
    let line = |line: &str| {
        ["bash", "-c", line, name, "{conversation}"]
            .map(str::to_owned)
            .to_vec()
    };
    ToolSpec {
        name: name.into(),
        image: IMAGE.into(),
        start: line(first),
        resume: line(resume),
        reports: true,
        ..ToolSpec::default()
    }
}

fn plain() -> StartAgent {
    StartAgent {
        tool: "shell".into(),
        image: None,
        workspace: Default::default(),
        prompt: None,
        mode: None,
        keys: Vec::new(),
        title: None,
        limits: None,
        networks: Vec::new(),
        host_access: false,
        mounts: Vec::new(),
        gpu: false,
    }
}

/// An agent with bash, of an installation of its own.
async fn made(word: &str) -> (Site, Agents, AgentId) {
    made_with(word, &shell()).await
}

async fn made_with(word: &str, tool: &ToolSpec) -> (Site, Agents, AgentId) {
    let site = Site::new(word);
    let agents = site.start().await;
    let agent = soon(agents.spawn(&plain(), tool)).await;
    (site, agents, agent.expect("it starts").agent.id)
}

/// What a line of shell in its container says.
async fn inside(agents: &Agents, id: &AgentId, line: &str) -> String {
    let output = soon(agents.run(id, &["bash", "-c", line], b"")).await;
    let output = output.expect("it runs");
    String::from_utf8_lossy(&output.bytes).trim().to_owned()
}

/// Waits until it stands so.
async fn stands(agents: &Agents, id: &AgentId, word: &str) -> AgentView {
    until(word, async || {
        agents.get(id).is_ok_and(|view| view.state.word() == word)
    })
    .await;
    agents.get(id).unwrap()
}

/// A deadline for what must not hang.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(300), work).await;
    done.expect("done within five minutes")
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The reason why it failed.
fn reason(view: &AgentView) -> &str {
    match &view.state {
        AgentState::Failed { reason } => reason,
        other => panic!("{other:?}"),
    }
}
