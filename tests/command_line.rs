//! The command line at a terminal and with files: the real program, the real machine.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use e2e::Instance;
use serde_json::Value;

#[test]
fn a_shell_a_log_and_a_file_are_used_as_people_use_them() {
    let machine = Instance::new();
    machine.ok(&["up"]);
    a_shell_is_interactive_and_ends_with_its_exit_code(&machine);
    a_shell_ends_with_its_terminal(&machine);
    a_file_is_run(&machine);
    a_log_is_followed_until_the_machine_stops(&machine);
}

/// `vivarium shell` in a terminal of its own, which is what `script` makes.
fn shell_in_a_terminal(machine: &Instance) -> Child {
    let own = machine.command(&["shell"]);
    let program = own.get_program().to_string_lossy();
    let words: Vec<_> = own.get_args().map(|word| word.to_string_lossy()).collect();
    let line = format!("stty cols 100 rows 40; exec {program} {}", words.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]);
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    pipes.spawn().expect("script runs")
}

fn open_terminals(machine: &Instance) -> usize {
    let list: Value =
        serde_json::from_str(&machine.ok(&["job", "ls", "--running", "--json"])).expect("JSON");
    let jobs = list["jobs"].as_array().expect("a list");
    let is_terminal = |job: &&Value| job["kind"] == "terminal";
    jobs.iter().filter(is_terminal).count()
}

fn a_shell_is_interactive_and_ends_with_its_exit_code(machine: &Instance) {
    let mut shell = shell_in_a_terminal(machine);
    let mut typed = shell.stdin.take().expect("a pipe");
    typed
        .write_all(b"stty size; echo is-$((40 + 2)); exit 7\n")
        .expect("typed");
    let output = shell.wait_with_output().expect("it ends");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("is-42") && shown.contains("40 100"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(7), "{shown}");
    assert_eq!(open_terminals(machine), 0);
}

fn a_shell_ends_with_its_terminal(machine: &Instance) {
    let mut shell = shell_in_a_terminal(machine);
    let mut typed = shell.stdin.take().expect("a pipe");
    typed.write_all(b"echo is-$((40 + 3))\n").expect("typed");
    let mut shown = BufReader::new(shell.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("is-43") {
        line.clear();
        assert!(shown.read_line(&mut line).expect("text") > 0, "it ended");
    }
    assert_eq!(open_terminals(machine), 1);
    // With its end the terminal hangs up.
    shell.kill().expect("killed");
    shell.wait().expect("gone");
    e2e::wait_until(
        "the shell inside ended",
        std::time::Duration::from_secs(60),
        || open_terminals(machine) == 0,
    );
}

fn a_file_is_run(machine: &Instance) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cell.py");
    std::fs::write(&file, "print('of a file:', 6 * 7)\n").expect("written");
    let said = machine.ok(&["exec", "-f", &file.to_string_lossy()]);
    assert!(said.contains("of a file: 42"), "{said}");
}

fn a_log_is_followed_until_the_machine_stops(machine: &Instance) {
    let since_later = machine.ok(&["logs", "--since", "2035-01-01T00:00:00Z"]);
    assert_eq!(since_later, "");
    let mut log = machine
        .command(&["logs", "-f", "-n", "1000"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("vivarium runs");
    let mut lines = BufReader::new(log.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().is_some(), "the log has no line");
    machine.ok(&["down"]);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(log.wait().expect("it ends").success(), "{rest:?}");
}
