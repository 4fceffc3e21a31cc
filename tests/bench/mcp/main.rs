//! Measures the MCP relay against Python's mcp-proxy: the same client, the same server, one run.
//!
//! `mcp --body PATH --peer PATH --python PATH` starts both in front of this program's own server,
//! which is `mcp echo`: a line in, a line out; and ours in front of one with the official SDK.

mod awake;
mod client;
mod echo;
mod pipe;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use e2e::{
    free_port,
    measure::{median, option},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use self::{awake::Awake, client::Client, pipe::Pipe};

const CALLS: usize = 2000;
const CLIENTS: usize = 64;
const SERVERS: usize = 3;
const LARGE: usize = 32 << 20;
const TIME: Duration = Duration::from_secs(3);
const MANY_CALLS: usize = 100_000;
const MANY_SESSIONS: usize = 2000;

fn call(id: u64, arguments: &Value) -> String {
    let params = json!({"name": "echo", "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

fn hello() -> String {
    let info = json!({"name": "bench", "version": "1"});
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}

/// Calls a second of all clients at once.
async fn throughput(clients: &mut [Client]) -> f64 {
    let text = call(1, &json!({"text": "hello"}));
    let begun = Instant::now();
    let calling = clients.iter_mut().map(async |client| {
        let mut count = 0_u32;
        while begun.elapsed() < TIME {
            client.post(&text).await;
            count += 1;
        }
        count
    });
    let counts = futures_util::future::join_all(calling).await;
    f64::from(counts.iter().sum::<u32>()) / begun.elapsed().as_secs_f64()
}

/// MB/s of a large result, the best of some.
async fn large(client: &mut Client) -> f64 {
    let text = call(1, &json!({"bytes": LARGE}));
    let mut best = 0_f64;
    for _ in 0..5 {
        let begun = Instant::now();
        client.post(&text).await;
        assert!(client.body.len() > LARGE);
        best = best.max(LARGE as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    best
}

/// Resident memory in MB.
fn memory(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("its memory");
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number");
    kib / 1024.0
}

/// A relay that runs.
struct Relay {
    child: Child,
    port: u16,
}

impl Relay {
    async fn start(mut command: Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child, port }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

struct Measured {
    latency: f64,
    /// The same where the cores sleep between calls.
    asleep: f64,
    throughput: f64,
    memory: f64,
    large: f64,
}

/// `base` is what the process has without servers and sessions, where that is not to be counted.
async fn measure(relay: &Relay, base: f64) -> Measured {
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::open(relay.port, number % SERVERS).await);
    }
    for client in &mut clients {
        client.post(&call(1, &json!({"text": "hello"}))).await;
    }
    let memory = memory(relay.child.id()) - base;
    let asleep = clients[0].latency().await;
    let latency = {
        let _awake = Awake::keep();
        clients[0].latency().await
    };
    drop(clients);
    // All with one server, as over its own pipe.
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::open(relay.port, 0).await);
    }
    let throughput = throughput(&mut clients).await;
    let large = large(&mut clients[0]).await;
    for client in clients {
        client.close().await;
    }
    Measured {
        latency,
        asleep,
        throughput,
        memory,
        large,
    }
}

/// Ours, in front of the servers of a file.
async fn ours(config: &std::path::Path) -> Relay {
    let port = free_port();
    let mut command = Command::new(option("--body"));
    command
        .args(["mcp", "--port", &port.to_string(), "--config"])
        .arg(config);
    command.env("OS_TOKEN", "bench").env("LOG_LEVEL", "warn");
    Relay::start(command, port).await
}

/// A server with the official SDK: calls a second over its own pipe, and through ours.
async fn sdk(folder: &std::path::Path) -> (f64, f64) {
    let python = option("--python");
    let script = std::env::current_dir()
        .expect("a folder")
        .join("scripts/bench/echo_mcp.py");
    let mut command = Command::new(&python);
    command.arg(&script);
    let mut pipe = Pipe::open(command);
    let direct = pipe.throughput();
    drop(pipe);
    let config = folder.join("sdk.json");
    let entry = json!({"command": python, "args": [script]});
    let servers = json!({"mcpServers": {"s0": entry}});
    std::fs::write(&config, servers.to_string()).expect("written");
    let relay = ours(&config).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::open(relay.port, 0).await);
    }
    (direct, throughput(&mut clients).await)
}

async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = std::env::current_exe().expect("this program");
    let entry = json!({"command": &own, "args": ["echo"]});
    let servers: serde_json::Map<String, Value> = (0..SERVERS)
        .map(|number| (format!("s{number}"), entry.clone()))
        .collect();
    let config = folder.path().join("mcp.json");
    std::fs::write(&config, json!({"mcpServers": servers}).to_string()).expect("written");
    let peer_port = free_port();
    let ours = ours(&config).await;
    let mut command = Command::new(option("--peer"));
    command
        .args(["--port", &peer_port.to_string(), "--named-server-config"])
        .arg(&config);
    let peer = Relay::start(command, peer_port).await;

