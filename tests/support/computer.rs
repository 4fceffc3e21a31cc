//! The machine itself as an MCP server: kernel and shell, pictures, mouse and keyboard, windows, the
//! clipboard, and what the person has taken over.

use std::time::Duration;

use e2e::{Instance, wait_until};
use serde_json::{Value, json};

use crate::{
    DEADLINE,
    mcp::{self, Server, text},
};

/// All that it offers, in a machine that is up.
pub fn works(machine: &Instance) {
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
    let mut server = Server::start(machine, &["/usr/local/bin/body", "computer"]);
    let tools = server.tools();
    assert_eq!(tools.len(), 20, "{tools:?}");
    kernel_and_shell(&mut server);
    pictures(machine, &mut server);
    typing(machine, &mut server);
    held_keys(machine);
    windows(&mut server);
    clipboard(machine, &mut server);
    pasted_in_the_terminal(machine, &mut server);
    takeover(machine, &mut server);

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

/// A modifier that somebody else holds spoils nothing, and is theirs again afterwards, unless they let
/// go of it meanwhile.
fn held_keys(machine: &Instance) {
    // A display of its own, which lets a viewer in without a password.
    const VIEWER: &str = r#"
import socket, time
viewer = socket.create_connection(("127.0.0.1", 5977))
viewer.sendall(viewer.recv(12)), viewer.recv(2), viewer.sendall(b"\1"), viewer.recv(4), viewer.sendall(b"\1")
done = 0
while True:
    for line in open("/tmp/keys").read().split("\n")[done:-1]:
        down, keysym = line.split()
        viewer.sendall(bytes([4, int(down), 0, 0]) + int(keysym, 16).to_bytes(4, "big"))
        done += 1
    open("/tmp/keys.done", "w").write(str(done))
    time.sleep(0.02)
"#;
    machine.inside(&format!(
        ": >/tmp/keys; cat >/tmp/viewer.py <<'E'\n{VIEWER}\nE"
    ));
    let display = "Xvnc :7 -SecurityTypes None -rfbport 5977 -localhost=1";
    machine.inside(&format!("setsid {display} >/tmp/xvnc7.log 2>&1 &"));
    let up = || machine.inside("[ -e /tmp/.X11-unix/X7 ] && echo up || true") == "up";
    wait_until("the second display is up", DEADLINE, up);
    machine.inside("setsid python3 /tmp/viewer.py >/tmp/viewer.log 2>&1 &");
    let mut sent = 0;
    let mut press = |keys: &str| {
        sent += keys.matches("\\n").count();
        machine.inside(&format!("printf '{keys}' >>/tmp/keys"));
        wait_until("the viewer sent its keys", DEADLINE, || {
            machine.inside("cat /tmp/keys.done 2>/dev/null || true") == sent.to_string()
        });
    };
    let command = ["env", "DISPLAY=:7", "/usr/local/bin/body", "computer"];
    let mut server = Server::start(machine, &command);
    let open = || {
        let cat = "xterm -geometry 300x100+0+0 -e sh -c 'cat >/tmp/held; mv /tmp/held /tmp/typed'";
        machine.inside("rm -f /tmp/held /tmp/typed");
        machine.inside(&format!("DISPLAY=:7 setsid {cat} >/dev/null 2>&1 &"));
        let ready = || machine.inside("[ -e /tmp/held ] && echo ready || true") == "ready";
        wait_until("the terminal reads", DEADLINE, ready);
    };
    let typed = || {
        let there = || machine.inside("[ -e /tmp/typed ] && echo there || true") == "there";
        wait_until("the terminal ended", DEADLINE, there);
        machine.inside("cat /tmp/typed")
    };
    server.ok("mouse_move", json!({"x": 50, "y": 50, "scale": 1}));

    open();
    press("1 ffe3\\n");
    server.ok("type_text", json!({"text": "hello\n"}));
    // Their Control is down again: this is Ctrl+D.
    press("1 64\\n0 64\\n");
    assert_eq!(typed(), "hello");

    open();
    // They let go of it while a text is typed.
    machine.inside("setsid sh -c 'sleep 0.5; echo 0 ffe3 >>/tmp/keys' >/dev/null 2>&1 &");
    sent += 1;
    server.ok(
        "type_text",
        json!({"text": "let go of it\n", "pause_ms": 100}),
    );
    wait_until("the viewer let go", DEADLINE, || {
        machine.inside("cat /tmp/keys.done") == sent.to_string()
    });
    server.ok("key", json!({"keys": "d"}));
    // A lock is as much in the way.
    server.ok("key", json!({"keys": "caps_lock"}));
    server.ok("type_text", json!({"text": "one Word\n"}));
    server.ok("key", json!({"keys": "caps_lock"}));
    server.ok("key", json!({"keys": "ctrl+d"}));
    assert_eq!(typed(), "let go of it\ndone Word");
    machine.inside("pkill -f 'Xvnc :[7]'; pkill -f '[v]iewer.py'; true");
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

/// The keys that paste in other terminals do so in this one, too, and spoil nothing that follows.
fn pasted_in_the_terminal(machine: &Instance, server: &mut Server) {
    let started = server.ok(
        "launch",
        json!({"command": "xterm -T pasted -e sh -c 'cat >/tmp/pasted'"}),
    );
    server.ok("focus_window", json!({"window": started["window"]["id"]}));
    server.ok("clipboard_set", json!({"text": "Grüße 漢字"}));
    server.ok("key", json!({"keys": "ctrl+shift+v"}));
    server.ok("type_text", json!({"text": " and typed\n"}));
    server.ok("key", json!({"keys": "ctrl+d"}));
    wait_until("the terminal ended", DEADLINE, || {
        machine.inside("pgrep -c xterm") == "0"
    });
    assert_eq!(machine.inside("cat /tmp/pasted"), "Grüße 漢字 and typed");
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

/// The base64 of a result's picture.
pub fn image(result: &Value) -> &str {
    let parts = result["content"].as_array().expect("content");
    let image = parts
        .iter()
        .find(|part| part["type"] == "image")
        .expect("an image");
    assert_eq!(image["mimeType"], "image/png");
    image["data"].as_str().expect("base64")
}
