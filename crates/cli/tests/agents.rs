//! `vivarium agent` against a real container engine. Only where VIVARIUM_TEST_ENGINE=1 says that one may
//! be used.

#![allow(clippy::unwrap_used)]

#[path = "agents/terminal.rs"]
mod terminal;

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The image of crates/agents/tests/image, as scripts/testing builds it.
const IMAGE: &str = "vivarium-test-agent";

/// An installation of its own, of which nothing is left when it is dropped.
struct Site {
    instance: String,
    home: tempfile::TempDir,
}

impl Site {
    /// One of that name, where an engine may be used.
    fn wanted(word: &str) -> Option<Self> {
        if std::env::var_os("VIVARIUM_TEST_ENGINE").is_none_or(|value| value != "1") {
            eprintln!("left out: VIVARIUM_TEST_ENGINE=1 is not set");
            return None;
        }
        let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
        Some(Self {
            instance: format!("{run}-agents-{word}-{}", std::process::id()),
            home: tempfile::tempdir().unwrap(),
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let init = format!(
            "target/{}-unknown-linux-gnu/release/sandbox-init",
            std::env::consts::ARCH
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command
            .args(words)
            .env("VIVARIUM_HOME", self.home.path())
            .env("VIVARIUM_INSTANCE", &self.instance)
            .env("VIVARIUM_KEYCHAIN", "off")
            .env("VIVARIUM_TEMPLATE", &root)
            .stdin(Stdio::null());
        if std::env::var_os("VIVARIUM_SANDBOX_INIT").is_none() {
            command.env("VIVARIUM_SANDBOX_INIT", root.join(init));
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What it prints, if it succeeds.
    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
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
            for found in docker(&[&list[..], &["--filter", &label]].concat()).lines() {
                docker(&[&remove[..], &[found]].concat());
            }
        }
    }
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_agent_s_life_from_the_command_line() {
    let Some(site) = Site::wanted("cli") else {
        return;
    };
    let id = site.says(&[
        "agent", "run", "--detach", "--image", IMAGE, "--title", "Try it",
    ]);
    let container = format!("tmux-agent-{id}");
    let listed = site.says(&["agent", "ls"]);
    for word in [&id, "shell", "unknown", "Try it"] {
        assert!(listed.contains(word), "{listed}");
    }
    site.says(&["agent", "send", &id, "echo sent-$((40+2)) >/workspace/sent"]);
    let has = |file: &str, text: &str| {
        let path = format!("/workspace/{file}");
        docker(&["exec", &container, "cat", &path]).trim() == text
    };
    until("it was sent", || has("sent", "sent-42"));
    // From stdin, to the name of its container.
    let mut child = site
        .command(&["agent", "send", &container, "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"echo piped >/workspace/piped\n").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    until("it was piped", || has("piped", "piped"));
    assert!(site.says(&["agent", "logs", &id]).contains("prompt sent"));
    attach(&site, &id);

    assert_eq!(site.says(&["agent", "stop", &id]), id);
    assert!(site.says(&["agent", "ls"]).contains("exited"));
    let refused = site.run(&["agent", "send", &id, "x"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("isn't running"));
    assert_eq!(site.says(&["agent", "resume", &id]), id);
    assert!(has("sent", "sent-42"));
    assert_eq!(site.says(&["agent", "stop", "--rm", &id]), id);
    assert_eq!(site.says(&["agent", "ls"]), "");
    let second = site.says(&["agent", "run", "--detach", "--image", IMAGE]);
    assert_eq!(site.says(&["agent", "rm", &second]), second);
    site.says(&["agent", "run", "--detach", "--image", IMAGE]);
    assert!(site.says(&["agent", "clean"]).contains("Removed 1 agent"));
    let label = format!("label=vivarium.instance={}", site.instance);
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &label]), "");
}

/// In a terminal: what is typed reaches the agent, and detaching leaves it.
fn attach(site: &Site, id: &str) {
    let without = site.run(&["agent", "attach", id]);
    assert!(!without.status.success());
    let attach = site.command(&["agent", "attach", id]);
    let mut script = Command::new("script");
    let line = format!("{} agent attach {id}", attach.get_program().display());
    script.args(["-qec", &line, "/dev/null"]);
    script.envs(
        attach
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let container = format!("tmux-agent-{id}");
    let clients = || docker(&["exec", &container, "tmux", "list-clients"]);
    until("it is attached", || !clients().is_empty());
    stdin.write_all(b"echo typed >/workspace/typed\r").unwrap();
    until("it was typed", || {
        docker(&["exec", &container, "cat", "/workspace/typed"]).trim() == "typed"
    });
    // tmux's own keys to detach.
    stdin.write_all(b"\x02d").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(clients().is_empty());
}
