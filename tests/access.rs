//! Keys and access tokens with the real engine and the real image: what reaches a machine that is
//! running, and what is taken back.

use std::{io::Write, process::Stdio};

use e2e::{Instance, docker};
use serde_json::{Value, json};

/// Stores a key, given on stdin.
fn set_secret(machine: &Instance, name: &str, value: &str) {
    let mut child = machine
        .command(&["secret", "set", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("vivarium runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(value.as_bytes()).expect("written");
    drop(stdin);
    assert!(
        child.wait().expect("it ends").success(),
        "secret set {name}"
    );
}

/// How many processes of the machine have this variable in their environment.
fn processes_with(machine: &Instance, variable: &str) -> usize {
    let said = machine.inside(&format!(
        "for e in /proc/[0-9]*/environ; do tr '\\0' '\\n' <$e 2>/dev/null; done | grep -c '^{variable}$'"
    ));
    said.trim().parse().unwrap_or(0)
}

#[test]
fn a_key_reaches_what_starts_in_a_running_machine() {
    keys("default");
}

#[test]
fn so_it_does_in_a_locked_one() {
    keys("locked");
}

fn keys(profile: &'static str) {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    // Started without a key.
    machine.ok(&["mcp", "tools", "linux"]);
    set_secret(&machine, "OPENAI_API_KEY", "s3cret-of-the-test");
    assert_eq!(
        processes_with(&machine, "OPENAI_API_KEY=s3cret-of-the-test"),
        0
    );
    assert_eq!(
        machine.inside("cat /run/secrets/openai_api_key"),
        "s3cret-of-the-test"
    );
    // Started with it; neither a cell nor a command has it.
    machine.ok(&["mcp", "tools", "filesystem"]);
    assert!(processes_with(&machine, "OPENAI_API_KEY=s3cret-of-the-test") > 0);
    for words in [
        ["exec", "import os; print('OPENAI_API_KEY' in os.environ)"],
        [
            "shell",
            "env | grep -q OPENAI_API_KEY && echo True || echo False",
        ],
    ] {
        assert_eq!(machine.ok(&words).trim(), "False", "{words:?}");
    }
    // It is in no command line, environment or label of the container, nor in its log.
    let container = docker(&["inspect", &machine.container()]);
    assert!(!container.contains("s3cret-of-the-test"));
    assert!(
        !machine
            .ok(&["logs", "-n", "2000"])
            .contains("s3cret-of-the-test")
    );

    machine.ok(&["secret", "rm", "OPENAI_API_KEY"]);
    assert_eq!(
        machine.inside("ls /run/secrets | grep -c openai || true"),
        "0"
    );
    machine.ok(&["restart"]);
    machine.ok(&["mcp", "tools", "filesystem"]);
    assert_eq!(
        processes_with(&machine, "OPENAI_API_KEY=s3cret-of-the-test"),
        0
    );
}

#[test]
fn a_token_lets_into_a_running_machine_as_far_as_its_scope_goes() {
    let machine = Instance::new();
    machine.ok(&["up"]);
    let token = machine.ok(&["token", "create", "ci", "--scope", "read"]);
    let bearer = format!("Bearer {}", token.trim());
    let ask = |method: &str, path: &str, body: &Value| {
        machine.http(
            method,
            path,
            &[("Authorization", &bearer)],
            &body.to_string(),
        )
    };
    assert_eq!(ask("GET", "/status", &json!({})).0, 200);
    let (status, answer) = ask("POST", "/exec", &json!({ "code": "1" }));
    assert_eq!(status, 403);
    assert_eq!(answer["error"]["code"], "insufficient_scope");
    // What is inside makes no token of it.
    let seen = machine.inside("cat /run/secrets/tokens.json");
    assert!(
        seen.contains("\"hash\"") && !seen.contains(token.trim()),
        "{seen}"
    );

    let exec = machine.ok(&["token", "create", "runner", "--scope", "exec"]);
    let exec = format!("Bearer {}", exec.trim());
    let run = |headers: &[(&str, &str)]| {
        machine.http(
            "POST",
            "/exec",
            headers,
            &json!({ "code": "6 * 7" }).to_string(),
        )
    };
    let (status, answer) = run(&[("Authorization", &exec)]);
    assert_eq!((status, &answer["result"]), (200, &json!("42")));
    machine.ok(&["token", "rm", "runner"]);
    assert_eq!(run(&[("Authorization", &exec)]).0, 401);
    // Also after the machine began anew.
    machine.ok(&["restart"]);
    assert_eq!(run(&[("Authorization", &exec)]).0, 401);
    assert_eq!(ask("GET", "/status", &json!({})).0, 200);
}
