//! What is behind the MCP endpoint: the servers that the image brings, and our own, each driven over
//! its stdio in a real machine, with the real display.

#[path = "support/computer.rs"]
mod computer;
#[path = "support/mcp.rs"]
mod mcp;

use std::time::Duration;

use computer::image;
use e2e::{Instance, wait_until};
use mcp::{Server, text};
use serde_json::{Value, json};

/// For what a test waits for: long, as the computer may be busy with much else.
const DEADLINE: Duration = Duration::from_secs(120);
const BROWSER_USE: &[&str] = &["/opt/mcp/browser-use/bin/browser-use", "--mcp"];

#[test]
fn the_images_servers_work() {
    servers("default");
}

#[test]
fn so_they_do_in_a_locked_machine() {
    servers("locked");
}

fn servers(profile: &'static str) {
    let machine = up(profile);
    files(&machine);
    linux(&machine);
    relayed(&machine);
}

#[test]
fn the_person_sees_the_browser_of_an_ai() {
    browser(&up("default"));
}

#[test]
fn so_they_do_with_a_locked_machine() {
    browser(&up("locked"));
}

fn up(profile: &'static str) -> Instance {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    machine
}

fn files(machine: &Instance) {
    let root = machine.inside("echo $FILESYSTEM_ROOT");
    let mut server = Server::start(
        machine,
        &[
            "/usr/local/bin/node",
            "/opt/mcp/filesystem/dist/index.js",
            &root,
        ],
    );
    assert_eq!(server.tools().len(), 14);
    server.ok(
        "write_file",
        json!({"path": "/root/note.txt", "content": "from a tool"}),
    );
    assert_eq!(machine.inside("cat /root/note.txt"), "from a tool");
    let outside = server.call("read_text_file", json!({"path": "/etc/passwd"}));
    assert_eq!(outside["isError"], true, "{outside}");
}

fn linux(machine: &Instance) {
    let mut server = Server::start(machine, &["/opt/mcp/linux/bin/linux-mcp-server"]);
    assert_eq!(server.tools().len(), 23);
    let said = |answer: Value| answer.to_string();
    let services = said(server.ok("list_services", json!({})));
    for name in ["xvnc.service", "openbox.service", "kernel-main.service"] {
        assert!(services.contains(name), "{services}");
    }
    // Which host is meant may be said, as to any linux-mcp-server.
    let status = said(server.ok(
        "get_service_status",
        json!({"service_name": "xvnc", "host": "localhost"}),
    ));
    assert!(
        status.contains("active (running)") && status.contains("Main PID"),
        "{status}"
    );
    let status = said(server.ok("get_service_status", json!({"service_name": "nothing"})));
    assert!(status.contains("not found"), "{status}");
    let logs = said(server.ok("get_service_logs", json!({"service_name": "xvnc"})));
    assert!(logs.contains("VNC"), "{logs}");
    let journal = said(server.ok(
        "get_journal_logs",
        json!({"unit": "xv*", "last_lines": 2, "since": "-1h"}),
    ));
    assert!(journal.contains("xvnc: "), "{journal}");
    let kernel = server.call("get_journal_logs", json!({"transport": "kernel"}));
    assert!(text(&kernel).contains("no kernel log"), "{kernel}");
    let log = said(server.ok(
        "read_log_file",
        json!({"log_path": "/run/vivarium/logs/xvnc.log"}),
    ));
    assert!(log.contains("VNC"), "{log}");
    for tool in [
        "get_system_information",
        "get_memory_information",
        "list_processes",
        "get_disk_usage",
    ] {
        server.ok(tool, json!({}));
    }
}

fn browser(machine: &Instance) {
    let page = "data:text/html,<title>pink</title><body style=\"background:rgb(255,0,200)\"><a href=about:blank>away</a>";
    let pink = || {
        machine
            .inside("import -window root -crop 1x1+600+600 txt:-")
            .contains("srgb(255,0,200)")
    };
    assert!(!pink());
    let mut server = Server::start(machine, BROWSER_USE);
    assert_eq!(server.tools().len(), 16);
    server.ok("browser_navigate", json!({"url": page}));
    wait_until("the person sees the page", DEADLINE, pink);
    wait_until("the page's link is told", DEADLINE, || {
        server
            .ok("browser_get_state", json!({}))
            .to_string()
            .contains("away")
    });
    let shot = server.call("browser_screenshot", json!({}));
    assert!(image(&shot).len() > 1000);
    let without =
        machine.inside("ps -eo args | grep '[t]ype=renderer' | grep -c -- '[-]-no-sandbox'");
    assert_eq!(without, "0", "the browser has no sandbox");

    // A second one at the same time has a browser of its own; each goes with its server.
    let browsers = || machine.inside("pgrep -fc '[c]hromium/chromium .*--user-data-dir'");
    let mut other = Server::start(machine, BROWSER_USE);
    other.ok("browser_navigate", json!({"url": "about:blank"}));
    let profiles = "ps -eo args | grep -v type= | grep -o '[u]ser-data-dir=[^ ]*' | sort -u";
    let profiles = machine.inside(profiles);
    assert_eq!(profiles.lines().count(), 2, "{profiles}");
    machine.inside("pkill -f libexec/browser-use");
    wait_until("no browser is left", DEADLINE, || browsers() == "0");
}

/// All of them are behind the one endpoint.
fn relayed(machine: &Instance) {
    for (server, count) in [
        ("browser-use", 16),
        ("computer", 20),
        ("filesystem", 14),
        ("linux", 23),
    ] {
        let tools = machine.ok(&["mcp", "tools", server, "--json"]);
        assert_eq!(tools.lines().count(), count, "{server}: {tools}");
    }
    let said = machine.ok(&[
        "mcp",
        "call",
        "computer__run_shell",
        "command=echo $((6 * 7))",
    ]);
    assert_eq!(said.trim(), "42");
    let shot = machine.ok(&["mcp", "call", "computer__screenshot", "longest_edge=300"]);
    assert!(
        shot.contains("\"width\":300") && shot.contains("image/png"),
        "{shot}"
    );
    let services = machine.ok(&["mcp", "call", "linux__list_services"]);
    assert!(services.contains("xvnc.service"), "{services}");
}

#[test]
fn the_machine_is_a_server_itself() {
    computer::works(&up("default"));
}

#[test]
fn a_locked_one_is_too() {
    computer::works(&up("locked"));
}
