//! What crosses the border to a machine and comes from it, with an engine and a machine that are a
//! few lines of this file: the command line is the real one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// What a terminal would obey: clipboard, title, a cleared screen, in both ways of writing them.
const ESCAPES: &str = "\u{1b}]52;c;aGk=\u{7}\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}2J";

/// An engine with one machine, whose API answers everything with one text.
struct Machine {
    home: tempfile::TempDir,
    /// What the machine was asked.
    asked: Arc<Mutex<Vec<Value>>>,
    /// What the engine was asked to change.
    changed: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    fn new(status: &'static str, answer: String, log: &'static str) -> Self {
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = asked.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (_, body) = request(&mut stream);
                if let Ok(body) = serde_json::from_slice(&body) {
                    heard.lock().expect("whole").push(body);
                }
                respond(&mut stream, status, answer.as_bytes());
            }
        });
        Self::at(port, asked, log)
    }

    /// With an API at this port.
    fn at(port: u16, asked: Arc<Mutex<Vec<Value>>>, log: &'static str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let secrets = home.path().join("data/machines/os-host/secrets");
        std::fs::create_dir_all(&secrets).expect("a folder");
        std::fs::write(secrets.join("os_token"), "token").expect("written");
        let engine = UnixListener::bind(home.path().join("engine.sock")).expect("a socket");
        let changed = Arc::<Mutex<Vec<String>>>::default();
        let told = changed.clone();
        thread::spawn(move || {
            for mut stream in engine.incoming().flatten() {
                let (path, _) = request(&mut stream);
                if ["POST", "PUT", "DELETE"]
                    .iter()
                    .any(|verb| path.starts_with(verb))
                {
                    told.lock().expect("whole").push(path.clone());
                }
                let is_other = path.contains("-new") || path.contains("-old");
                let status = if is_other { "404 Not Found" } else { "200 OK" };
                respond(&mut stream, status, &engine_says(&path, port, log));
            }
        });
        Self {
            home,
            asked,
            changed,
        }
    }

    fn vivarium(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("vivarium runs")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let socket = self.home.path().join("engine.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .env("VIVARIUM_HOME", self.home.path())
            .env_remove("VIVARIUM_INSTANCE")
            .env_remove("VIVARIUM_ENGINE")
            .env("VIVARIUM_TEMPLATE", self.home.path())
            .env("VIVARIUM_IMAGE", "os")
            .stdin(Stdio::null());
        command
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().expect("whole"))
    }
}

/// A machine's API that never ends an answer; answers its port.
fn endless() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            request(&mut stream);
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
            let piece = vec![b' '; 1 << 20];
            // Until nobody reads any more.
            let _ = stream.write_all(head);
            while stream.write_all(&piece).is_ok() {}
        }
    });
    port
}

/// First line and body of a request.
fn request(stream: &mut (impl Read + Write)) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 || line.trim().is_empty() {
            break;
        }
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok();
    (first, body)
}

fn respond(stream: &mut impl Write, status: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // Who asked may be gone, if it read enough.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
}

fn engine_says(path: &str, port: u16, log: &str) -> Vec<u8> {
    if path.contains("/logs") {
        let length = u32::try_from(log.len()).expect("short").to_be_bytes();
        return [&[1, 0, 0, 0][..], &length, log.as_bytes()].concat();
    }
    let answer = if path.contains("/containers/") {
        json!({
            "Id": "c0ffee", "Name": "/os-host", "Image": "sha256:a",
            "Config": {"Labels": {"vivarium.machine": "os-host"}},
            "State": {"Status": "running", "Running": true, "StartedAt": "2026-01-01T00:00:00Z"},
            "NetworkSettings": {"Ports": {
                "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}],
                "8765/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}],
            }},
        })
    } else {
        json!({"Version": "1", "ApiVersion": "1.44", "MinAPIVersion": "1.24", "Os": "linux"})
    };
    answer.to_string().into_bytes()
}