    let mut command = Command::new(own);
    command.arg("echo");
    let mut pipe = Pipe::open(command);
    let (asleep, own_rate) = (pipe.latency(), pipe.throughput());
    let direct = {
        let _awake = Awake::keep();
        pipe.latency()
    };
    drop(pipe);
    let theirs = measure(&peer, 0.0).await;
    drop(peer);
    // The relay is part of body: what it adds is what counts.
    let mine = measure(&ours, memory(ours.child.id())).await;
    let added = (mine.latency - direct, theirs.latency - direct);
    println!(
        "| MCP relay, added to a call, p50 | {:.0} us | {:.0} us | {:.3} x | <= 0.1 x |",
        added.0,
        added.1,
        added.0 / added.1
    );
    let added = (mine.asleep - asleep, theirs.asleep - asleep);
    println!(
        "| MCP relay, the same where the cores sleep between calls | {:.0} us | {:.0} us | {:.3} x | |",
        added.0,
        added.1,
        added.0 / added.1
    );
    println!(
        "| MCP relay, {CLIENTS} clients at once | {:.0}/s | {:.0}/s | {:.1} x | >= 10 x |",
        mine.throughput,
        theirs.throughput,
        mine.throughput / theirs.throughput
    );
    let (sdk_direct, sdk_relayed) = sdk(folder.path()).await;
    println!(
        "| MCP relay, {CLIENTS} clients of a server with the official SDK, against its own pipe | {sdk_relayed:.0}/s | {sdk_direct:.0}/s | {:.2} x | >= 0.8 x |",
        sdk_relayed / sdk_direct
    );
    println!(
        "| MCP relay, the same with a native server that only copies a line | {:.0}/s | {own_rate:.0}/s | {:.2} x | |",
        mine.throughput,
        mine.throughput / own_rate
    );
    println!(
        "| MCP relay, memory added with {SERVERS} servers and {CLIENTS} sessions | {:.1} MB | {:.1} MB | {:.3} x | <= 0.1 x |",
        mine.memory,
        theirs.memory,
        mine.memory / theirs.memory
    );
    println!(
        "| MCP relay, a result of 32 MiB | {:.0} MB/s | {:.0} MB/s | {:.1} x | >= 100 MB/s |",
        mine.large,
        theirs.large,
        mine.large / theirs.large
    );
    // Once before, so that what is allocated for good is not counted as growth.
    work(&ours, MANY_CALLS / 10, MANY_SESSIONS / 10).await;
    let before = memory(ours.child.id());
    work(&ours, MANY_CALLS, MANY_SESSIONS).await;
    let grown = memory(ours.child.id()) - before;
    println!(
        "| MCP relay, grown over {MANY_CALLS} calls and {MANY_SESSIONS} sessions | {grown:.1} MB | | | <= 2 MB |"
    );
}

async fn work(relay: &Relay, calls: usize, sessions: usize) {
    let text = call(1, &json!({"text": "hello"}));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::open(relay.port, 0).await);
    }
    let calling = clients.iter_mut().map(async |client| {
        for _ in 0..calls / CLIENTS {
            client.post(&text).await;
        }
    });
    futures_util::future::join_all(calling).await;
    for client in clients {
        client.close().await;
    }
    for number in 0..sessions {
        let client = Client::open(relay.port, number % SERVERS).await;
        // Every other one is only dropped.
        if number % 2 == 0 {
            client.close().await;
        }
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("echo") {
        return echo::echo();
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(run());
}
