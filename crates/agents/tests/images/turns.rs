//! Whole turns of the real tools: a prompt, a command that they run, a file that it makes; going on with the
//! same conversation; and, in a terminal, nothing but the question whether the command may run. The model is tests/agents/model_server.py, in the same container: without network.

use agents::catalogue::{Catalogue, Conversation, Start};
use serde_json::Value;

use crate::{container::Container, image_of, root, tool, until, wanted};

const SCRIPT: &str = r#"[
    {"run": "echo made by the tool >made.txt"}, {"text": "The file is there."},
    {"run": "echo once more >>made.txt"}, {"text": "Went on."}
]"#;
const ASKING: &str = r#"[
    {"run": "echo made by the tool >made.txt", "arguments": ESCALATED}, {"text": "The file is there."}
]"#;
const ESCALATED: &str =
    r#"{"sandbox_permissions": "require_escalated", "justification": "A test."}"#;
const PROVIDER: &str = r#"
[model_providers.scripted]
name = "scripted"
base_url = "http://127.0.0.1:PORT/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
"#;
const CHOICE: &str = "model = \"scripted\"\nmodel_provider = \"scripted\"\n";
const CONVERSATION: &str = "11111111-2222-4333-8444-555555555555";

pub struct Turns {
    container: Container,
    name: &'static str,
    port: String,
}

impl Turns {
    /// A container of the tool's image, with the model's server in it.
    pub fn start(name: &'static str) -> Self {
        Self::scripted(name, SCRIPT)
    }

    fn scripted(name: &'static str, script: &str) -> Self {
        let container = Container::start(&["--network", "none"], &image_of(name), &[]);
        container.copy(
            &root().join("tests/agents/model_server.py"),
            "/tmp/model_server.py",
        );
        write(&container, "/tmp/script.json", script);
        let server = "exec python3 /tmp/model_server.py --script /tmp/script.json --port-file /tmp/port --log /tmp/log";
        let started = container.exec(&["--detach"], &["sh", "-c", server]);
        assert!(started.status.success());
        until("the model's server listens", || {
            container
                .exec(&[], &["test", "-f", "/tmp/port"])
                .status
                .success()
        });
        let port = container.said(&["cat", "/tmp/port"]);
        Self {
            container,
            name,
            port,
        }
    }

    pub fn write(&self, path: &str, text: &str) {
        write(&self.container, path, &text.replace("PORT", &self.port));
    }

    /// Runs one prompt in the mode that asks nothing; answers what was printed.
    pub fn run(&self, variables: &[&str], conversation: Conversation) -> String {
        let catalogue = Catalogue::built_in();
        let tool = catalogue.tool(&tool(self.name)).unwrap();
        let all = tool
            .modes
            .iter()
            .find(|mode| mode.policy == agents::catalogue::Policy::All);
        let start = Start {
            mode: Some(all.unwrap()),
            conversation,
            prompt: Some("Make a file."),
        };
        let command = tool.unattended_command(&start).unwrap();
        let variables: Vec<String> = variables
            .iter()
            .map(|one| one.replace("PORT", &self.port))
            .collect();
        let mut options = vec!["--workdir", "/workspace"];
        for variable in &variables {
            options.extend(["--env", variable]);
        }
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = self.container.exec(&options, &words);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let log = self.container.exec(&[], &["cat", "/tmp/log"]);
        let log = String::from_utf8_lossy(&log.stdout).into_owned();
        assert!(
            output.status.success(),
            "{command:?}\n{printed}\n{error}\n{log}"
        );
        printed
    }

