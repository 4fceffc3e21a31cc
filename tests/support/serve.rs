//! `vivarium serve`, and its commands over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::Instance;

/// `vivarium serve` for an instance; ended when dropped.
pub struct Host {
    process: Child,
    address: String,
    token: String,
}

impl Host {
    /// One whose runs need a person's approval. It ends at this point of a run; never if it is empty.
    pub fn serve(instance: &Instance, failpoint: &str) -> Self {
        // So that a busy computer looks at it, too, while a new machine settles.
        let sets = ["evolve.needs_yes=true", "evolve.steady_s=12"];
        Self::start(instance, &sets, failpoint, Stdio::null())
    }

    /// One with these settings over the machine's, whose log goes there.
    pub fn start(instance: &Instance, sets: &[&str], failpoint: &str, log: Stdio) -> Self {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["serve", "--json", "--port", "0"]
            .into_iter()
            .chain(sets)
            .collect();
        let mut process = instance
            .command(&arguments)
            .env("VIVARIUM_FAILPOINT", failpoint)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("vivarium runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let told: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| told[name].as_str().expect("a text").to_owned();
        Self {
            address: text("address"),
            token: text("token"),
            process,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has ended by itself.
    pub fn ends(&mut self) {
        self.process.wait().expect("it ends");
    }

    /// Asks it to end, as a person or an init system does, and waits until it has.
    pub fn stop(mut self) {
        let pid = self.pid().to_string();
        let asked = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(asked.expect("kill runs").success());
        self.ends();
    }

    /// The files as the review shows them, by the name of their tree.
    pub fn tree(&self) -> Value {
        self.rpc("evolve_preview", &json!({})).1["tree"].clone()
    }

    /// A person's answer to a run that waits for it, for the files as they are shown.
    pub fn answer(&self, run_id: &str, yes: bool) {
        let body = json!({ "run_id": run_id, "yes": yes, "tree": self.tree() });
        let (status, answer) = self.rpc("evolve_answer", &body);
        assert_eq!(status, 200, "{answer}");
    }

    /// What a command answers: a status and JSON.
    pub fn rpc(&self, command: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = self.connect();
        let request = format!(
            "POST /rpc/{command} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (
            status.expect("a status"),
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {head}\n{body}")),
        )
    }

    /// Its stream of events, from the first that it has, as it comes.
    pub fn events(&self) -> TcpStream {
        let mut stream = self.connect();
        let request = format!(
            "GET /events?after=0 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address, self.token
        );
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("connected")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
