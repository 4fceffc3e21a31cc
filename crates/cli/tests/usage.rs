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
fn a_shell_without_command_explains() {
    let (output, _home) = vivarium(&["shell"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("vivarium shell 'ls"));
}
