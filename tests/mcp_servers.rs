//! What is behind the MCP endpoint: the servers that the image brings, and our own, each driven over
//! its stdio in a real machine, with the real display.

#[path = "support/mcp.rs"]
mod mcp;

use std::time::Duration;

use e2e::{Instance, wait_until};
use mcp::{Server, image, text};
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
    assert!(
        text(&kernel).contains("no kernel log in this machine"),
        "{kernel}"
    );
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
    computer("default");
}

#[test]
fn a_locked_one_is_too() {
    computer("locked");
}

fn computer(profile: &'static str) {
    let machine = up(profile);
    // What is seen changes by nothing but what the test does.
    let seen = "import -window root /tmp/seen.png && identify -format '%k %#' /tmp/seen.png";
    let mut before = String::new();
    wait_until("the desktop is drawn", DEADLINE, || {
        std::thread::sleep(Duration::from_millis(500));
        let now = machine.inside(seen);
        let colours = now.split(' ').next().and_then(|count| count.parse().ok());
        let is_drawn = colours.is_some_and(|count: u32| count > 100) && now == before;
        before = now;
        is_drawn
    });
    let mut server = Server::start(&machine, &["/usr/local/bin/body", "computer"]);
    let tools = server.tools();
    assert_eq!(tools.len(), 20, "{tools:?}");
    kernel_and_shell(&mut server);
    pictures(&machine, &mut server);
    typing(&machine, &mut server);
    windows(&mut server);
    clipboard(&machine, &mut server);
    takeover(&machine, &mut server);

    // The display is started anew under it.
    let (status, _) = machine.api("POST", "/services/xvnc/restart", "{}");
    assert_eq!(status, 200);
    server.ok("screenshot", json!({}));
}

fn kernel_and_shell(server: &mut Server) {
    server.ok("exec_python", json!({"code": "kept = 6"}));
    assert_eq!(
        server.ok("exec_python", json!({"code": "kept * 7"}))["result"],
        "42"
    );
    let failed = server.call("exec_python", json!({"code": "1/0"}));
    assert_eq!(failed["isError"], true);
    assert!(
        text(&failed).contains("ZeroDivisionError") && !text(&failed).contains('\u{1b}'),
        "{failed}"
    );
    let plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()";
    let plotted = server.call("exec_python", json!({"code": plot}));
    assert!(image(&plotted).starts_with("iVBOR"));
    let said = server.ok(
        "run_shell",
        json!({"command": "echo out; echo err >&2; exit 3"}),
    );
    assert_eq!(
        (&said["stdout"], &said["stderr"], &said["returncode"]),
        (&json!("out\n"), &json!("err\n"), &json!(3))
    );
    let late = server.call(
        "run_shell",
        json!({"command": "sleep 60", "timeout_s": 0.2}),
    );
    assert_eq!(late["isError"], true);
    let stored = server.ok("cryo_store", json!({"name": "by-tool"}));
    assert!(stored["saved"].to_string().contains("kept"), "{stored}");
    server.ok("exec_python", json!({"code": "del kept"}));
    server.ok("cryo_reload", json!({"name": "by-tool"}));
    assert_eq!(
        server.ok("exec_python", json!({"code": "kept"}))["result"],
        "6"
    );
}

