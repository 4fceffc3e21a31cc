//! `vivarium serve --ui` without a container engine: an address with pages behind it, or a refusal.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

/// A process that ends with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_address_that_is_printed_has_pages() {
    let home = tempfile::tempdir().expect("a folder");
    let mut serving = Serving(
        Command::new(env!("CARGO_BIN_EXE_vivarium"))
            .args(["serve", "--ui", "--json", "--port", "0"])
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env("VIVARIUM_HOME", home.path())
            .env_remove("VIVARIUM_INSTANCE")
            .stdout(Stdio::piped())
            .spawn()
            .expect("vivarium runs"),
    );
    let mut line = String::new();
    BufReader::new(serving.0.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let printed: serde_json::Value = serde_json::from_str(&line).expect("JSON");

    // Whether the UI was built before these tests is not theirs to say.
    if let Some(failure) = printed.get("failure") {
        assert_eq!(serving.0.wait().expect("it ends").code(), Some(1));
        assert_eq!(failure["code"], "not_found", "{failure}");
        let next = failure["next"].as_str().unwrap_or_default();
        assert!(next.contains("npm run build"), "{failure}");
        return;
    }
    let address = printed["pages"].as_str().expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("id=\"app\""),
        "{answer}"
    );
}
