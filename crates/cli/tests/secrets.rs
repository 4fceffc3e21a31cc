//! `vivarium secret` as a person uses it, without a container engine.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Runs `vivarium` in this home, with this text on its stdin.
fn vivarium(home: &Path, arguments: &[&str], stdin: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    for name in [
        "VIVARIUM_INSTANCE",
        "VIVARIUM_MACHINE",
        "VIVARIUM_TEMPLATE",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
    ] {
        command.env_remove(name);
    }
    let mut child = command
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("VIVARIUM_HOME", home)
        .env("VIVARIUM_KEYCHAIN", "off")
        .env("VIVARIUM_LOG", "trace")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vivarium runs");
    // Some commands read nothing.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn of(home: &Path, machine: &str) -> Option<String> {
    let file = home.join(format!("data/machines/{machine}/secrets/openai_api_key"));
    std::fs::read_to_string(file).ok()
}

#[test]
fn a_key_is_set_listed_handed_on_and_removed_and_its_value_never_said() {
    let home = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], stdin: &str| {
        let output = vivarium(home.path(), arguments, stdin, &[]);
        let said = said(&output);
        assert!(!said.contains("s3cret"), "{arguments:?}: {said}");
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let set = run(&["secret", "set", "OPENAI_API_KEY"], "s3cret-1\n");
    assert!(
        set.contains("for os-host") && set.contains("data/secrets/values"),
        "{set}"
    );
    assert_eq!(of(home.path(), "os-host").as_deref(), Some("s3cret-1"));

    // In JSON as well; another value goes to those that have it.
    let set = run(&["--json", "secret", "set", "OPENAI_API_KEY"], "s3cret-2");
    let line = set
        .lines()
        .find(|line| line.starts_with('{'))
        .expect("JSON");
    let list: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(list["secrets"][0]["machines"][0], "os-host");
    assert_eq!(list["place"], "file");
    assert_eq!(of(home.path(), "os-host").as_deref(), Some("s3cret-2"));

    run(&["machine", "create", "attic"], "");
    run(&["secret", "hand", "OPENAI_API_KEY", "attic"], "");
    assert_eq!(of(home.path(), "os-host"), None);
    assert_eq!(of(home.path(), "attic").as_deref(), Some("s3cret-2"));
    let list = run(&["secret", "ls"], "");
    assert!(
        list.contains("OPENAI_API_KEY") && list.contains("attic"),
        "{list}"
    );
    assert!(list.contains("VIVARIUM_KEYCHAIN is off"), "{list}");

    run(&["secret", "rm", "OPENAI_API_KEY"], "");
    assert_eq!(of(home.path(), "attic"), None);
    assert!(!run(&["secret", "ls"], "").contains("OPENAI_API_KEY"));
}

#[test]
fn reserved_and_wrong_names_are_refused_in_words() {
    let home = tempfile::tempdir().expect("a folder");
    for (name, words) in [
        ("OS_TOKEN", "the machine uses this name itself"),
        ("openai", "capital letters"),
    ] {
        let output = vivarium(home.path(), &["secret", "set", name], "s3cret", &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn up_takes_a_key_of_the_environment_with_a_word_and_stores_it() {
    let home = tempfile::tempdir().expect("a folder");
    let up = |value: &str| {
        let output = vivarium(home.path(), &["up"], "", &[("OPENAI_API_KEY", value)]);
        // There is no engine here.
        assert_eq!(output.status.code(), Some(4));
        assert!(!said(&output).contains(value));
        String::from_utf8_lossy(&output.stderr).contains("taken from the environment")
    };
    assert!(up("s3cret-1"));
    assert_eq!(of(home.path(), "os-host").as_deref(), Some("s3cret-1"));
    // What the machine has already is not worth a word.
    assert!(!up("s3cret-1"));
    assert!(up("s3cret-2"));
    assert_eq!(of(home.path(), "os-host").as_deref(), Some("s3cret-2"));
}
