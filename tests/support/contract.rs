//! Line by line what clients may rely on, beside what `body` tries out: cells and their events, the
//! shell, logs, numbers, terminals.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use e2e::{Instance, wait_until};
use serde_json::{Value, json};

use crate::body::{DEADLINE, Stream, post, run};

/// All of it.
pub fn holds(machine: &Instance) {
    cells(machine);
    a_cell_of_a_command(machine);
    events(machine);
    names(machine);
    the_shell(machine);
    logs_and_numbers(machine);
    a_terminal(machine);
}

fn id_of(stream: &mut Stream) -> String {
    let accepted = stream.until("accepted");
    accepted["execution_id"].as_str().expect("an id").to_owned()
}

fn sleeper(machine: &Instance) -> (Stream, String) {
    let cell =
        json!({"code": "import time\nprint('on', flush=True)\ntime.sleep(600)", "id": "mine"});
    let mut stream = Stream::open(machine, "POST", "/exec", &cell.to_string());
    let id = id_of(&mut stream);
    stream.until("output");
    (stream, id)
}

/// Ctrl-C in `vivarium exec` ends its own cell, also one that waits behind somebody else's.
fn a_cell_of_a_command(machine: &Instance) {
    let (mut other, other_id) = sleeper(machine);
    let mut command = machine.start(&["exec", "never = 1"]);
    wait_until("the command's cell waits", DEADLINE, || {
        let (_, listed) = machine.api("GET", "/executions", "");
        let cells = listed["executions"].as_array().expect("a list");
        cells.iter().any(|cell| cell["state"] == "queued")
    });
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &command.id().to_string()])
        .status();
    assert!(interrupted.expect("kill runs").success());
    assert_eq!(command.wait().expect("an end").code(), Some(130));
    let (_, shown) = machine.api("GET", &format!("/executions/{other_id}"), "");
    assert_eq!(shown["state"], "running");
    machine.api("DELETE", &format!("/executions/{other_id}"), "");
    assert_eq!(other.until("done")["status"], "interrupted");
    assert_eq!(run(machine, "'never' in globals()"), "False");
}

