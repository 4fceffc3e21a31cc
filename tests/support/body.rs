//! The machine's API beyond cells and commands, against the real body: state that outlives
//! processes, and what is killed.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use e2e::{Instance, docker, wait_until};
use serde_json::{Value, json};

/// For what a test waits for: long, as the computer may be busy with much else.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A cell's event stream, or any other.
pub struct Stream {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Stream {
    /// Opens one.
    pub fn open(machine: &Instance, method: &str, path: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", machine.ports[0])).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n\
             Accept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            machine.token(),
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        Self {
            lines: BufReader::new(stream).lines(),
        }
    }

    /// The next event of this name; its data.
    pub fn until(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.event();
            if event == name {
                return data;
            }
            assert!(event != "done", "the stream ended before {name}");
        }
    }

    /// The next event: its name, and its data.
    pub fn event(&mut self) -> (String, Value) {
        let mut event = String::new();
        let begin = Instant::now();
        for line in &mut self.lines {
            // Comments keep the connection alive for ever.
            assert!(begin.elapsed() < 2 * DEADLINE, "no event in time");
            let line = line.expect("the stream goes on");
            if let Some(found) = line.strip_prefix("event: ") {
                found.clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (event, serde_json::from_str(data).expect("JSON"));
            }
        }
        panic!("the stream ended");
    }

    /// Waits for this very line.
    pub fn line(&mut self, wanted: &str) {
        let found = self
            .lines
            .find(|line| line.as_ref().map_or(true, |line| line == wanted));
        found.expect("the line").expect("the answer goes on");
    }

    /// Waits until an answer begins or the connection is cut: either way its client is not stuck.
    pub fn wait_for_answer(mut self) {
        let line = self.lines.next();
        assert!(!is_silence(line.as_ref()), "a client waits for ever");
    }

    /// Waits until its cell is done or the connection is cut.
    pub fn wait_for_end(mut self) {
        loop {
            let line = self.lines.next();
            assert!(!is_silence(line.as_ref()), "a client waits for ever");
            if !matches!(&line, Some(Ok(line)) if line != "event: done") {
                return;
            }
        }
    }
}

/// Whether nothing came within the deadline.
fn is_silence(line: Option<&std::io::Result<String>>) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(line, Some(Err(error)) if [TimedOut, WouldBlock].contains(&error.kind()))
}

