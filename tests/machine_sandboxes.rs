//! A machine's programs use sandboxes of this computer: through its MCP server `sandbox`, with the host
//! and without, as its owner allows.

#[path = "support/mcp.rs"]
mod mcp;

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use e2e::{Instance, docker, serve::Host, wait_until};
use mcp::{Server, text};
use serde_json::{Value, json};

/// For what a test waits for: long, as the computer may be busy with much else.
const DEADLINE: Duration = Duration::from_secs(600);
/// The image that scripts/test.sh builds.
const IMAGE: &str = "vivarium-test-sandbox";

#[test]
fn a_machines_programs_use_sandboxes_as_its_owner_allows() {
    let machine = Instance::new();
    let config = machine
        .home
        .path()
        .join("config/instances")
        .join(&machine.name);
    std::fs::create_dir_all(&config).expect("a folder");
    let settings = format!("[sandboxes]\nimage = \"{IMAGE}\"\n");
    std::fs::write(config.join("settings.toml"), settings).expect("written");
    machine.ok(&["up"]);

    // Off at first, and of no use to a program that starts it all the same.
    assert!(!offers(&machine));
    let mut server = Server::start(&machine, &["/usr/local/bin/body", "sandbox"]);
    assert_eq!(server.tools().len(), 6);
    let alone = refused(&mut server, "list_sandboxes", json!({}));
    assert!(alone.contains("`vivarium serve`"), "{alone}");
    let mut host = Host::start(&machine, &[], "", Stdio::null());
    let denied = refused(&mut server, "run_command", json!({"command": "true"}));
    assert!(denied.contains("vivarium sandbox allow"), "{denied}");

    machine.ok(&["sandbox", "allow"]);
    assert!(offers(&machine));
    fresh(&mut server);
    let kept = kept(&machine, &mut server);
    host_goes(&machine, &mut server, &mut host, &kept);

    let host = Host::start(&machine, &[], "", Stdio::null());
    machine.ok(&["sandbox", "deny"]);
    assert!(!offers(&machine));
    let denied = refused(&mut server, "list_sandboxes", json!({}));
    assert!(denied.contains("vivarium sandbox allow"), "{denied}");
    for id in sandboxes(&machine) {
        machine.ok(&["sandbox", "rm", &id]);
    }
    // A host that is asked to end keeps nothing ready for nobody.
    host.stop();
    assert_eq!(containers(&machine), "");
}

/// Sandboxes of this test that the engine has: somebody's, and those that wait in a pool.
fn containers(machine: &Instance) -> String {
    let label = format!("label=vivarium.instance={}", machine.name);
    let kind = "label=vivarium.kind=sandbox";
    docker(&["ps", "-aq", "--filter", &label, "--filter", kind])
}

/// Whether a client of all servers is offered the tools.
fn offers(machine: &Instance) -> bool {
    let tools = machine.ok(&["mcp", "tools", "--json"]);
    tools.contains("sandbox__run_command")
}

/// Why a tool could not do it.
fn refused(server: &mut Server, tool: &str, arguments: Value) -> String {
    let result = server.call(tool, arguments);
    assert_eq!(result["isError"], true, "{result}");
    text(&result)
}

fn fresh(server: &mut Server) {
    let ran = server.ok("run_command", json!({"command": "echo $((6 * 7)); id -un"}));
    assert_eq!(ran["stdout"], "42\nsandboxuser\n");
    assert_eq!(
        (&ran["exit_code"], &ran["sandbox"]),
        (&json!(0), &Value::Null)
    );
    let ran = server.ok("run_code", json!({"code": "print('a'); 6 * 7"}));
    assert_eq!(
        (&ran["stdout"], &ran["result"]),
        (&json!("a\n"), &json!("42"))
    );
    // Nothing is reached unless it is asked for, and that is not allowed here.
    let ran = server.ok("run_command", json!({"command": "ls /sys/class/net"}));
    assert_eq!(ran["stdout"], "lo\n");
    let network = json!({"command": "true", "network": "internet"});
    let refused = refused(server, "run_command", network);
    assert!(refused.contains("--network internet"), "{refused}");
}

/// The id of a sandbox that stays, with a file in it.
fn kept(machine: &Instance, server: &mut Server) -> String {
    let ran = server.ok("run_code", json!({"code": "x = 6", "keep": true}));
    let id = ran["sandbox"].as_str().expect("an id").to_owned();
    let ran = server.ok("run_code", json!({"code": "x * 7", "sandbox": &id}));
    assert_eq!(ran["result"], "42");
    let path = "/workspace/deep/note.txt";
    let write = json!({"sandbox": &id, "path": path, "text": "from a tool"});
    assert_eq!(server.ok("write_file", write)["size_bytes"], 11);
    let read = server.ok("read_file", json!({"sandbox": &id, "path": path}));
    assert_eq!(read["text"], "from a tool");
    let outside = refused(
        server,
        "read_file",
        json!({"sandbox": &id, "path": "/etc/shadow"}),
    );
    assert!(!outside.is_empty());
    let listed = server.ok("list_sandboxes", json!({}));
    assert_eq!(listed["sandboxes"][0]["sandbox"], json!(id));
    assert!(machine.ok(&["sandbox", "ls"]).contains("machine os-host"));
    // What isn't the machine's own is as if it weren't there.
    let ran = machine.ok(&["sandbox", "run", "--keep", "true"]);
    let other = sandboxes(machine).into_iter().find(|one| *one != id);
    let other = other.unwrap_or_else(|| panic!("{ran}"));
    let refused = refused(
        server,
        "run_command",
        json!({"command": "true", "sandbox": &other}),
    );
    assert!(refused.contains("not found"), "{refused}");
    assert_eq!(
        server.ok("remove_sandbox", json!({"sandbox": &other}))["removed"],
        false
    );
    machine.ok(&["sandbox", "rm", &other]);
    id
}

/// The host is killed while it works on a call; the next one has the sandbox.
fn host_goes(machine: &Instance, server: &mut Server, host: &mut Host, kept: &str) {
    let mut command = machine.command(&[
        "mcp",
        "call",
        "sandbox__run_command",
        "command=touch /workspace/begun; sleep 600",
        &format!("sandbox={kept}"),
    ]);
    let mut call = Call(
        command
            .stdout(Stdio::piped())
            .spawn()
            .expect("vivarium runs"),
    );
    let begun = json!({"sandbox": kept, "path": "/workspace/begun"});
    wait_until("the command runs", DEADLINE, || {
        server.call("read_file", begun.clone())["isError"] != true
    });
    let killed = std::process::Command::new("kill")
        .args(["-9", &host.pid().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    host.ends();
    let mut said = String::new();
    let stdout = call.0.stdout.take().expect("a pipe");
    std::io::Read::read_to_string(&mut { stdout }, &mut said).expect("UTF-8");
    assert!(said.contains("stopped responding"), "{said}");
    let _next = Host::start(machine, &[], "", Stdio::null());
    let ran = server.ok("run_code", json!({"code": "x * 7", "sandbox": kept}));
    assert_eq!(ran["result"], "42");
}

/// Those that are there.
fn sandboxes(machine: &Instance) -> Vec<String> {
    let listed: Value =
        serde_json::from_str(&machine.ok(&["sandbox", "ls", "--json"])).expect("JSON");
    let ids = listed.as_array().expect("a list").iter();
    ids.map(|view| view["sandbox_id"].as_str().expect("an id").to_owned())
        .collect()
}

/// A command line that waits for a tool; ended when dropped.
struct Call(Child);

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