fn cells(machine: &Instance) {
    // An interrupt of an idle kernel changes nothing.
    run(machine, "before = 1");
    assert_eq!(
        post(machine, "/interrupt", &json!({}))["status"],
        "completed"
    );
    assert_eq!(run(machine, "before"), "1");

    // Of three cells the first runs, and the others wait in their order; an id may repeat.
    let (mut first, first_id) = sleeper(machine);
    let open = |code: &str, more: Value| {
        let mut cell = json!({"code": code, "id": "mine", "timeout_s": 5});
        cell["silent"] = more;
        let mut stream = Stream::open(machine, "POST", "/exec", &cell.to_string());
        let id = id_of(&mut stream);
        (stream, id)
    };
    let (mut second, second_id) = open("'second'", json!(true));
    let (mut third, third_id) = open("'third'", json!(false));
    assert!(first_id < second_id && second_id < third_id);
    let state = |id: &str| {
        let (_, shown) = machine.api("GET", &format!("/executions/{id}"), "");
        assert_eq!(shown["id"], "mine");
        shown["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!(
        [&first_id, &second_id, &third_id].map(|id| state(id)),
        ["running", "queued", "queued"]
    );
    assert_eq!(machine.api("GET", "/status", "").1["busy"], true);

    // One that waits is taken out, the one that runs is interrupted, the last takes its turn. Its
    // limit counts from its start: it waited longer than the others ran.
    let remove = |id: &str| machine.api("DELETE", &format!("/executions/{id}"), "").1;
    assert_eq!(remove(&third_id)["state"], "over");
    let (name, done) = third.event();
    assert_eq!(
        (name.as_str(), &done["status"]),
        ("done", &json!("interrupted")),
        "it never started"
    );
    assert_eq!(remove(&first_id)["status"], "completed");
    assert_eq!(first.until("done")["status"], "interrupted");
    let count = machine.api("GET", "/status", "").1["exec_count"].as_u64();
    let (name, started) = second.event();
    assert!(
        name == "started" && started["ran_ms"].is_u64(),
        "{name}: {started}"
    );
    let done = second.until("done");
    assert_eq!(
        (&done["status"], &done["result"]),
        (&json!("completed"), &json!(null))
    );
    assert_eq!(
        machine.api("GET", "/status", "").1["exec_count"].as_u64(),
        count,
        "a silent cell counts"
    );
    assert_eq!(machine.api("DELETE", "/executions/none", "").0, 404);

    // A limit ends a cell, and says so.
    let limited = json!({"code": "import time; time.sleep(600)", "timeout_s": 0.2});
    assert_eq!(post(machine, "/exec", &limited)["status"], "timeout");
    for bad in [json!(0), json!(-1), json!(1e300), json!("1")] {
        let (status, _) = machine.api(
            "POST",
            "/exec",
            &json!({"code": "1", "timeout_s": bad}).to_string(),
        );
        assert_eq!(status, 400, "{bad}");
    }

    // An empty namespace, the shell's context and `runtime` kept.
    post(
        machine,
        "/shell/env",
        &json!({"key": "KEPT", "value": "yes"}),
    );
    run(machine, "gone = 1");
    assert_eq!(post(machine, "/reset", &json!({}))["status"], "completed");
    let code = "'gone' in dir(), runtime.shell.run('echo $KEPT')['stdout']";
    assert_eq!(run(machine, code), "(False, 'yes\\n')");
}

/// A cell outlives its client, and is replayed from any event on.
fn events(machine: &Instance) {
    let cell = json!({"code": "for n in range(3): display(n)\nname = input()\nprint(name)", "stdin": true});
    let mut stream = Stream::open(machine, "POST", "/exec", &cell.to_string());
    let id = id_of(&mut stream);
    stream.until("input_request");
    drop(stream);
    let path = format!("/executions/{id}/events");
    let mut replayed = Stream::open(machine, "GET", &format!("{path}?after=2"), "");
    replayed.until("started");
    assert_eq!(replayed.until("output")["data"]["text/plain"], "2");
    post(
        machine,
        &format!("/executions/{id}/input"),
        &json!({"value": "Ada"}),
    );
    let done = replayed.until("done");
    assert_eq!(done["stdout"], "Ada\n");
    assert_eq!(done["outputs"].as_array().map(Vec::len), Some(4), "{done}");
    // A page with its token in the address, as EventSource has it.
    let token = machine.token();
    let (status, _) = machine.http("GET", &format!("{path}?token={token}"), &[], "");
    assert_eq!(status, 200);
    let (_, listed) = machine.api("GET", "/executions?kernel=main", "");
    assert!(listed.to_string().contains(&id));
    let (_, brief) = machine.api("GET", "/executions?kernel=main&brief=true", "");
    let cells = brief["executions"].as_array().expect("cells");
    assert!(cells.iter().any(|cell| cell["execution_id"] == id.as_str()));
    assert!(cells.iter().all(|cell| cell.get("outputs").is_none()));
    assert_eq!(machine.api("GET", "/executions?kernel=none", "").0, 404);
}

/// `runtime.resource`, under the names of the contract.
fn names(machine: &Instance) {
    let code = "tries = []\n\
        def connect(what, *, how):\n    tries.append(what + how)\n    if len(tries) < 3: raise OSError('not yet')\n    return [what]\n\
        ended, met = [], []\n\
        handle = (runtime.resource(connect, 'a', how='b').on_connect(met.append).validate(lambda value: bool(value))\n\
        \u{20}   .teardown(ended.append).retry(max_attempts=5, base_delay_s=0.001, max_delay_s=0.01, backoff_base=2.0, jitter=0.2))\n\
        same = handle.get() is handle.get()\nhandle.invalidate()\nhandle.get().clear()\nagain = handle.get()\n\
        same, len(tries), len(met), len(ended), again";
    assert_eq!(run(machine, code), "(True, 5, 3, 2, ['a'])");
    let code = "handle = runtime.resource(list).retry(max_attempts=10, base_delay_s=0.2, max_delay_s=5.0, backoff=2.0, jitter=0.2)\n\
                runtime.resource.__doc__ is not None, runtime.shell.resource(list).get()";
    assert_eq!(run(machine, code), "(True, [])");
}

fn the_shell(machine: &Instance) {
    // While a cell runs; output as it comes; a limit ends the whole group.
    let (mut running, id) = sleeper(machine);
    let command = json!({"command": "echo one; echo two >&2; exit 7"}).to_string();
    let mut stream = Stream::open(machine, "POST", "/shell", &command);
    // Two pipes have no order between them.
    let mut said = [(); 2].map(|()| stream.until("output")["text"].to_string());
    said.sort();
    assert_eq!(said, ["\"one\\n\"", "\"two\\n\""]);
    let done = stream.until("done");
    assert_eq!(
        [&done["status"], &done["stderr"], &done["returncode"]],
        [&json!("completed"), &json!("two\n"), &json!(7)]
    );
    // A list is a program and its arguments, of which no shell splits or expands a word.
    let arguments = json!({"command": ["printf", "<%s>", "a b", "$HOME", "*"]});
    assert_eq!(
        post(machine, "/shell", &arguments)["stdout"],
        "<a b><$HOME><*>"
    );
    assert_eq!(
        machine.ok(&["shell", "printf", "<%s>", "a b", "$HOME"]),
        "<a b><$HOME>"
    );
    let (status, _) = machine.api("POST", "/shell", "{\"command\": []}");
    assert_eq!(status, 400);
    let mark = "sleep 86.25";
    let limited = json!({"command": format!("{mark} & {mark}"), "timeout_s": 0.2});
    assert_eq!(post(machine, "/shell", &limited)["status"], "timeout");
    wait_until("the whole group is gone", DEADLINE, || {
        machine.inside(&format!("pgrep -fcx '{mark}'")) == "0"
    });
    let (status, answer) = machine.api("POST", "/shell", "{\"command\": \"a\\u0000b\"}");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("invalid_request"))
    );
    // A folder that is gone is said, until another is named.
    machine.inside("mkdir /tmp/going");
    post(machine, "/shell/cd", &json!({"path": "/tmp/going"}));
    machine.inside("rmdir /tmp/going");
    let (status, answer) = machine.api("POST", "/shell", "{\"command\": \"true\"}");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("no_such_folder"))
    );
    assert_eq!(
        post(machine, "/shell/cd", &json!({"path": "~"}))["cwd"],
        "/root"
    );
    machine.api("DELETE", &format!("/executions/{id}"), "");
    running.until("done");
}