/// A picture's size is kept to, and a place in it is a place on the screen.
fn pictures(machine: &Instance, server: &mut Server) {
    let (width, height) = screen(machine);
    let half = server.call("screenshot", json!({"longest_edge": width / 2}));
    let shot = &half["structuredContent"];
    assert_eq!(
        (&shot["width"], &shot["height"]),
        (&json!(width / 2), &json!(height / 2))
    );
    assert_eq!(shot["scale"], 0.5);
    let at = server.ok("mouse_move", json!({"x": 100, "y": 50}));
    assert_eq!(
        (&at["screen_x"], &at["screen_y"]),
        (&json!(201), &json!(101))
    );
    assert_eq!(
        machine
            .inside("xdotool getmouselocation")
            .split(" screen")
            .next(),
        Some("x:201 y:101")
    );
    let region = json!({"x": 10, "y": 10, "width": 40, "height": 20});
    let part = server.ok("screenshot", json!({"region": region}));
    assert_eq!(
        (&part["screen_x"], &part["width"], &part["height"]),
        (&json!(21), &json!(80), &json!(40))
    );
    let at = server.ok("mouse_move", json!({"x": 5, "y": 6}));
    assert_eq!((&at["screen_x"], &at["screen_y"]), (&json!(26), &json!(27)));
    let older = json!({"x": 0, "y": 0, "screenshot_id": shot["screenshot_id"]});
    assert_eq!(server.ok("mouse_move", older)["screen_x"], 1);
    // The pointer is part of what is seen, on a bare part of the desktop.
    let (x, y) = (width - 80, height - 40);
    let seen = [(1, 1), (x + 40, y + 20), (1, 1)].map(|(to_x, to_y)| {
        server.ok("mouse_move", json!({"x": to_x, "y": to_y, "scale": 1}));
        let area = json!({"x": x, "y": y, "width": 80, "height": 40, "scale": 1});
        image(&server.call("screenshot", json!({"region": area}))).to_owned()
    });
    assert!(seen[0] == seen[2] && seen[0] != seen[1], "no pointer");
    for wrong in [
        json!({"x": 81, "y": 0}),
        json!({"x": width, "y": 0, "scale": 1}),
        json!({"x": 0, "y": 0, "screenshot_id": 999}),
    ] {
        let refused = server.call("mouse_move", wrong.clone());
        assert_eq!(refused["isError"], true, "{wrong}");
    }
    assert_eq!(
        server.call("screenshot", json!({"window": 1}))["isError"],
        true
    );
}

/// What is typed arrives, whichever letters it has, and is seen.
fn typing(machine: &Instance, server: &mut Server) {
    let text = "Grüße! «Ωmega» 漢字 ñ ł ъ 🙂 ~{[]}\\|@#$%^&*() 'x' \"y\" Σσς ½ €";
    let started = server.ok(
        "launch",
        json!({"command": "xterm -T typed -e sh -c 'cat >/tmp/typed'"}),
    );
    assert_eq!(started["window"]["title"], "typed", "{started}");
    let window = &started["window"]["id"];
    server.ok("focus_window", json!({"window": window}));
    let before = server.call("screenshot", json!({"window": window}));
    server.ok("type_text", json!({"text": text}));
    wait_until("what was typed is seen", DEADLINE, || {
        let after = server.call("screenshot", json!({"window": window}));
        image(&before) != image(&after)
    });
    server.ok("key", json!({"keys": "Return"}));
    server.ok("type_text", json!({"text": "second\tline\n"}));
    server.ok("key", json!({"keys": "ctrl+d"}));
    let gone = || machine.inside("pgrep -c xterm") == "0";
    wait_until("the terminal ended", DEADLINE, gone);
    assert_eq!(
        machine.inside("cat /tmp/typed"),
        format!("{text}\nsecond\tline")
    );
    let wrong = server.call("key", json!({"keys": "ctrl+nothing"}));
    assert_eq!(wrong["isError"], true);
    let failed = server.call("launch", json!({"command": "no-such-program"}));
    assert!(mcp::text(&failed).contains("not found"), "{failed}");
}

/// A window is moved by its title bar, and a change is waited for.
fn windows(server: &mut Server) {
    let started = server.ok(
        "launch",
        json!({"command": "xterm -geometry 60x10+100+100 -T moved"}),
    );
    let id = started["window"]["id"].clone();
    // Not one that the window manager has not heard of yet.
    assert_eq!(started["window"]["pid"], started["pid"], "{started}");
    let listed = |server: &mut Server| -> Value {
        let list = server.ok("list_windows", json!({}));
        let found = list["windows"]
            .as_array()
            .expect("windows")
            .iter()
            .find(|window| window["id"] == id);
        found.expect("the window").clone()
    };
    server.ok("focus_window", json!({"window": id}));
    let before = listed(server);
    assert_eq!(
        (&before["class"], &before["active"]),
        (&json!("XTerm"), &json!(true))
    );
    let (x, y) = (
        before["x"].as_i64().expect("x"),
        before["y"].as_i64().expect("y"),
    );
    let (x, y) = (x + before["width"].as_i64().expect("width") / 2, y + 8);
    server.ok(
        "drag",
        json!({"from_x": x, "from_y": y, "to_x": x + 200, "to_y": y + 150, "scale": 1}),
    );
    wait_until("it was moved", DEADLINE, || {
        let after = listed(server);
        let moved = |edge: &str| {
            after[edge].as_i64().expect("a place") - before[edge].as_i64().expect("a place")
        };
        (moved("x"), moved("y")) == (200, 150)
    });

    let still = json!({"x": 0, "y": 0, "width": 40, "height": 40, "scale": 1});
    let waited = server.ok(
        "wait_for_change",
        json!({"region": still, "timeout_s": 0.3}),
    );
    assert_eq!(waited["changed"], false, "{waited}");
    // It changes again and again, whenever the wait begins.
    server.ok("run_shell", json!({"command": "pkill -f '[T] moved'; (for n in $(seq 300); do DISPLAY=:99 xterm -T changes -e sleep 0.5; done) >/dev/null 2>&1 &"}));
    let waited = server.ok("wait_for_change", json!({"timeout_s": 60}));
    assert_eq!(waited["changed"], true, "{waited}");
    server.ok("run_shell", json!({"command": "pkill -f '[T] changes'"}));
}

