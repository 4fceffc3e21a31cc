//! `body prove [--json] [--mcp]`: what a candidate has to show before it takes the machine's place. Each
//! check is made against the machine that runs here, as a client would.

use std::{
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use wire::{
    body::{ServiceList, ServiceState},
    evolve::{Proof, ProofCheck},
    mcp::{McpServerState, McpStatus},
};

use super::{
    call::{self, CallError},
    given_up,
};

/// How long the machine may take to come up.
const BOOT: Duration = Duration::from_secs(90);
/// How long one MCP server may take to answer for the first time: longer than the relay waits for it,
/// which knows what is wrong.
const SERVER: Duration = Duration::from_secs(90);
/// How long the repo's own tests may take.
const TESTS: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
/// The repo's own tests.
const REPO_TESTS: &str = "/repo/tests/run.sh";
/// Of a failing test's output.
const TAIL: usize = 2000;

pub(super) fn odd(words: impl Into<String>) -> CallError {
    CallError::Odd(words.into())
}

/// What a check saw, or why it is bad.
type Seen = Result<String, CallError>;

/// A check, to be made.
type Made = Box<dyn Fn() -> Seen + Send + Sync>;

/// Makes all checks; 0 where all are well.
pub fn run(words: &[String]) -> ExitCode {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let proof = prove(has("--mcp"));
    let text = if has("--json") {
        serde_json::to_string(&proof).unwrap_or_default()
    } else {
        let line = |check: &ProofCheck| {
            let mark = if check.ok { "ok    " } else { "FAILED" };
            format!("{mark}  {:<16} {}", check.name, check.detail)
        };
        proof.checks.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::from(u8::from(!proof.ok))
}

/// All of them, or those of the MCP servers alone.
fn prove(mcp_alone: bool) -> Proof {
    let mut checks = Vec::new();
    let mut check = |name: &str, made: &dyn Fn() -> Seen| {
        let check = checked(name, made);
        let ok = check.ok;
        checks.push(check);
        ok
    };
    if !mcp_alone {
        if check("kernel", &kernel) {
            check("cells", &cells);
            check("shell", &shell);
        }
        check("services", &services);
        if std::env::var("VIVARIUM_DESKTOP").as_deref() != Ok("off") {
            check("display", &display);
        }
    }
    checks.extend(all_servers(&servers()));
    if !mcp_alone && let Some(path) = repo_tests(Path::new(REPO_TESTS)) {
        checks.push(checked("tests", &|| tests(path)));
    }
    Proof {
        ok: checks.iter().all(|check| check.ok),
        checks,
    }
}

fn checked(name: &str, made: &dyn Fn() -> Seen) -> ProofCheck {
    let begin = Instant::now();
    let seen = made();
    ProofCheck {
        name: name.to_owned(),
        ok: seen.is_ok(),
        detail: seen.unwrap_or_else(|bad| bad.to_string()),
        took_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// The MCP servers are checked side by side: most of it is each one's start. On a busy computer they
/// keep each other from it, so one that failed is checked again when the others are through.
fn all_servers(servers: &[(String, Made)]) -> Vec<ProofCheck> {
    let mut checks: Vec<ProofCheck> = std::thread::scope(|scope| {
        let begun: Vec<_> = servers
            .iter()
            .map(|(name, made)| scope.spawn(move || checked(name, made)))
            .collect();
        let ended = begun.into_iter().zip(servers);
        ended
            .map(|(check, (name, _))| {
                let broken = |_| checked(name, &|| Err(odd("the check crashed")));
                check.join().unwrap_or_else(broken)
            })
            .collect()
    });
    for (check, (name, made)) in checks.iter_mut().zip(servers) {
        if !check.ok {
            let first_ms = check.took_ms;
            *check = checked(name, made);
            check.took_ms += first_ms;
        }
    }
    checks
}

/// The main kernel takes cells.
fn kernel() -> Seen {
    let begin = Instant::now();
    loop {
        let seen = match call::request("GET", "/ping", "") {
            Ok((200, _)) => return Ok("accepts cells".into()),
            Ok((status, body)) => format!("{status}: {}", String::from_utf8_lossy(&body)),
            Err(error) => error.to_string(),
        };
        given_up::check(|name| name == "kernel-main")?;
        if begin.elapsed() > BOOT {
            return Err(odd(format!(
                "not ready within {} s: {seen}",
                BOOT.as_secs()
            )));
        }
        std::thread::sleep(LOOK);
    }
}

/// What a cell puts out, its value, and its failure arrive.
fn cells() -> Seen {
    let code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7";
    let answer = post("/exec", &json!({ "code": code, "timeout_s": 30 }))?;
    if answer["status"] != "completed" || answer["result"] != "42" || answer["stdout"] != "out\n" {
        return Err(odd(format!("6 * 7 returned {answer}")));
    }
    let answer = post("/exec", &json!({ "code": "1 / 0", "timeout_s": 30 }))?;
    if answer["error"]["type"] != "ZeroDivisionError" {
        return Err(odd(format!("1 / 0 returned {answer}")));
    }
    let code = "runtime.shell.run('echo from a cell')['stdout']";
    let answer = post("/exec", &json!({ "code": code, "timeout_s": 30 }))?;
    if answer["result"] != "'from a cell\\n'" {
        return Err(odd(format!("runtime.shell returned {answer}")));
    }
    Ok("output, value, failure, runtime".into())
}

fn shell() -> Seen {
    let answer = post("/shell", &json!({ "command": "id -un", "timeout_s": 30 }))?;
    match (answer["returncode"].as_i64(), answer["stdout"].as_str()) {
        (Some(0), Some(user)) => Ok(format!("runs as {}", user.trim())),
        _ => Err(odd(format!("id -un returned {answer}"))),
    }
}

/// All that the supervisor keeps is ready; MCP servers start at their first use, and have checks
/// of their own.
fn services() -> Seen {
    let begin = Instant::now();
    loop {
        let mut list: ServiceList = get("/services")?;
        list.services
            .retain(|service| !service.name.starts_with("mcp:"));
        let waiting: Vec<&str> = list
            .services
            .iter()
            .filter(|service| !matches!(service.state, ServiceState::Ready { .. }))
            .map(|service| service.name.as_str())
            .collect();
        if waiting.is_empty() && !list.services.is_empty() {
            return Ok(match list.services.len() {
                1 => "1 service ready".to_owned(),
                count => format!("{count} services ready"),
            });
        }
        given_up::check(|_| true)?;
        if begin.elapsed() > BOOT {
            return Err(odd(format!("not ready: {}", waiting.join(", "))));
        }
        std::thread::sleep(LOOK);
    }
}

/// The display answers, and speaks RFB to the outside.
fn display() -> Seen {
    let asked = Command::new("xdotool")
        .arg("getdisplaygeometry")
        .env("DISPLAY", ":99")
        .output()
        .map_err(|error| odd(format!("xdotool: {error}")))?;
    if !asked.status.success() {
        return Err(odd(String::from_utf8_lossy(&asked.stderr).trim()));
    }
    let size = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let port = std::env::var("VNC_PORT").unwrap_or_else(|_| "5900".into());
    let mut hello = [0; 4];
    let greeted = TcpStream::connect(("127.0.0.1", port.parse().unwrap_or(5900)))
        .and_then(|mut stream| std::io::Read::read_exact(&mut stream, &mut hello));
    match greeted {
        Ok(()) if &hello == b"RFB " => Ok(size.replace(' ', "×")),
        Ok(()) => Err(odd("the program on the VNC port is not a VNC server")),
        Err(error) => Err(odd(format!("the VNC port is not responding: {error}"))),
    }
}

/// A check for each MCP server that is turned on: its tools are listed. None where no endpoint runs.
fn servers() -> Vec<(String, Made)> {
    let port = std::env::var("MCP_PORT")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8765);
    if TcpStream::connect(("127.0.0.1", port)).is_err() {
        return Vec::new();
    }
    let asked = || match ask(port, "GET", "/status", "", "")? {
        answer if answer.status == 200 => Ok(serde_json::from_slice::<McpStatus>(&answer.body)?),
        answer => Err(odd(format!("GET /status returned {}", answer.status))),
    };
    let status = match asked() {
        Ok(status) => status,
        Err(problem) => {
            let problem = problem.to_string();
            return vec![("mcp".into(), Box::new(move || Err(odd(problem.clone()))))];
        }
    };
    let on = status
        .servers
        .into_iter()
        .filter(|server| !matches!(server.state, McpServerState::Disabled));
    on.map(|server| {
        let missing = matches!(server.state, McpServerState::Missing);
        let name = format!("mcp {}", server.name);
        let made: Made = Box::new(move || match missing {
            true => Err(odd("its program is missing in the image")),
            false => tools(port, &server.name),
        });
        (name, made)
    })
    .collect()
}

/// A session of the Streamable HTTP kind that only lists tools.
fn tools(port: u16, server: &str) -> Seen {
    let path = format!("/servers/{server}/mcp");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "body prove", "version": wire::VERSION},
    }});
    let (first, session) = rpc(port, &path, &hello, None)?;
    if first["result"]["serverInfo"].is_null() {
        return Err(odd(format!("initialize returned {first}")));
    }
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    // A notification has no answer.
    let _ = rpc(port, &path, &told, session.as_deref());
    let ask = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let (answer, _) = rpc(port, &path, &ask, session.as_deref())?;
    match answer["result"]["tools"].as_array() {
        Some(tools) if !tools.is_empty() => Ok(match tools.len() {
            1 => "1 tool".to_owned(),
            count => format!("{count} tools"),
        }),
        _ => Err(odd(format!("tools/list returned {answer}"))),
    }
}

