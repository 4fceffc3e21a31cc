//! What the images' first program does: the seed's commands work without anything else.

use std::process::{Command, Stdio};

use crate::{
    base_image,
    container::{self, Container},
    docker, said, until, wanted,
};

fn clients(name: &str) -> usize {
    let output = docker(&["exec", name, "tmux", "list-clients", "-t", "agent"]);
    String::from_utf8_lossy(&output.stdout).lines().count()
}

#[test]
fn a_container_is_attached_to_as_soon_as_it_runs() {
    if !wanted() {
        return;
    }
    let container = Container {
        name: container::name(),
    };
    let name = &container.name;
    let line = format!(
        "docker run -it --rm --name {name} {} tmux attach -t agent",
        base_image()
    );
    // A terminal for it.
    let mut attached = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the terminal is attached", || clients(name) == 1);
    // And a second one, by docker exec.
    let exec = format!("docker exec -it {name} tmux attach -t agent");
    let mut second = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &exec,
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("two terminals are attached", || clients(name) == 2);
    said(&[
        "exec",
        name,
        "tmux",
        "send-keys",
        "-t",
        "agent",
        "exit",
        "Enter",
    ]);
    assert!(attached.wait().unwrap().success());
    second.wait().unwrap();
    until("the container is removed", || {
        !docker(&["inspect", name]).status.success()
    });
}

#[test]
fn the_log_tells_of_the_container_s_life() {
    if !wanted() {
        return;
    }
    let container = Container::start(&[], &base_image(), &[]);
    container.until_logged("tmux session agent started in /workspace");
    container.said(&["tmux", "send-keys", "-t", "agent", "exit", "Enter"]);
    assert_eq!(container.exit_code(), "0");
    container.until_logged("tmux session agent ended");
    // It can be started again.
    said(&["start", &container.name]);
    until("a new session", || {
        container
            .exec(&[], &["tmux", "has-session", "-t", "agent"])
            .status
            .success()
    });
}

#[test]
fn a_container_that_is_stopped_lets_its_programs_save() {
    if !wanted() {
        return;
    }
    let container = Container::start(&["--stop-timeout", "60"], &base_image(), &[]);
    container.until_logged("started");
    // Of two programs one saves when its terminal goes, the other never ends.
    let saves =
        "trap 'sleep 0.5; echo saved >/home/agent/saved; exit' HUP; while :; do sleep 0.1; done";
    container.said(&["tmux", "new-window", "-t", "agent", "bash", "-c", saves]);
    container.said(&[
        "tmux",
        "new-window",
        "-t",
        "agent",
        "bash",
        "-c",
        "trap '' HUP; while :; do sleep 0.1; done",
    ]);
    until("both windows", || {
        container
            .said(&["tmux", "list-windows", "-t", "agent"])
            .lines()
            .count()
            == 3
    });
    said(&["stop", &container.name]);
    // 137 would be a kill.
    assert_eq!(container.exit_code(), "143");
    assert!(
        container.log().contains("received SIGTERM"),
        "{}",
        container.log()
    );
    let saved = format!("{}:/home/agent/saved", container.name);
    let folder = tempfile::tempdir().unwrap();
    said(&["cp", &saved, &folder.path().display().to_string()]);
}

#[test]
fn a_tmux_server_that_is_killed_ends_the_container() {
    if !wanted() {
        return;
    }
    let container = Container::start(&[], &base_image(), &[]);
    container.until_logged("started");
    container.said(&["pkill", "-KILL", "-f", "tmux new-session"]);
    container.exit_code();
    container.until_logged("tmux session agent ended");
}

#[test]
fn arguments_run_beside_the_session_and_their_words_are_not_logged() {
    if !wanted() {
        return;
    }
    let command = [
        "sh",
        "-c",
        "tmux has-session -t agent && exit 7 # not-for-the-log",
    ];
    let container = Container::start(&[], &base_image(), &command);
    assert_eq!(container.exit_code(), "7");
    container.until_logged("sh ended with exit code 7");
    assert!(!container.log().contains("not-for-the-log"));
    // Without a terminal, nothing but the program's own words is on stdout.
    let output = docker(&["run", "--rm", &base_image(), "echo", "only this"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "only this\n");
}

#[test]
fn an_agent_without_rights_works_on_a_home_in_a_volume() {
    if !wanted() {
        return;
    }
    let volume = container::name();
    let mount = format!("{volume}:/home/agent");
    {
        let options = [
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--volume",
            &mount,
        ];
        let container = Container::start(&options, &base_image(), &[]);
        container.until_logged("started");
        container.said(&["touch", "/home/agent/.config/mine"]);
        container.said(&["tmux", "has-session", "-t", "agent"]);
        assert_eq!(
            container.said(&["sh", "-c", "grep CapEff /proc/self/status"]),
            "CapEff:\t0000000000000000"
        );
    }
    said(&["volume", "rm", &volume]);
}