/// An answer that must be 200.
pub fn post(machine: &Instance, path: &str, body: &Value) -> Value {
    let (status, answer) = machine.api("POST", path, &body.to_string());
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// A cell that must end well; its result.
pub fn run(machine: &Instance, code: &str) -> Value {
    let answer = post(machine, "/exec", &json!({"code": code}));
    assert_eq!(answer["status"], "completed", "{answer}");
    answer["result"].clone()
}

/// Questions, input, kernels, services.
pub fn whole_api(machine: &Instance) {
    // input(), answered while its stream is read.
    let cell = json!({"code": "name = input('who? ')\nprint('hello', name)"});
    let mut stream = Stream::open(machine, "POST", "/exec", &cell.to_string());
    let id = stream.until("accepted")["execution_id"].clone();
    assert_eq!(stream.until("input_request")["prompt"], "who? ");
    let input = format!("/executions/{}/input", id.as_str().expect("an id"));
    post(machine, &input, &json!({"value": "Ada"}));
    assert_eq!(stream.until("done")["stdout"], "hello Ada\n");
    let (status, _) = machine.api("POST", &input, r#"{"value": "again"}"#);
    assert_eq!(status, 409);
    let (_, answer) = machine.api("POST", "/exec", r#"{"code": "input()"}"#);
    assert_eq!(answer["error"]["type"], "StdinNotImplementedError");

    // A large output is fetched by itself, for as long as it is kept.
    let plot = "from IPython.display import display\ndisplay({'image/png': 'A' * (1 << 20), 'text/plain': 'a plot'}, raw=True)\nprint('after')";
    let cell = json!({"code": plot, "tag": "mine"}).to_string();
    let mut stream = Stream::open(machine, "POST", "/exec?references=true", &cell);
    assert_eq!(stream.until("accepted")["tag"], "mine");
    let reference = stream.until("output_reference");
    assert_eq!(reference["head"], "a plot");
    assert_eq!(stream.until("output")["text"], "after\n");
    assert!(stream.until("done").get("outputs").is_none());
    let id = reference["execution_id"].as_str().expect("an id");
    let path = format!("/executions/{id}/outputs/{}", reference["seq"]);
    let (_, output) = machine.api("GET", &path, "");
    let picture = output["data"]["image/png"].as_str().map(str::len);
    assert_eq!(picture, Some(1 << 20));
    for gone in [format!("{path}000"), format!("/executions/{id}/outputs/x")] {
        assert_eq!(machine.api("GET", &gone, "").0, 404, "{gone}");
    }

    // Questions, while a cell runs.
    let running = json!({"code": "import time\nprint('on', flush=True)\ntime.sleep(600)"});
    let mut stream = Stream::open(machine, "POST", "/exec", &running.to_string());
    stream.until("output");
    let found = post(
        machine,
        "/complete",
        &json!({"code": "nam", "cursor_pos": 3}),
    );
    assert!(found["matches"].to_string().contains("\"name\""), "{found}");
    // What the cell itself imports is known as well, by the stubs of the image.
    let code = "import json\njson.du";
    let found = post(
        machine,
        "/complete",
        &json!({"code": code, "cursor_pos": code.len()}),
    );
    assert!(
        found["matches"].to_string().contains("\"dumps\""),
        "{found}"
    );
    let found = post(
        machine,
        "/inspect",
        &json!({"code": "print", "cursor_pos": 2}),
    );
    assert_eq!(found["found"], true);
    let (_, variables) = machine.api("GET", "/variables", "");
    assert!(variables.to_string().contains("'Ada'"), "{variables}");
    post(machine, "/interrupt", &json!({}));
    assert_eq!(stream.until("done")["status"], "interrupted");

    // A cell that ignores the interrupt is said to be stuck; a new process ends it.
    let deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(600)";
    let mut stream = Stream::open(machine, "POST", "/exec", &json!({"code": deaf}).to_string());
    let id = stream.until("accepted")["execution_id"].clone();
    stream.until("output");
    post(machine, "/interrupt", &json!({}));
    let path = format!("/executions/{}", id.as_str().expect("an id"));
    wait_until("the cell is stuck", DEADLINE, || {
        machine.api("GET", &path, "").1["state"] == "stuck"
    });
    post(machine, "/restart", &json!({}));
    let done = stream.until("done");
    assert_eq!(done["status"], "died");
    assert_eq!(done["error"]["type"], "KernelRestarted");
    run(machine, "name = 'Ada'");

    a_widget(machine);

    // Kernels by name, each with its own namespace and life.
    let mut events = Stream::open(machine, "GET", "/events", "");
    assert_eq!(
        post(machine, "/kernels", &json!({"name": "two"}))["state"],
        "idle"
    );
    assert!(events.until("change").is_object());
    assert_eq!(machine.api("POST", "/kernels", r#"{"name": "a b"}"#).0, 400);
    let two = json!({"code": "'name' in dir()", "kernel": "two"});
    assert_eq!(post(machine, "/exec", &two)["result"], "False");
    assert_eq!(machine.api("DELETE", "/kernels/two", "").0, 200);
    assert_eq!(machine.api("POST", "/exec", &two.to_string()).0, 404);

    // A new process keeps the shell's context and nothing else.
    post(machine, "/shell/cd", &json!({"path": "/usr"}));
    post(machine, "/restart", &json!({}));
    assert_eq!(
        run(
            machine,
            "'name' in dir(), runtime.shell.run('pwd')['stdout']"
        ),
        "(False, '/usr\\n')"
    );

    post(machine, "/services/pcmanfm/restart", &json!({}));
    let (_, logs) = machine.api("GET", "/services/xvnc/logs", "");
    assert!(
        logs["text"]
            .as_str()
            .is_some_and(|text| text.contains("VNC")),
        "{logs}"
    );
    assert_eq!(machine.api("POST", "/services/none/restart", "").0, 404);
    let (_, document) = machine.api("GET", "/openapi.json", "");
    assert!(document["paths"]["/cryo/store"]["post"].is_object());
    let (_, criu) = machine.api("GET", "/criu/status", "");
    assert_eq!(criu["available"], false);

    // A package goes into the home, from cells and from the shell.
    let make = "mkdir -p /tmp/pkg && cd /tmp/pkg && echo 'answer = 42' > probe_module.py && \
                printf '[build-system]\\nrequires = []\\nbuild-backend = \"backend\"\\nbackend-path = [\".\"]\\n' > pyproject.toml && \
                cat > backend.py <<'PY'\nimport zipfile\ndef build_wheel(folder, *_):\n\
                \x20name = 'probe_module-1.0-py3-none-any.whl'\n\
                \x20with zipfile.ZipFile(f'{folder}/{name}', 'w') as z:\n\
                \x20 z.write('probe_module.py')\n\
                \x20 z.writestr('probe_module-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: probe-module\\nVersion: 1.0\\n')\n\
                \x20 z.writestr('probe_module-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
                \x20 z.writestr('probe_module-1.0.dist-info/RECORD', '')\n\
                \x20return name\nPY";
    machine.ok(&["shell", make]);
    run(machine, "%pip install --quiet --no-index /tmp/pkg");
    run(
        machine,
        "import importlib, site, sys; sys.path.append(site.getusersitepackages()); importlib.invalidate_caches()",
    );
    assert_eq!(
        run(
            machine,
            "import probe_module; probe_module.answer, probe_module.__file__.startswith('/root/')"
        ),
        "(42, True)"
    );
}

/// A slider of ipywidgets that a client moves.
fn a_widget(machine: &Instance) {
    let code = "import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\n\
                slider.observe(lambda change: print('now', change.new), 'value')\nslider";
    let cell = json!({"code": code}).to_string();
    let mut stream = Stream::open(machine, "POST", "/exec", &cell);
    let id = loop {
        let said = stream.until("comm");
        let content = &said["content"];
        if content["data"]["state"]["_model_name"] == "IntSliderModel" {
            assert_eq!(said["msg_type"], "comm_open");
            break content["comm_id"].as_str().expect("an id").to_owned();
        }
    };
    stream.until("done");
    let (_, comms) = machine.api("GET", "/comms", "");
    assert!(comms["comms"].to_string().contains(&id), "{comms}");
    let moved = json!({"data": {"method": "update", "state": {"value": 7}, "buffer_paths": []}});
    let heard = post(machine, &format!("/comms/{id}"), &moved);
    assert_eq!(heard["stdout"], "now 7\n", "{heard}");
    assert_eq!(run(machine, "slider.value"), "7");
    let (_, closed) = machine.api("DELETE", &format!("/comms/{id}"), "");
    assert_eq!(closed["status"], "completed", "{closed}");
    let again = post(machine, &format!("/comms/{id}"), &moved);
    assert_eq!(again["error"]["type"], "Unknown", "{again}");
    let open = json!({"comm_id": "a", "target_name": "jupyter.widget.control", "metadata": {"version": "1.0.0"}});
    assert_eq!(post(machine, "/comms", &open)["status"], "completed");
}

/// Until a store writes, or has written: then what comes next meets it between two moments of it.
fn until_it_writes(machine: &Instance) {
    wait_until("the store writes", DEADLINE, || {
        let objects = machine.inside("ls /data/cryo/objects");
        objects.contains("new-") || objects.lines().count() > 2
    });
}

/// What is stored comes back: in a new kernel, after the container was killed.
pub fn snapshots(machine: &Instance) {
    let code = "import numpy as np\nrandom = np.random.default_rng(7).random(300_000)\n\
                class Point:\n    def __init__(self, x): self.x = x\npoint = Point(3)\ngenerator = (n for n in ())";
    run(machine, code);
    let stored = post(machine, "/cryo/store", &json!({"name": "kept"}));
    assert_eq!(stored["skipped"][0]["name"], "generator");
    let (_, inside) = machine.api("GET", "/cryo/kept", "");
    assert!(
        inside["values"].to_string().contains("\"Point\""),
        "{inside}"
    );

    docker(&["kill", &machine.container()]);
    machine.ok(&["up"]);
    let back = post(machine, "/cryo/reload", &json!({}));
    assert_eq!(
        (&back["name"], &back["failed"]),
        (&json!("kept"), &json!([]))
    );
    assert_eq!(
        run(
            machine,
            "point.x, type(point) is Point, float(random.sum()) > 0"
        ),
        "(3, True, True)"
    );

    // The machine killed, and restarted, in the middle of a store: what was there before is whole.
    for end in ["kill", "restart"] {
        run(
            machine,
            "large = np.random.default_rng(8).random(30_000_000)",
        );
        let storing = Stream::open(machine, "POST", "/cryo/store", r#"{"name": "kept"}"#);
        until_it_writes(machine);
        docker(&[end, &machine.container()]);
        machine.ok(&["up"]);
        drop(storing);
        let back = post(machine, "/cryo/reload", &json!({"name": "kept"}));
        assert_eq!(back["failed"], json!([]), "after docker {end}");
        assert_eq!(run(machine, "point.x"), "3");
    }

    // Its client gone in the middle, and another one removed meanwhile: it is whole all the same.
    post(machine, "/cryo/store", &json!({"name": "other"}));
    run(
        machine,
        "large = np.random.default_rng(9).random(30_000_000); total = float(large.sum())",
    );
    let left = Stream::open(machine, "POST", "/cryo/store", r#"{"name": "left"}"#);
    until_it_writes(machine);
    drop(left);
    assert_eq!(machine.api("DELETE", "/cryo/other", "").0, 200);
    wait_until("the store ends", DEADLINE, || {
        machine.api("GET", "/cryo/left", "").0 == 200
    });
    let back = post(machine, "/cryo/reload", &json!({"name": "left"}));
    assert_eq!(back["failed"], json!([]));
    assert_eq!(run(machine, "float(large.sum()) == total"), "True");
    assert_eq!(machine.api("DELETE", "/cryo/left", "").0, 200);
    run(machine, "del large");

    // The kernel killed there.
    let bomb = "import os\nclass Bomb:\n    def __reduce__(self): os.kill(os.getpid(), 9)\nz = Bomb(); point.x = 4";
    run(machine, bomb);
    let (status, answer) = machine.api("POST", "/cryo/store", r#"{"name": "kept"}"#);
    assert_eq!(
        (status, &answer["error"]["code"]),
        (503, &json!("kernel_died"))
    );
    assert_eq!(
        post(machine, "/cryo/reload", &json!({"name": "kept"}))["failed"],
        json!([])
    );
    assert_eq!(run(machine, "point.x"), "3");

    // Damage is said, and costs nothing else.
    machine.inside("for f in /data/cryo/objects/*; do printf x | dd of=$f conv=notrunc bs=1 seek=9 2>/dev/null; done");
    let (status, answer) = machine.api("POST", "/cryo/reload", r#"{"name": "kept"}"#);
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("snapshot_damaged"))
    );
    assert_eq!(machine.api("DELETE", "/cryo/kept", "").0, 200);
    assert_eq!(machine.api("POST", "/cryo/reload", "").0, 404);
    assert_eq!(machine.inside("ls /data/cryo/objects | wc -l"), "0");
}

/// Many clients at once: each gets its answer, and a cell its turn.
pub fn crowd(machine: &Instance) {
    let connect = || TcpStream::connect(("127.0.0.1", machine.ports[0])).expect("connected");
    let mut streams: Vec<_> = (0..1000).map(|_| connect()).collect();
    assert_eq!(run(machine, "6 * 7"), "42");
    for stream in &mut streams {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let request = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("sent");
    }
    for stream in streams {
        let first = BufReader::new(stream).lines().next().expect("an answer");
        assert_eq!(first.expect("a line"), "HTTP/1.1 200 OK");
    }
}

/// A service's process.
pub fn pid(machine: &Instance, service: &str) -> Option<u64> {
    let (_, answer) = machine.api("GET", "/services", "");
    let services = answer["services"].as_array()?;
    let found = services.iter().find(|found| found["name"] == service)?;
    found["pid"].as_u64()
}

/// Whether all services are ready and cells are taken.
pub fn is_well(machine: &Instance) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", machine.ports[0])) else {
        return false;
    };
    drop(stream);
    let (_, services) = machine.api("GET", "/services", "");
    let all = services["services"].as_array().is_some_and(|services| {
        // MCP servers start with the first call.
        let of_mcp = |name: &Value| name.as_str().is_some_and(|name| name.starts_with("mcp:"));
        let ready = |service: &Value| service["state"] == "ready" || of_mcp(&service["name"]);
        services.len() >= 4 && services.iter().all(ready)
    });
    all && machine.http("GET", "/ping", &[], "").0 == 200
}