fn rpc(
    port: u16,
    path: &str,
    message: &Value,
    session: Option<&str>,
) -> Result<(Value, Option<String>), CallError> {
    let session = session.map_or(String::new(), |id| format!("Mcp-Session-Id: {id}\r\n"));
    let answer = ask(port, "POST", path, &message.to_string(), &session)?;
    let id = answer.header("mcp-session-id").map(str::to_owned);
    let body = String::from_utf8_lossy(&answer.body);
    // JSON, or one event of a stream that carries it.
    let json = body
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim())
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok((json.unwrap_or(Value::Null), id))
}

/// A request to the MCP endpoint, with the machine's token.
fn ask(
    port: u16,
    method: &str,
    path: &str,
    body: &str,
    headers: &str,
) -> std::io::Result<call::Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SERVER))?;
    let token = crate::secrets::find("OS_TOKEN").unwrap_or_default();
    let headers = format!(
        "Authorization: Bearer {token}\r\nAccept: application/json, text/event-stream\r\n{headers}"
    );
    call::exchange(&mut stream, method, path, body, &headers)
}

/// The repo's own tests, where it has any.
fn repo_tests(path: &Path) -> Option<&Path> {
    let found = std::fs::metadata(path).ok()?;
    (found.is_file() && found.permissions().mode() & 0o111 != 0).then_some(path)
}

