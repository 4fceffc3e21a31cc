//! What a machine refuses, and clients that misbehave: each gets its error, and the kernel goes on.

use std::net::TcpStream;

use e2e::{Instance, wait_until};
use serde_json::json;

use crate::body::DEADLINE;

/// Method, path, headers, body, and the status that answers them.
type Refused<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str, u16);

/// In a machine of this profile.
pub fn bad_input(profile: &'static str) {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    let token = format!("Bearer {}", machine.token());
    let bearer = ("Authorization", token.as_str());

    let exec = |headers, expected| ("POST", "/exec", headers, r#"{"code":"1"}"#, expected);
    let refused: [Refused; 11] = [
        exec(vec![], 401),
        exec(vec![("Authorization", "Bearer wrong")], 401),
        exec(vec![bearer, ("Origin", "http://evil.example")], 403),
        exec(vec![bearer, ("Origin", "http://localhost")], 403),
        exec(vec![bearer, ("Host", "evil.example")], 403),
        ("GET", "/ping", vec![("Host", "evil.example")], "", 403),
        ("POST", "/exec", vec![bearer], "{not json", 400),
        ("POST", "/exec", vec![bearer], r#"{"kode":"1"}"#, 400),
        ("GET", "/nothing", vec![bearer], "", 404),
        ("GET", "/exec", vec![bearer], "", 405),
        (
            "POST",
            "/shell/cd",
            vec![bearer],
            r#"{"path":"/nowhere"}"#,
            400,
        ),
    ];
    for (method, path, headers, body, expected) in refused {
        let (status, answer) = machine.http(method, path, &headers, body);
        assert_eq!(
            status, expected,
            "{method} {path} {headers:?} {body}: {answer}"
        );
        assert!(
            answer["error"]["code"].is_string() && answer["error"]["message"].is_string(),
            "{answer}"
        );
        assert!(answer["request_id"].is_string(), "{answer}");
    }
    let large = format!(r#"{{"code":"{}"}}"#, "x".repeat(33 * 1024 * 1024));
    let (status, _) = machine.api("POST", "/exec", &large);
    assert_eq!(status, 413);

    // Connections that say nothing hold nobody up, and are closed in time (looked at below).
    let mut silent: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(("127.0.0.1", machine.ports[0])).expect("connected"))
        .collect();
    let (status, answer) = machine.api("POST", "/exec", r#"{"code":"6*7"}"#);
    assert_eq!((status, &answer["result"]), (200, &json!("42")));

    // A cell that never ends, stopped by its limit; then one that is interrupted.
    let (_, answer) = machine.api(
        "POST",
        "/exec",
        r#"{"code":"while True: pass","timeout_s":0.3}"#,
    );
    assert!(
        answer["status"] == "timeout" || answer["status"] == "interrupted",
        "{answer}"
    );
    let (_, answer) = machine.api("POST", "/exec", r#"{"code":"import sys; sys.exit(3)"}"#);
    assert_ne!(answer["status"], "died", "{answer}");

    // A cell that kills its own process.
    let (_, answer) = machine.api(
        "POST",
        "/exec",
        r#"{"code":"import os; os.kill(os.getpid(), 9)"}"#,
    );
    assert_eq!(answer["status"], "died");
    assert_eq!(answer["error"]["type"], "KernelDied");
    wait_until("the kernel is back", DEADLINE, || {
        machine.http("GET", "/ping", &[], "").0 == 200
    });
    let (_, answer) = machine.api(
        "POST",
        "/exec",
        r#"{"code":"import os\nos.system('echo from a child')\nNone"}"#,
    );
    assert_eq!(answer["stdout"], "from a child\n");

    for stream in &mut silent {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let ended = std::io::Read::read(stream, &mut [0]);
        assert!(
            !matches!(&ended, Ok(1..)) && !is_timeout(&ended),
            "a silent connection is still open: {ended:?}"
        );
    }

    // A taken port is named with who holds it.
    let mut second = Instance::new();
    second.ports = machine.ports;
    let output = second.vivarium(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains(&machine.ports[0].to_string()) && said.contains(&machine.container()),
        "{said}"
    );
}

fn is_timeout(read: &std::io::Result<usize>) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    read.as_ref()
        .is_err_and(|error| matches!(error.kind(), TimedOut | WouldBlock))
}