    /// Starts the tool in the terminal, in its default mode, with the files of its first run; waits until it
    /// asks, says yes, and waits until it is done.
    fn ask(&self, variables: &[&str], asks: &str) {
        let catalogue = Catalogue::built_in();
        let tool = catalogue.tool(&tool(self.name)).unwrap();
        for file in &tool.first_run {
            let path = format!("/home/agent/{}", file.path);
            // What a test adds stands around it.
            let around = self.container.exec(&[], &["cat", &path]).stdout;
            let around = String::from_utf8_lossy(&around).into_owned();
            let (before, after) = around.split_once('#').unwrap_or_default();
            write(
                &self.container,
                &path,
                &format!("{before}{}{after}", file.content),
            );
        }
        let start = Start {
            mode: tool.mode(tool.default_mode.as_deref().unwrap()),
            prompt: Some("Make a file."),
            ..Default::default()
        };
        let command = tool.interactive_command(&start).unwrap();
        let variables: Vec<String> = variables
            .iter()
            .map(|one| one.replace("PORT", &self.port))
            .collect();
        let mut words = vec![
            "tmux",
            "new-window",
            "-t",
            "agent",
            "-n",
            "tool",
            "-c",
            "/workspace",
        ];
        for variable in &variables {
            words.extend(["-e", variable]);
        }
        words.extend(command.iter().map(String::as_str));
        self.container.said(&words);
        let screen = || {
            self.container
                .said(&["tmux", "capture-pane", "-p", "-t", "agent:tool"])
        };
        until(&format!("{asks:?} in the terminal"), || {
            screen().contains(asks)
        });
        let is_made = || {
            self.container
                .exec(&[], &["test", "-s", "/workspace/made.txt"])
                .status
                .success()
        };
        assert!(!is_made(), "{}", screen());
        self.container
            .said(&["tmux", "send-keys", "-t", "agent:tool", "Enter"]);
        until("the file", is_made);
        until("the last word", || screen().contains("The file is there."));
    }

    pub fn made(&self) -> String {
        self.container.said(&["cat", "/workspace/made.txt"])
    }
}

fn write(container: &Container, path: &str, text: &str) {
    let line = format!("mkdir -p \"$(dirname {path})\" && printf '%s' \"$1\" >{path}");
    container.said(&["sh", "-c", &line, "sh", text]);
}

/// The first line of JSON that has this, of what a tool printed.
pub fn found(printed: &str, wanted: impl Fn(&Value) -> Option<String>) -> String {
    let mut lines = printed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .find_map(|line| wanted(&line))
        .unwrap_or_else(|| panic!("{printed}"))
}

#[test]
fn claude_does_what_it_is_asked_and_goes_on_with_the_conversation() {
    if !wanted() {
        return;
    }
    let turns = Turns::start("claude");
    let variables = [
        "ANTHROPIC_BASE_URL=http://127.0.0.1:PORT",
        "ANTHROPIC_API_KEY=sk-ant-api03-not-a-key",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
    ];
    let id = CONVERSATION.parse().unwrap();
    let printed = turns.run(&variables, Conversation::NewOf(id));
    assert!(printed.contains("The file is there."), "{printed}");
    assert_eq!(turns.made(), "made by the tool");
    let told = found(&printed, |line| {
        Some(line["session_id"].as_str()?.to_owned())
    });
    assert_eq!(told, CONVERSATION);
    let printed = turns.run(
        &variables,
        Conversation::Resume(CONVERSATION.parse().unwrap()),
    );
    assert!(printed.contains("Went on."), "{printed}");
    assert_eq!(turns.made(), "made by the tool\nonce more");
}

#[test]
fn codex_does_what_it_is_asked_and_goes_on_with_the_conversation() {
    if !wanted() {
        return;
    }
    let turns = Turns::start("codex");
    turns.write(
        "/home/agent/.codex/config.toml",
        &format!("{CHOICE}{PROVIDER}"),
    );
    let variables = ["SCRIPTED_KEY=not-a-key"];
    let printed = turns.run(&variables, Conversation::New);
    assert!(printed.contains("The file is there."), "{printed}");
    assert_eq!(turns.made(), "made by the tool");
    let id = found(&printed, |line| {
        Some(line["thread_id"].as_str()?.to_owned())
    });
    let printed = turns.run(&variables, Conversation::Resume(id.parse().unwrap()));
    assert!(printed.contains("Went on."), "{printed}");
    assert_eq!(turns.made(), "made by the tool\nonce more");
}

#[test]
fn claude_asks_nothing_but_whether_the_command_may_run() {
    if !wanted() {
        return;
    }
    let turns = Turns::scripted("claude", &ASKING.replace("ESCALATED", "{}"));
    let variables = [
        "ANTHROPIC_BASE_URL=http://127.0.0.1:PORT",
        "ANTHROPIC_AUTH_TOKEN=not-a-key",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
    ];
    turns.ask(&variables, "Do you want to proceed?");
}

#[test]
fn codex_asks_nothing_but_whether_the_command_may_run() {
    if !wanted() {
        return;
    }
    let turns = Turns::scripted("codex", &ASKING.replace("ESCALATED", ESCALATED));
    turns.write(
        "/home/agent/.codex/config.toml",
        &format!("{CHOICE}#{PROVIDER}"),
    );
    turns.ask(
        &["SCRIPTED_KEY=not-a-key"],
        "Would you like to run the following command?",
    );
}