fn tests(path: &Path) -> Seen {
    let folder = path.parent().and_then(Path::parent).unwrap_or(path);
    let log = crate::paths::run_dir().join("prove-tests.log");
    let file = std::fs::File::create(&log)?;
    let also = file.try_clone()?;
    let mut child = Command::new(path)
        .current_dir(folder)
        .env("DISPLAY", ":99")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(also)
        .spawn()
        .map_err(|error| odd(format!("{}: {error}", path.display())))?;
    let begin = Instant::now();
    let ended = loop {
        match child.try_wait()? {
            Some(status) => break status.to_string(),
            None if begin.elapsed() > TESTS => {
                let _ = child.kill();
                let _ = child.wait();
                break format!("it timed out after {} s", TESTS.as_secs());
            }
            None => std::thread::sleep(LOOK),
        }
    };
    if ended == "exit status: 0" {
        return Ok(format!("{} passed", path.display()));
    }
    let text = std::fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL)..]).into_owned();
    Err(odd(format!("{}: {ended}\n{text}", path.display())))
}

fn post(path: &str, body: &Value) -> Result<Value, CallError> {
    let (status, answer) = call::request("POST", path, &body.to_string())?;
    let answer = serde_json::from_slice(&answer)?;
    if status == 200 {
        Ok(answer)
    } else {
        Err(odd(format!("POST {path} returned {status}: {answer}")))
    }
}

pub(super) fn get<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, CallError> {
    let (_, answer) = call::request("GET", path, "")?;
    serde_json::from_slice(&answer).map_err(|error| odd(format!("GET {path}: {error}")))
}

#[cfg(test)]
mod checks {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A server that fails so often.
    fn server(name: &str, failures: u32) -> (String, Made) {
        let asked = AtomicU32::new(0);
        let made = move || match asked.fetch_add(1, Ordering::SeqCst) {
            number if number < failures => Err(odd("it did not respond")),
            number => Ok(format!("attempt {}", number + 1)),
        };
        (name.to_owned(), Box::new(made))
    }

    #[test]
    fn a_server_that_was_late_beside_the_others_is_checked_again_alone() {
        let checks = all_servers(&[server("quick", 0), server("late", 1), server("broken", 2)]);
        let seen: Vec<_> = checks
            .iter()
            .map(|check| (check.name.as_str(), check.ok, check.detail.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("quick", true, "attempt 1"),
                ("late", true, "attempt 2"),
                ("broken", false, "it did not respond"),
            ]
        );
    }
}
