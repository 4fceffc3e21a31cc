//! A client that costs little: one connection, one session.

use std::time::Instant;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{CALLS, call, hello, median};

/// A client over one connection, with a session.
pub struct Client {
    stream: BufReader<TcpStream>,
    head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub async fn open(port: u16, server: usize) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("it listens");
        stream.set_nodelay(true).expect("nodelay");
        let mut client = Self {
            stream: BufReader::with_capacity(256 << 10, stream),
            head: format!(
                "POST /servers/s{server}/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            ),
            body: Vec::new(),
        };
        let session = client.post(&hello()).await.expect("a session");
        client
            .head
            .push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        client.post(&note.to_string()).await;
        client
    }

    /// Posts a message and reads all of its answer; the session, where one is told.
    pub async fn post(&mut self, text: &str) -> Option<String> {
        let request = format!("{}Content-Length: {}\r\n\r\n{text}", self.head, text.len());
        self.stream
            .write_all(request.as_bytes())
            .await
            .expect("sent");
        self.read().await
    }

    async fn read(&mut self) -> Option<String> {
        let (mut length, mut chunked, mut session) = (0, false, None);
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.expect("a head");
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                assert!(line.contains(" 20"), "{line}");
                continue;
            };
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "transfer-encoding" => chunked = value == "chunked",
                "mcp-session-id" => session = Some(value.to_owned()),
                _ => {}
            }
        }
        self.body.clear();
        loop {
            if chunked {
                line.clear();
                self.stream.read_line(&mut line).await.expect("a chunk");
                length = usize::from_str_radix(line.trim_end(), 16).expect("a length");
            }
            let from = self.body.len();
            self.body.resize(from + length, 0);
            self.stream
                .read_exact(&mut self.body[from..])
                .await
                .expect("a body");
            if !chunked {
                return session;
            }
            line.clear();
            self.stream.read_line(&mut line).await.expect("its end");
            if length == 0 {
                return session;
            }
        }
    }

    pub async fn close(mut self) {
        let request = format!("{}\r\n", self.head.replacen("POST", "DELETE", 1));
        self.stream
            .write_all(request.as_bytes())
            .await
            .expect("sent");
        self.read().await;
    }

    /// Microseconds of a call, median.
    pub async fn latency(&mut self) -> f64 {
        let text = call(1, &json!({"text": "hello"}));
        let mut took = Vec::new();
        for _ in 0..CALLS {
            let begun = Instant::now();
            self.post(&text).await;
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        median(took)
    }
}
