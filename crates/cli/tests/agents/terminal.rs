//! An agent's terminal on a page: over the WebSocket to which `vivarium serve` gives a ticket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::{IMAGE, Site, docker, until};

/// `vivarium serve`, killed when it is dropped.
struct Server {
    process: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(site: &Site) -> Self {
        let mut process = site
            .command(&["serve", "--json", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let printed = process.stdout.take().unwrap();
        BufReader::new(printed).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        Self {
            process,
            address: text("address"),
            token: text("token"),
        }
    }

    /// Status and answer of a command.
    fn ask(&self, token: &str, command: &str, request: &Value) -> (u16, Value) {
        let body = request.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /rpc/{command} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer[9..12].parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn terminal(&self, id: &str, cols: u16, read_only: bool) -> Terminal {
        let request = json!({"id": id, "cols": cols, "rows": 24, "read_only": read_only});
        let (status, ticket) = self.ask(&self.token, "agent_terminal_open", &request);
        assert_eq!(status, 200, "{ticket}");
        let (socket, _) = connect_async(ticket["url"].as_str().unwrap())
            .await
            .unwrap();
        Terminal {
            socket,
            takes: true,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Terminal {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    /// Whether it tells what it has drawn.
    takes: bool,
}

impl Terminal {
    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_secs(60), self.socket.next());
        let next = next.await.expect("something within a minute");
        let message = next.expect("it goes on").unwrap();
        if self.takes
            && let Message::Binary(bytes) = &message
        {
            self.say(&json!({"kind": "taken", "bytes": bytes.len()}))
                .await;
        }
        message
    }

    async fn shows(&mut self, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.next().await {
                Message::Binary(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} and never {text}: {seen}"),
            }
            // Of what floods it, the end is enough.
            if seen.len() > 256 << 10 {
                seen = seen.split_off(seen.ceil_char_boundary(seen.len() - (8 << 10)));
            }
        }
    }

    async fn types(&mut self, text: &str) {
        let message = Message::Binary(text.as_bytes().to_vec().into());
        self.socket.send(message).await.unwrap();
    }

    async fn say(&mut self, said: &Value) {
        let message = Message::Text(said.to_string().into());
        self.socket.send(message).await.unwrap();
    }

    /// How much is sent before the answer to a ping.
    async fn until_answered(&mut self) -> usize {
        let ping = Message::Ping(Vec::new().into());
        self.socket.send(ping).await.unwrap();
        let mut sent = 0;
        loop {
            match self.next().await {
                Message::Pong(_) => return sent,
                other => sent += other.len(),
            }
        }
    }

    /// How it ended.
    async fn end(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next().await {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn several_pages_see_a_terminal_and_leave_it_as_it_is() {
    let Some(site) = Site::wanted("page") else {
        return;
    };
    let server = Server::start(&site);
    let start = json!({"tool": "shell", "image": IMAGE});
    let (status, agent) = server.ask(&server.token, "agent_start", &start);
    assert_eq!(status, 200, "{agent}");
    let id = agent["agent"]["id"].as_str().unwrap();
    let container = format!("tmux-agent-{id}");
    let tmux = |words: &[&str]| docker(&[&["exec", &container, "tmux"], words].concat());

    let request = json!({"id": id, "cols": 80, "rows": 24});
    for (token, status) in [("", 401), ("0123", 401)] {
        assert_eq!(server.ask(token, "agent_terminal_open", &request).0, status);
    }
    let other = json!({"id": "nobody", "cols": 80, "rows": 24});
    assert_eq!(
        server.ask(&server.token, "agent_terminal_open", &other).0,
        404
    );

    let mut first = server.terminal(id, 90, false).await;
    let mut second = server.terminal(id, 60, false).await;
    let mut watcher = server.terminal(id, 20, true).await;
    until("all are there", || {
        tmux(&["list-clients"]).lines().count() == 3
    });
    first.types("echo s-$((6*7))-n\r").await;
    first.shows("s-42-n").await;
    second.shows("s-42-n").await;
    watcher.shows("s-").await;
    watcher.types("echo watched >/workspace/watched\r").await;
    watcher
        .say(&json!({"kind": "resize", "cols": 33, "rows": 11}))
        .await;
    watcher.say(&json!({"kind": "dance"})).await;
    first
        .say(&json!({"kind": "resize", "cols": 101, "rows": 31}))
        .await;
    first.types("\r").await;
    let size = || {
        tmux(&[
            "display",
            "-p",
            "-t",
            "=agent:",
            "#{window_width}x#{window_height}",
        ])
    };
    until("the first one's size", || size().trim() == "101x31");
    // What was typed read-only has reached nobody by now.
    first.types("ls /workspace; echo all-$((40+2))\r").await;
    let mut seen = String::new();
    while !seen.contains("all-42") {
        if let Message::Binary(bytes) = first.next().await {
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(!seen.contains("watched"), "{seen}");

    second.socket.close(None).await.unwrap();
    drop(watcher);
    until("they have left", || {
        tmux(&["list-clients"]).lines().count() == 1
    });
    first.types("echo still-$((1+1))\r").await;
    first.shows("still-2").await;

    // Detaching is an end, and one that doesn't run has no terminal.
    first.types("\x02d").await;
    assert_eq!(first.end().await, json!({"failure": null}));
    let (status, stopped) = server.ask(&server.token, "agent_stop", &json!({"id": id}));
    assert_eq!(status, 200, "{stopped}");
    let mut late = server.terminal(id, 80, false).await;
    assert_eq!(late.end().await["failure"]["code"], "not_running");
}

#[tokio::test]
async fn a_page_that_takes_nothing_in_is_sent_a_window_and_holds_up_nobody() {
    let Some(site) = Site::wanted("window") else {
        return;
    };
    let server = Server::start(&site);
    let start = json!({"tool": "shell", "image": IMAGE});
    let (_, agent) = server.ask(&server.token, "agent_start", &start);
    let id = agent["agent"]["id"].as_str().unwrap();
    let mut slow = server.terminal(id, 80, false).await;
    slow.takes = false;
    let mut quick = server.terminal(id, 80, false).await;
    quick.types("yes a-line-of-many\r").await;
    let mut sent = 0;
    while sent < 512 << 10 {
        sent += slow.next().await.len();
    }
    sent += slow.until_answered().await;
    // A window, and the piece that passed its edge.
    assert!(sent < 1 << 20, "{sent} bytes");
    let mut shown = 0;
    while shown < 1 << 20 {
        shown += quick.next().await.len();
    }
    assert_eq!(slow.until_answered().await, 0, "more than a window");
    // One that is sent nothing more types all the same.
    slow.types("\x03").await;
    slow.say(&json!({"kind": "taken", "bytes": sent})).await;
    slow.takes = true;
    slow.types("echo after-$((40+2))\r").await;
    slow.shows("after-42").await;
}
