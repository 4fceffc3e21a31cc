//! The commands of docs/agents.md work as they are written, but for the names: those of the tests stand in
//! for a person's own.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{container, docker, root, until, wanted};

/// Lines of the `sh` blocks.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/agents.md")).unwrap();
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            found.push(line.split(" #").next().unwrap().trim().to_owned());
        }
    }
    found
}

/// Removes what the commands made, also if one of them failed.
struct Made(String);

impl Drop for Made {
    fn drop(&mut self) {
        let prefix = &self.0;
        docker(&[
            "rm",
            "--force",
            &format!("{prefix}-my-agent"),
            &format!("{prefix}-attached"),
        ]);
        docker(&["network", "rm", &format!("{prefix}-tmux-agents")]);
        docker(&["rmi", &format!("{prefix}-tmux-agents-base:latest")]);
    }
}

/// A copy of docker/, with the certificates of a network that inspects TLS.
pub fn context(copy: &Path) {
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join("docker"))
        .arg(copy)
        .status();
    assert!(copied.unwrap().success());
    if let Some(bundle) = std::env::var_os("VIVARIUM_BUILD_CA").filter(|path| !path.is_empty()) {
        std::fs::copy(bundle, copy.join("docker/build-ca/given.crt")).unwrap();
    }
}

#[test]
fn the_commands_of_the_page_run_in_their_order() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    context(folder.path());
    let made = Made(container::name());
    let prefix = &made.0;
    let lines = commands();
    assert!(lines.len() >= 10, "{lines:?}");
    let mut place = folder.path().to_owned();
    for line in lines {
        if let Some(to) = line.strip_prefix("cd ") {
            place.push(to);
            continue;
        }
        let named = line
            .replace("tmux-agents-base:", &format!("{prefix}-tmux-agents-base:"))
            .replace(
                "network create tmux-agents",
                &format!("network create {prefix}-tmux-agents"),
            )
            .replace(
                "network rm tmux-agents",
                &format!("network rm {prefix}-tmux-agents"),
            )
            .replace(
                "--network tmux-agents",
                &format!("--network {prefix}-tmux-agents"),
            )
            .replace("my-agent", &format!("{prefix}-my-agent"))
            .replace(
                "docker run -it",
                &format!("docker run --name {prefix}-attached -it"),
            );
        assert!(named.starts_with("docker "), "{line}");
        match named.contains(" -it ") {
            true => attach(&named, prefix, &place),
            false => {
                let output = Command::new("sh")
                    .args(["-c", &named])
                    .current_dir(&place)
                    .output()
                    .unwrap();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{named}: {error}");
                if named.contains(" ps ") {
                    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
                    assert!(listed.contains(&format!("{prefix}-my-agent")), "{listed}");
                }
                if named.contains(" logs ") {
                    assert!(error.contains("tmux session agent started"), "{error}");
                }
            }
        }
    }
}

/// Runs it in a terminal until it is attached, then detaches.
fn attach(line: &str, prefix: &str, place: &Path) {
    let mut attached = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            line,
            "/dev/null",
        ])
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let name = match line.contains(" exec ") {
        true => format!("{prefix}-my-agent"),
        false => format!("{prefix}-attached"),
    };
    let tmux = |words: [&str; 3]| docker(&[&["exec", &name, "tmux"], words.as_slice()].concat());
    until(line, || {
        !tmux(["list-clients", "-t", "agent"]).stdout.is_empty()
    });
    let detached = tmux(["detach-client", "-s", "agent"]);
    assert!(detached.status.success());
    assert!(attached.wait().unwrap().success(), "{line}");
}