fn clipboard(machine: &Instance, server: &mut Server) {
    let text = "Grüße, 漢字 🙂\nzweite Zeile";
    server.ok("clipboard_set", json!({"text": text}));
    assert_eq!(machine.inside("xclip -o -selection clipboard"), text);
    assert_eq!(
        machine.inside("xclip -o -selection clipboard -t text/plain\\;charset=utf-8"),
        text
    );
    assert_eq!(server.ok("clipboard_get", json!({}))["text"], text);
    machine.inside("printf 'von außen ☂' | xclip -i -selection clipboard >/dev/null 2>&1");
    assert_eq!(server.ok("clipboard_get", json!({}))["text"], "von außen ☂");
    // Longer than one answer of an X program.
    machine.inside(
        "head -c 700000 /dev/zero | tr '\\0' x | xclip -i -selection clipboard >/dev/null 2>&1",
    );
    assert_eq!(
        server.ok("clipboard_get", json!({}))["text"]
            .as_str()
            .map(str::len),
        Some(700_000)
    );
    server.ok("clipboard_set", json!({"text": "ü".repeat(600_000)}));
    assert_eq!(
        machine.inside("xclip -o -selection clipboard | wc -c"),
        "1200000"
    );
}

/// While the person has mouse and keyboard, an AI looks and does not touch.
fn takeover(machine: &Instance, server: &mut Server) {
    let (status, taken) = machine.api("POST", "/takeover", r#"{"on": true, "by": "Ada"}"#);
    assert_eq!(
        (status, &taken["on"], &taken["by"]),
        (200, &json!(true), &json!("Ada"))
    );
    assert!(
        taken["since_ms"]
            .as_u64()
            .is_some_and(|since| since > 1_700_000_000_000),
        "{taken}"
    );
    // The supervisor's death gives nothing back.
    machine.inside("pkill -9 -f 'body supervise'");
    wait_until("the supervisor is back", DEADLINE, || {
        machine.api("GET", "/takeover", "").1 == taken
    });
    let place = json!({"x": 5, "y": 5, "scale": 1});
    for (tool, arguments) in [
        ("click", place.clone()),
        ("mouse_move", place),
        ("type_text", json!({"text": "x"})),
        ("key", json!({"keys": "a"})),
        ("clipboard_set", json!({"text": "x"})),
        ("launch", json!({"command": "xterm"})),
    ] {
        let refused = server.call(tool, arguments);
        assert_eq!(refused["isError"], true, "{tool}");
        let said = text(&refused);
        assert!(
            said.contains("Ada") && said.contains("wait_for_handback"),
            "{tool}: {said}"
        );
    }
    server.ok("screenshot", json!({}));
    server.ok("clipboard_get", json!({}));
    server.ok("exec_python", json!({"code": "1"}));
    assert_eq!(
        server.ok("wait_for_handback", json!({"timeout_s": 0.1}))["handed_back"],
        false
    );
    server.ok("run_shell", json!({"command": "(sleep 0.4; curl -s --unix-socket /run/vivarium/body.sock --json '{\"on\": false}' http://localhost/takeover) >/dev/null 2>&1 &"}));
    assert_eq!(
        server.ok("wait_for_handback", json!({"timeout_s": 60}))["handed_back"],
        true
    );
    server.ok("key", json!({"keys": "shift"}));
}

fn screen(machine: &Instance) -> (u64, u64) {
    let told = machine.inside("xdotool getdisplaygeometry");
    let (width, height) = told.split_once(' ').expect("two numbers");
    (
        width.parse().expect("a width"),
        height.parse().expect("a height"),
    )
}
