//! An MCP client over a server's stdio, inside a machine.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use e2e::Instance;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(180);

/// A server that runs inside; ended when dropped.
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    last: u64,
}

impl Server {
    /// Starts one as the machine's user, and says hello.
    pub fn start(machine: &Instance, argv: &[&str]) -> Self {
        let container = machine.container();
        let mut child = Command::new("docker")
            .args(["exec", "-i", "-u", "os", "-e", "HOME=/root", &container])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker runs");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            child,
            stdin,
            lines,
            last: 0,
        };
        let client = json!({"name": "test", "version": "1"});
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        server.ask("initialize", hello);
        server.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    /// The names of its tools.
    pub fn tools(&mut self) -> Vec<String> {
        let answer = self.ask("tools/list", json!({}));
        let tools = answer["result"]["tools"].as_array().expect("tools");
        tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// A tool's result, which may be that it failed.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        assert!(answer["result"].is_object(), "{tool}: {answer}");
        answer["result"].clone()
    }

    /// The same, which must not fail: its structured content, or else its text.
    pub fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments.clone());
        assert_ne!(result["isError"], true, "{tool} {arguments}: {result}");
        match &result["structuredContent"] {
            Value::Null => text(&result).into(),
            content => content.clone(),
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let line = self
                .lines
                .recv_timeout(DEADLINE)
                .expect("an answer in time");
            let message: Value = serde_json::from_str(&line).expect("a server says JSON alone");
            if message["id"] == id {
                return message;
            }
        }
    }

    fn say(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin
            .write_all(format!("{message}\n").as_bytes())
            .expect("the server reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stdin = None;
        // Docker's client; what runs inside is ended with the machine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The texts of a result.
pub fn text(result: &Value) -> String {
    let parts = result["content"].as_array().expect("content");
    let texts = parts.iter().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
