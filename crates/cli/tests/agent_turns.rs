//! Whole turns of real tools through `vivarium agent`: a prompt on a clone, a command that has to be allowed,
//! what it changed looked at and merged, the agent killed, and gone on with in the same conversation. The
//! model is tests/agents/model_server.py, in a container of its own. Only where VIVARIUM_TEST_ENGINE=1 says
//! that a container engine may be used; the images are those that the step agent-images builds.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const SCRIPT: &str = r#"[
    {"run": "echo made by the tool >made.txt", "arguments": ARGUMENTS}, {"text": "The file is there."},
    {"run": "echo once more >>made.txt", "arguments": ARGUMENTS}, {"text": "Went on."}
]"#;
const ESCALATED: &str =
    r#"{"sandbox_permissions": "require_escalated", "justification": "A test."}"#;
/// Only the tool's own process has it.
const SECRET: &str = "planted-secret-of-the-turns";
const CLAUDE: &str = r#"
[tool.claude.environment]
ANTHROPIC_BASE_URL = "http://model:8080"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
"#;
const CODEX: &str = r#"
[[tool.codex.first_run]]
path = ".codex/config.toml"
format = "toml"
content = '''
check_for_update_on_startup = false
model = "scripted"
model_provider = "scripted"
[projects."/workspace"]
trust_level = "trusted"
[model_providers.scripted]
name = "scripted"
base_url = "http://model:8080/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
'''
"#;

/// An installation of its own with a repository and a model, of which nothing is left when it is dropped.
struct Site {
    instance: String,
    home: tempfile::TempDir,
}

impl Site {
    fn new(tool: &str, script: &str) -> Self {
        let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
        let site = Self {
            instance: format!("{run}-turns-{tool}-{}", std::process::id()),
            home: tempfile::tempdir().unwrap(),
        };
        let label = format!("vivarium.instance={}", site.instance);
        let (name, network) = (site.model(), site.network());
        docker(&["network", "create", "--label", &label, &network]);
        let file = site.home.path().join("script.json");
        fs::write(&file, script).unwrap();
        let mut words = vec!["create", "--name", &name, "--label", &label];
        words.extend(["--network", &network, "--network-alias", "model"]);
        words.extend(["--entrypoint", "python3", "vivarium-test-ai-base:latest"]);
        words.extend(["/tmp/model_server.py", "--script", "/tmp/script.json"]);
        words.extend(["--host", "0.0.0.0", "--port", "8080"]);
        docker(&words);
        let server = root().join("tests/agents/model_server.py");
        for (from, to) in [(server, "model_server.py"), (file, "script.json")] {
            docker(&["cp", from.to_str().unwrap(), &format!("{name}:/tmp/{to}")]);
        }
        docker(&["start", &name]);
        let project = site.project();
        fs::create_dir(&project).unwrap();
        site.git(&["init", "-q", "-b", "main"]);
        fs::write(project.join("README"), "A project.\n").unwrap();
        site.git(&["add", "-A"]);
        site.git(&["commit", "-q", "-m", "first"]);
        site
    }

    fn model(&self) -> String {
        format!("{}-model", self.instance)
    }

    fn network(&self) -> String {
        format!("{}-model-network", self.instance)
    }

    fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=me", "-c", "user.email=me@localhost"])
            .args(words)
            .current_dir(self.project());
        said(command)
    }

    fn command(&self, words: &[&str]) -> Command {
        let init = format!(
            "target/{}-unknown-linux-gnu/release/sandbox-init",
            std::env::consts::ARCH
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command
            .args(words)
            .env("VIVARIUM_HOME", self.home.path().join("vivarium"))
            .env("VIVARIUM_INSTANCE", &self.instance)
            .env("VIVARIUM_KEYCHAIN", "off")
            .env("VIVARIUM_TEMPLATE", root())
            .stdin(Stdio::null());
        if std::env::var_os("VIVARIUM_SANDBOX_INIT").is_none() {
            command.env("VIVARIUM_SANDBOX_INIT", root().join(init));
        }
        command
    }

    /// What it prints, if it succeeds.
    fn says(&self, words: &[&str]) -> String {
        said(self.command(words))
    }

    fn json(&self, words: &[&str]) -> Value {
        let words = [&["--json"], words].concat();
        let text = self.says(&words);
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Stores a key for agents.
    fn store(&self, name: &str) {
        let mut child = self
            .command(&["secret", "set", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(SECRET.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn agent(&self) -> Value {
        self.json(&["agent", "ls"])["agents"][0].clone()
    }

    /// Waits until the agent stands so.
    fn stands(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let agent = self.agent();
            if agent["state"]["name"] == state {
                return agent;
            }
            assert!(
                Instant::now() < deadline,
                "never {state}: {agent}\n{}",
                screen(id)
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until its terminal shows this.
    fn shows(&self, id: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !screen(id).contains(text) {
            assert!(Instant::now() < deadline, "never {text}: {}", screen(id));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Allows what it asks for, and waits until it is done.
    fn allow(&self, id: &str) {
        let agent = self.stands(id, "waiting");
        assert_eq!(agent["state"]["on"], "permission", "{agent}");
        let detail = agent["asks"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("made.txt"), "{agent}");
        self.says(&["agent", "answer", id, "allow"]);
        self.stands(id, "your_turn");
    }
}

impl Site {
    /// Allows it in the tool's own terminal, where it asks so.
    fn allow_in_terminal(&self, id: &str, question: &str) {
        self.stands(id, "waiting");
        let attach = self.command(&["agent", "attach", id]);
        let line = format!("{} agent attach {id}", attach.get_program().display());
        let variables = attach.get_envs();
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .envs(variables.filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let container = format!("tmux-agent-{id}");
        let deadline = Instant::now() + Duration::from_secs(120);
        while docker(&["exec", &container, "tmux", "list-clients"]).is_empty() {
            assert!(Instant::now() < deadline, "nobody attached to {id}");
            std::thread::sleep(Duration::from_millis(100));
        }
        // A tool that waits for its hook asks once something is typed.
        if !screen(id).contains(question) {
            stdin.write_all(b"\r").unwrap();
        }
        self.shows(id, question);
        stdin.write_all(b"\r").unwrap();
        self.shows(id, "Went on.");
        // tmux's own keys to detach.
        stdin.write_all(b"\x02d").unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(self.agent()["asks"].as_array().unwrap().len(), 0);
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
            let words = [&list[..], &["--filter", &label]].concat();
            let found = Command::new("docker").args(words).output().unwrap();
            for found in String::from_utf8_lossy(&found.stdout).lines() {
                let words = [&remove[..], &[found]].concat();
                let _ = Command::new("docker").args(words).output();
            }
        }
        for image in ["ai-shell", "ai-base", "tmux-agents-base"] {
            let name = format!("{}-{image}:latest", self.instance);
            let _ = Command::new("docker")
                .args(["rmi", "--no-prune", &name])
                .output();
        }
    }
}

fn screen(id: &str) -> String {
    let container = format!("tmux-agent-{id}");
    let words = [
        "exec",
        &container,
        "tmux",
        "capture-pane",
        "-p",
        "-t",
        "agent",
    ];
    let output = Command::new("docker").args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn said(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let error = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{command:?}: {error}");
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

fn docker(words: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(words);
    said(command)
}

fn turns(tool: &str, key: &str, catalogue: &str, arguments: &str, question: &str) {
    if std::env::var_os("VIVARIUM_TEST_ENGINE").is_none_or(|value| value != "1") {
        eprintln!("left out: VIVARIUM_TEST_ENGINE=1 is not set");
        return;
    }
    let site = Site::new(tool, &SCRIPT.replace("ARGUMENTS", arguments));
    let config = format!("vivarium/config/instances/{}/agents", site.instance);
    let config = site.home.path().join(config);
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("catalogue.toml"), catalogue).unwrap();
    let project = site.project().display().to_string();
    site.store(key);
    let image = format!("vivarium-test-ai-{tool}:latest");
    let network = site.network();
    let mut run = vec!["agent", "run", tool, "--detach", "--workspace", &project];
    run.extend([
        "--prompt",
        "Make a file.",
        "--image",
        &image,
        "--network",
        &network,
    ]);
    // A folder that nobody allowed is refused, with what to do next.
    let refused = site.command(&run).output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("vivarium agent workspace add"), "{words}");
    site.says(&["agent", "workspace", "add", &project]);
    run.extend(["--key", key]);
    let id = site.says(&run);
    let container = format!("tmux-agent-{id}");

    site.allow(&id);
    assert_eq!(site.agent()["mode"]["policy"], "ask");
    for words in [["inspect", &container], ["logs", &container]] {
        assert!(!docker(&words).contains(SECRET), "{words:?}");
    }
    let diff = site.json(&["agent", "diff", &id]);
    assert_eq!(diff["files"][0]["path"], "made.txt", "{diff}");
    let reviewed = diff["reviewed"].as_str().unwrap();
    let refused = site.command(&["agent", "merge", &id, "--into", "main", "--yes"]);
    let refused = { refused }.output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("checked out"));
    let merge = ["agent", "merge", &id, "--into", "topic", "--create"];
    site.says(&[&merge[..], &["--reviewed", reviewed]].concat());
    assert_eq!(site.git(&["show", "topic:made.txt"]), "made by the tool");
    assert_eq!(site.git(&["status", "--porcelain"]), "");

    // Killed, it goes on where it was.
    let conversation = site.agent()["conversation"].clone();
    docker(&["kill", &container]);
    site.stands(&id, "exited");
    assert_eq!(site.json(&["agent", "diff", &id])["reviewed"], *reviewed);
    site.says(&["agent", "resume", &id]);
    site.shows(&id, "The file is there.");
    site.says(&["agent", "send", &id, "Go on."]);
    site.allow_in_terminal(&id, question);
    assert_eq!(site.agent()["conversation"], conversation);
    let patch = site.says(&["agent", "patch", &id]);
    assert!(patch.contains("+made by the tool\n+once more"), "{patch}");
    site.says(&["agent", "discard", "--yes", &id]);
    assert_eq!(site.git(&["for-each-ref", "refs/vivarium"]), "");
    assert_eq!(site.says(&["agent", "ls"]), "");
}

#[test]
fn a_missing_image_is_built_before_the_start_and_no_program_of_the_project_runs() {
    if std::env::var_os("VIVARIUM_TEST_ENGINE").is_none_or(|value| value != "1") {
        eprintln!("left out: VIVARIUM_TEST_ENGINE=1 is not set");
        return;
    }
    let site = Site::new("image", "[]");
    let project = site.project();
    // Whatever of the project git would run here leaves a trace.
    let trap = format!("touch {}", site.home.path().join("trace").display());
    site.git(&["config", "core.fsmonitor", &trap]);
    site.git(&["config", "filter.x.clean", &trap]);
    site.git(&["config", "filter.x.smudge", &trap]);
    fs::write(project.join(".gitattributes"), "* filter=x\n").unwrap();
    fs::write(project.join("README"), "Changed.\n").unwrap();
    let missing = |tools: &Value| {
        let tools = tools["tools"].as_array().unwrap();
        let shell = tools.iter().find(|tool| tool["id"] == "shell").unwrap();
        shell["state"]["kind"].clone()
    };
    assert_eq!(missing(&site.json(&["agent", "tools"])), "missing");
    let project = project.display().to_string();
    site.says(&["agent", "workspace", "add", &project]);
    let mut run = vec!["agent", "run", "--detach", "--uncommitted", "--untracked"];
    run.extend(["--workspace", &project]);
    let id = site.says(&run).lines().last().unwrap().to_owned();
    assert_eq!(missing(&site.json(&["agent", "tools"])), "present");
    let container = format!("tmux-agent-{id}");
    let seen = docker(&["exec", &container, "cat", "/workspace/README"]);
    assert_eq!(seen, "Changed.");
    assert_eq!(
        site.agent()["image"],
        format!("{}-ai-shell:latest", site.instance)
    );
    docker(&[
        "exec",
        &container,
        "sh",
        "-c",
        "echo more >>/workspace/README",
    ]);
    let diff = site.says(&["agent", "diff", &id]);
    assert!(diff.contains("+more"), "{diff}");
    site.says(&["agent", "merge", "--yes", &id]);
    site.says(&["agent", "rm", &id]);
    assert!(!site.home.path().join("trace").exists());
}

#[test]
fn claude_works_on_a_clone_is_allowed_a_command_merged_killed_and_goes_on() {
    let question = "Do you want to proceed?";
    turns("claude", "ANTHROPIC_AUTH_TOKEN", CLAUDE, "{}", question);
}

#[test]
fn codex_works_on_a_clone_is_allowed_a_command_merged_killed_and_goes_on() {
    let question = "Would you like to run the following command?";
    turns("codex", "SCRIPTED_KEY", CODEX, ESCALATED, question);
}