fn logs_and_numbers(machine: &Instance) {
    let mut followed = Stream::open(machine, "GET", "/services/xvnc/logs?follow=true", "");
    let page = followed.until("log");
    assert!(
        page["text"]
            .as_str()
            .is_some_and(|text| text.contains("VNC")),
        "{page}"
    );
    let next = page["next"].as_u64().expect("a number");
    let (_, rest) = machine.api("GET", &format!("/services/xvnc/logs?after={next}"), "");
    assert!(
        rest["next"].as_u64() >= Some(next) && rest["skipped_bytes"] == 0,
        "{rest}"
    );
    assert_eq!(machine.api("GET", "/services/none/logs", "").0, 404);

    let mut numbers = Stream::open(machine, "GET", "/metrics", "");
    numbers.line("vivarium_kernel_ready{kernel=\"main\"} 1");
    for path in ["/criu/checkpoint", "/criu/restore"] {
        let (status, answer) = machine.api("POST", path, "");
        assert_eq!(
            (status, &answer["error"]["code"]),
            (409, &json!("criu_unavailable"))
        );
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("/cryo/store"))
        );
    }
}

/// A PTY over a WebSocket, with the token in its address. <https://www.rfc-editor.org/rfc/rfc6455>
fn a_terminal(machine: &Instance) {
    let mut socket = TcpStream::connect(("127.0.0.1", machine.ports[0])).expect("connected");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let ask = format!(
        "GET /terminal?name=contract&cols=91&rows=33&token={} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        machine.token()
    );
    socket.write_all(ask.as_bytes()).expect("sent");
    let mut seen = String::new();
    let mut until = |socket: &mut TcpStream, wanted: &str| {
        let mut piece = [0; 4096];
        wait_until(wanted, DEADLINE, || {
            if !seen.contains(wanted) {
                let count = socket.read(&mut piece).expect("it goes on");
                seen += &String::from_utf8_lossy(&piece[..count]);
            }
            seen.contains(wanted)
        });
    };
    until(&mut socket, " 101 ");
    // What comes back is in frames; the words in them are whole.
    socket
        .write_all(&frame(2, "echo size: $(stty size)\n"))
        .expect("sent");
    until(&mut socket, "size: 33 91");
    let resize = r#"{"type": "resize", "cols": 70, "rows": 20}"#;
    socket.write_all(&frame(1, resize)).expect("sent");
    socket
        .write_all(&frame(2, "echo then: $(stty size)\n"))
        .expect("sent");
    until(&mut socket, "then: 20 70");
    socket.write_all(&frame(2, "exit\n")).expect("sent");
    // With the exit code beside it.
    until(&mut socket, "\"type\":\"ended\"");
}

/// A client's frame: masked, here with zeros.
fn frame(kind: u8, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 126);
    [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}