fn shell_answer(stdout: &str) -> String {
    json!({
        "status": "completed", "stdout": stdout, "stderr": "", "returncode": 0, "timing_ms": 1
    })
    .to_string()
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).expect("UTF-8")
}

#[test]
fn arguments_reach_the_machine_as_they_are() {
    let machine = Machine::new("200 OK", shell_answer(""), "");
    for (given, command) in [
        (&["rm", "a b"][..], json!(["rm", "a b"])),
        (&["--", "ls", "-l", "*"], json!(["ls", "-l", "*"])),
        (&["rm 'a b' | wc"], json!("rm 'a b' | wc")),
    ] {
        let arguments = [&["shell"], given].concat();
        let output = machine.vivarium(&arguments);
        assert!(output.status.success(), "{given:?}: {}", said(&output));
        assert_eq!(machine.asked()[0]["command"], command, "{given:?}");
    }
}

#[test]
fn a_command_of_ones_own_reaches_a_pipe_byte_for_byte() {
    let machine = Machine::new("200 OK", shell_answer(ESCAPES), "");
    let output = machine.vivarium(&["shell", "cat picture"]);
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), ESCAPES);
}

#[test]
fn what_comes_from_inside_is_drawn_as_text() {
    let log: &'static str = Box::leak(format!("a line {ESCAPES}\n").into_boxed_str());
    let refusal = json!({
        "error": {"code": "odd", "message": format!("no {ESCAPES}\nNext: sudo rm")},
        "request_id": "1"
    });
    let machine = Machine::new("400 Bad Request", refusal.to_string(), log);
    let obeyed = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
    };
    for arguments in [
        &["logs"][..],
        &["logs", "--json"],
        &["shell", "x"],
        &["exec", "x"],
        &["mcp", "list"],
        &["mcp", "list", "--json"],
    ] {
        let output = machine.vivarium(arguments);
        let text = said(&output);
        assert!(text.contains("]52;c;aGk="), "{arguments:?}: {text:?}");
        assert!(!obeyed(&text), "{arguments:?}: {text:?}");
    }
}

#[test]
fn up_replaces_no_machine_that_runs_unasked() {
    let ping = json!({"status": "ok", "version": "1"}).to_string();
    let machine = Machine::new("200 OK", ping, "");
    // What runs there was made with other settings than those of this home.
    for arguments in [&["up"][..], &["up", "--set", "environment.A=x"]] {
        let output = machine.vivarium(arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(5), "{text}");
        for words in ["would be recreated", "Why:", "--recreate", "packages"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let output = machine.vivarium(&["up", "--json"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["failure"]["code"], "would_recreate");
    assert_eq!(output.status.code(), Some(5));

    // A path that somebody typed.
    let typo = machine.home.path().join("typo");
    let path = typo.display().to_string();
    for recreate in [&[][..], &["--recreate"]] {
        let output = machine.vivarium(&[&["--repo", &path, "up"], recreate].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("Folder not found") && text.contains(&path),
            "{text}"
        );
    }
    assert!(!typo.exists());
    assert_eq!(*machine.changed.lock().expect("whole"), [""; 0]);
}

/// Most memory that a process had, in KiB.
#[cfg(target_os = "linux")]
fn most_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_without_end_is_not_kept() {
    let machine = Machine::at(endless(), Arc::default(), "");
    for arguments in [&["shell", "x"][..], &["exec", "x"], &["mcp", "list"]] {
        let mut running = machine
            .command(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("vivarium runs");
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut most = 0;
        while running.try_wait().expect("a state").is_none() {
            most = most.max(most_memory(running.id()).unwrap_or_default());
            if most > 1 << 20 || Instant::now() > deadline {
                running.kill().expect("killed");
                panic!("{arguments:?} holds {} MiB and goes on", most >> 10);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let output = running.wait_with_output().expect("its words");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("larger than"), "{arguments:?}: {text}");
    }
}
