//! The command line without a container engine: usage, exit codes, words.

use std::process::{Command, Output};

fn vivarium(arguments: &[&str]) -> (Output, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_vivarium"))
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("VIVARIUM_HOME", home.path())
        .env("VIVARIUM_KEYCHAIN", "off")
        .env_remove("OPENAI_API_KEY")
        .env_remove("ANTHROPIC_API_KEY")
        .env_remove("VIVARIUM_INSTANCE")
        .env_remove("VIVARIUM_TEMPLATE")
        .output()
        .expect("vivarium runs");
    (output, home)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_an_engine_it_says_so_and_exits_with_4() {
    for command in ["status", "up", "down", "logs", "doctor"] {
        let (output, _home) = vivarium(&[command]);
        let said = format!(
            "{}{}",
            stderr(&output),
            String::from_utf8_lossy(&output.stdout)
        );
        assert_eq!(output.status.code(), Some(4), "{command}: {said}");
        assert!(
            said.contains("/nonexistent/docker.sock") && said.contains("DOCKER_HOST"),
            "{command}: {said}"
        );
    }
}

#[test]
fn failures_are_json_where_asked() {
    let (output, _home) = vivarium(&["status", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["failure"]["code"], "engine_missing");
}

#[test]
fn wrong_usage_exits_with_2() {
    assert_eq!(vivarium(&["fly"]).0.status.code(), Some(2));
    assert_eq!(
        vivarium(&["--instance", "Not Good", "status"])
            .0
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_wrong_setting_is_told_with_line_and_field() {
    let (_, home) = vivarium(&["status"]);
    let file = home.path().join("config/machines/os-host.toml");
    let text = std::fs::read_to_string(&file).expect("written on first use");
    std::fs::write(&file, text.replace("kernel = 8080", "kernel = \"high\"")).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_vivarium"))
        .args(["up"])
        .env("VIVARIUM_HOME", home.path())
        .output()
        .expect("vivarium runs");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("os-host.toml, line ") && said.contains("kernel"),
        "{said}"
    );
}

#[test]
fn a_shell_without_a_terminal_explains() {
    let (output, _home) = vivarium(&["shell"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("vivarium shell 'ls"));
}

#[test]
fn help_has_a_commands_own_options_first() {
    let (output, _home) = vivarium(&["logs", "--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = |words: &str| {
        help.find(words)
            .unwrap_or_else(|| panic!("{words}: {help}"))
    };
    assert!(at("Options:") < at("--follow") && at("--since") < at("Global options:"));
    assert!(at("Global options:") < at("--engine"));
}

#[test]
fn other_tools_words_for_the_same_work() {
    for [alias, command] in [["start", "up"], ["stop", "down"], ["ps", "ls"]] {
        // What the command itself says: the global options have the environment in them.
        let help = |word| {
            let output = vivarium(&[word, "--help"]).0;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split("Global options:").next().map(str::to_owned)
        };
        assert_eq!(help(alias), help(command), "{alias}");
    }
}

#[test]
fn completions_and_the_man_page_need_nothing() {
    for arguments in [&["completion", "zsh"][..], &["man"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_vivarium"))
            .args(arguments)
            .env_clear()
            .output()
            .expect("vivarium runs");
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(output.stdout.len() > 2000, "{arguments:?}");
    }
}

#[test]
fn code_is_read_from_a_file_and_one_that_is_missing_is_named() {
    let (output, _home) = vivarium(&["exec", "-f", "/nonexistent/cell.py"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("/nonexistent/cell.py"),
        "{}",
        stderr(&output)
    );
    let both = vivarium(&["exec", "-f", "cell.py", "print(1)"]);
    assert_eq!(both.0.status.code(), Some(2));
}

#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let (output, _home) = vivarium(&["logs", "--since", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("10m"), "{}", stderr(&output));
}

#[test]
fn jobs_are_listed_without_an_engine_and_one_that_is_unknown_is_told() {
    for arguments in [
        &["job", "ls", "--json"][..],
        &["jobs", "ls", "--all-machines", "--json"],
    ] {
        let (output, _home) = vivarium(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(list["jobs"], serde_json::json!([]));
        // What is inside could not be asked for.
        let missing = list["missing"].as_str().expect("why");
        assert!(
            missing.contains("docker.sock") || missing.contains("container engine"),
            "{missing}"
        );
    }
    let (output, _home) = vivarium(&["job", "ls"]);
    assert!(output.stdout.is_empty());
    assert!(
        stderr(&output).contains("missing from this list"),
        "{}",
        stderr(&output)
    );
    let (output, _home) = vivarium(&["job", "cancel", "01J"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert_eq!(vivarium(&["job", "cancel"]).0.status.code(), Some(2));
}
