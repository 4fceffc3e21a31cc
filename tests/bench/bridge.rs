//! Measures the desktop's bridge against websockify: the same client, the same TCP server, one run.
//!
//! `bridge --peer ws://127.0.0.1:PORT --peer-target PORT`: websockify listens at the one and leads to
//! the other, which this program serves.

use std::time::Instant;

use e2e::measure::{median, option};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const ROUNDS: usize = 5;
const DOWN: usize = 512 << 20;
const UP: usize = 128 << 20;
/// A screen's worth of picture, as Xvnc writes it.
const CHUNK: usize = 64 << 10;
/// As much as noVNC sends at once when it has much: a paste.
const FRAME: usize = 16 << 10;
const ECHOES: usize = 2000;

/// The TCP server behind the bridge. The first byte says what to do: `d`own, `u`p, `e`cho.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut buffer = vec![0x5a; CHUNK];
            let Ok(kind) = stream.read_u8().await else {
                return;
            };
            match kind {
                b'd' => {
                    let mut left = DOWN;
                    while left > 0 && stream.write_all(&buffer).await.is_ok() {
                        left -= CHUNK;
                    }
                    // Held open until the client has all of it.
                    let _ = stream.read(&mut buffer).await;
                }
                b'u' => {
                    let mut left = UP;
                    while left > 0 {
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(count) => left = left.saturating_sub(count),
                        }
                    }
                    let _ = stream.write_all(b"!").await;
                    let _ = stream.read(&mut buffer).await;
                }
                _ => {
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

async fn connect(url: &str, first: u8) -> WebSocketStream<TcpStream> {
    let mut request = url.into_client_request().expect("an address");
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("binary"));
    let port = request.uri().port_u16().expect("a port");
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the bridge listens");
    stream.set_nodelay(true).expect("nodelay");
    let config = WebSocketConfig::default()
        .read_buffer_size(256 << 10)
        .write_buffer_size(0);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config))
        .await
        .expect("a WebSocket");
    socket
        .send(Message::Binary(vec![first].into()))
        .await
        .expect("sent");
    socket
}

/// MB/s from the server to the client.
async fn down(url: &str) -> f64 {
    let mut socket = connect(url, b'd').await;
    let begun = Instant::now();
    let mut left = DOWN;
    while left > 0 {
        let message = socket.next().await.expect("a message").expect("whole");
        left = left.saturating_sub(message.len());
    }
    DOWN as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// MB/s from the client to the server.
async fn up(url: &str) -> f64 {
    let mut socket = connect(url, b'u').await;
    let frame = bytes::Bytes::from(vec![0x5a; FRAME]);
    let begun = Instant::now();
    for _ in 0..UP / FRAME {
        socket
            .send(Message::Binary(frame.clone()))
            .await
            .expect("sent");
    }
    while socket
        .next()
        .await
        .expect("an answer")
        .expect("whole")
        .is_empty()
    {}
    UP as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// Microseconds from a key's eight bytes to their echo, median.
async fn echo(url: &str) -> f64 {
    let mut socket = connect(url, b'e').await;
    let key = bytes::Bytes::from_static(&[4, 1, 0, 0, 0, 0, 0, 0x61]);
    let mut took = Vec::new();
    for _ in 0..ECHOES {
        let begun = Instant::now();
        socket
            .send(Message::Binary(key.clone()))
            .await
            .expect("sent");
        let mut left = key.len();
        while left > 0 {
            left -= socket
                .next()
                .await
                .expect("an echo")
                .expect("whole")
                .len()
                .min(left);
        }
        took.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    median(took)
}

/// The same without a bridge.
async fn echo_direct(port: u16) -> f64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server listens");
    stream.set_nodelay(true).expect("nodelay");
    stream.write_all(b"e").await.expect("sent");
    let mut buffer = [0; 8];
    let mut took = Vec::new();
    for _ in 0..ECHOES {
        let begun = Instant::now();
        stream
            .write_all(&[4, 1, 0, 0, 0, 0, 0, 0x61])
            .await
            .expect("sent");
        stream.read_exact(&mut buffer).await.expect("an echo");
        took.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    median(took)
}

#[tokio::main]
async fn main() {
    let peer = option("--peer");
    let target: u16 = option("--peer-target").parse().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", target))
        .await
        .expect("the port is free");
    tokio::spawn(serve(listener));
    let bridge = app::Bridge::start(&TaskTracker::new(), &CancellationToken::new())
        .await
        .expect("a bridge");

    let (mut ours, mut theirs, mut direct) = (
        <[Vec<f64>; 3]>::default(),
        <[Vec<f64>; 3]>::default(),
        Vec::new(),
    );
    for _ in 0..ROUNDS {
        direct.push(echo_direct(target).await);
        ours[0].push(down(&bridge.address_to(target)).await);
        theirs[0].push(down(&peer).await);
        ours[1].push(up(&bridge.address_to(target)).await);
        theirs[1].push(up(&peer).await);
        ours[2].push(echo(&bridge.address_to(target)).await);
        theirs[2].push(echo(&peer).await);
    }
    let [ours_down, ours_up, ours_echo] = ours.map(median);
    let [their_down, their_up, their_echo] = theirs.map(median);
    let direct = median(direct);
    println!(
        "| VNC bridge, down | {ours_down:.0} MB/s | {their_down:.0} MB/s | {:.2} x | >= 1.1 x |",
        ours_down / their_down
    );
    println!(
        "| VNC bridge, up | {ours_up:.0} MB/s | {their_up:.0} MB/s | {:.2} x | >= 2 x |",
        ours_up / their_up
    );
    println!(
        "| VNC bridge, added to a key's round trip, p50 | {:.0} us | {:.0} us | {:.2} x | <= 60 us |",
        ours_echo - direct,
        their_echo - direct,
        (ours_echo - direct) / (their_echo - direct)
    );
}
