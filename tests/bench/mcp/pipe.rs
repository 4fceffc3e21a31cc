//! A server over its own pipe, with nothing between.

use std::{
    io::{BufRead, Write},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::json;

use super::{CALLS, CLIENTS, TIME, call, hello, median};

/// The server over its own pipe.
pub struct Pipe {
    child: Child,
    to: std::process::ChildStdin,
    from: std::io::BufReader<std::process::ChildStdout>,
    line: String,
    last: u64,
}

impl Pipe {
    /// Starts a server and begins the conversation.
    pub fn open(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let to = child.stdin.take().expect("a pipe");
        let from = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut pipe = Self {
            child,
            to,
            from,
            line: String::new(),
            last: 0,
        };
        pipe.write(&hello());
        pipe.receive();
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        pipe.write(&note.to_string());
        pipe
    }

    fn write(&mut self, text: &str) {
        let line = format!("{text}\n");
        self.to.write_all(line.as_bytes()).expect("sent");
    }

    fn send(&mut self) {
        self.last += 1;
        self.write(&call(self.last, &json!({"text": "hello"})));
    }

    fn receive(&mut self) {
        self.line.clear();
        self.from.read_line(&mut self.line).expect("an answer");
        assert!(self.line.contains("result"), "{}", self.line);
    }

    /// Microseconds of a call, median.
    pub fn latency(&mut self) -> f64 {
        let mut took = Vec::new();
        for _ in 0..CALLS {
            let begun = Instant::now();
            self.send();
            self.receive();
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        median(took)
    }

    /// Calls a second with as many under way as there are clients.
    pub fn throughput(&mut self) -> f64 {
        for _ in 0..CLIENTS {
            self.send();
        }
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < TIME {
            self.receive();
            self.send();
            count += 1;
        }
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        for _ in 0..CLIENTS {
            self.receive();
        }
        rate
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
