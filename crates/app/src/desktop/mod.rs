//! The bridge: WebSockets on loopback for views, which can't speak TCP, to a machine's VNC port and to
//! agents' terminals. One-time tickets and the page's origin let in.
//!
//! `ticket` has the tickets.

mod ticket;

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header},
        protocol::WebSocketConfig,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::{Takeover, TakeoverRequest},
    commands::{DesktopTicket, Nothing},
    failure::{Failure, FailureCode},
    routes::{GetTakeover, SetTakeover},
};

use crate::{
    MachineHandle,
    agents::{self, TerminalPlace},
};
use ticket::{Destination, Tickets};

/// How long a client may take to say what it wants.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest message of a view: noVNC and terminals send shorter ones.
const LONGEST_MESSAGE: usize = 1 << 20;
/// One read from the VNC server, at most: a full-screen update in few frames.
const READ_BYTES: usize = 256 * 1024;

/// A running bridge on a loopback port of its own.
#[derive(Debug)]
pub struct Bridge {
    port: u16,
    tickets: Arc<Tickets>,
}

impl Bridge {
    /// Binds a free loopback port and serves until `stop`.
    ///
    /// # Errors
    /// Where no loopback port can be bound.
    pub async fn start(tasks: &TaskTracker, stop: &CancellationToken) -> Result<Self, Failure> {
        start(tasks, stop).await
    }

    /// Its loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// An address that leads to this VNC port of loopback: good once, within 30 seconds.
    #[must_use]
    pub fn address_to(&self, vnc_port: u16) -> String {
        self.address(Destination::Vnc(vnc_port))
    }

    /// An address that leads to an agent's terminal: good once, within 30 seconds.
    pub(crate) fn address_of_terminal(&self, place: TerminalPlace) -> String {
        self.address(Destination::Terminal(place))
    }

    fn address(&self, destination: Destination) -> String {
        let path = destination.path();
        let ticket = self.tickets.issue(destination);
        format!("ws://127.0.0.1:{}{path}?ticket={ticket}", self.port)
    }
}

async fn start(tasks: &TaskTracker, stop: &CancellationToken) -> Result<Bridge, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            FailureCode::Internal,
            "The desktop bridge could not be started",
        )
        .because(error.to_string())
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let tickets = Arc::new(Tickets::default());
    tasks.spawn(serve(
        listener,
        tickets.clone(),
        tasks.clone(),
        stop.clone(),
    ));
    Ok(Bridge { port, tickets })
}

impl MachineHandle {
    /// A ticket to the running machine's desktop.
    pub(crate) async fn desktop_open(&self, _: Nothing) -> Result<DesktopTicket, Failure> {
        let machine = self.machine()?;
        let vnc_port = machine.vnc_port(&self.connect().await?).await?;
        Ok(DesktopTicket {
            url: self.inner.bridge.address_to(vnc_port),
            password: machine.secret("vnc_password")?,
        })
    }

    pub(crate) async fn takeover_get(&self, _: Nothing) -> Result<Takeover, Failure> {
        self.call::<GetTakeover>((), &()).await
    }

    pub(crate) async fn takeover_set(&self, request: TakeoverRequest) -> Result<Takeover, Failure> {
        self.call::<SetTakeover>((), &request).await
    }
}

async fn serve(
    listener: TcpListener,
    tickets: Arc<Tickets>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (tickets, stop) = (tickets.clone(), stop.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        ended = connection(stream, &tickets) => if let Err(error) = ended {
                            tracing::debug!(%error, "a view's connection ended");
                        },
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: a pause keeps this from spinning.
                tracing::warn!(%error, "the bridge could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, tickets: &Tickets) -> Result<(), WsError> {
    stream.set_nodelay(true)?;
    let mut destination = None;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| {
        let (admitted, response) = admit(request, response, tickets)?;
        destination = Some(admitted);
        Ok(response)
    };
    let socket = tokio::time::timeout(
        HANDSHAKE,
        accept_hdr_async_with_config(stream, check, Some(config)),
    )
    .await
    .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    match destination {
        Some(Destination::Vnc(port)) => {
            let vnc = TcpStream::connect(("127.0.0.1", port)).await?;
            vnc.set_nodelay(true)?;
            pump(socket, vnc).await
        }
        Some(Destination::Terminal(place)) => agents::carry(socket, place).await,
        None => Ok(()),
    }
}

/// Lets a request in, or answers why not.
#[allow(clippy::result_large_err)]
fn admit(
    request: &Request,
    mut response: Response,
    tickets: &Tickets,
) -> Result<(Destination, Response), ErrorResponse> {
    let refuse = |status: StatusCode, words: &str| {
        let mut refusal = ErrorResponse::new(Some(words.to_owned()));
        *refusal.status_mut() = status;
        refusal
    };
    // Browsers always send it; a client without one is no web page, and still needs a ticket.
    let is_own = |origin: &HeaderValue| origin.to_str().is_ok_and(is_own_origin);
    if !request.headers().get_all(header::ORIGIN).iter().all(is_own) {
        return Err(refuse(StatusCode::FORBIDDEN, "origin not allowed"));
    }
    let path = request.uri().path();
    if !["/vnc", "/agent"].contains(&path) {
        return Err(refuse(
            StatusCode::NOT_FOUND,
            "not found: the paths are /vnc and /agent",
        ));
    }
    let query = request.uri().query().unwrap_or_default();
    let ticket = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ticket="));
    let destination = ticket.and_then(|ticket| tickets.redeem(ticket));
    let Some(destination) = destination.filter(|found| found.path() == path) else {
        return Err(refuse(
            StatusCode::UNAUTHORIZED,
            "the ticket is missing, already used or expired",
        ));
    };
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let binary = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|list| list.split(',').any(|one| one.trim() == "binary"))
    };
    if offered.iter().any(binary) {
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("binary"),
        );
    }
    Ok((destination, response))
}

/// The window's origins on each system, Vite's, and pages that we serve on loopback.
fn is_own_origin(origin: &str) -> bool {
    match origin {
        "tauri://localhost"
        | "http://tauri.localhost"
        | "https://tauri.localhost"
        | "http://localhost:1420" => true,
        _ => origin
            .strip_prefix("http://127.0.0.1:")
            .is_some_and(|port| port.parse::<u16>().is_ok()),
    }
}

/// Both ways until either side ends.
async fn pump(socket: WebSocketStream<TcpStream>, vnc: TcpStream) -> Result<(), WsError> {
    let (mut to_view, mut from_view) = socket.split();
    let (mut from_vnc, mut to_vnc) = vnc.into_split();
    let down = async {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            buffer.reserve(READ_BYTES / 4);
            if from_vnc.read_buf(&mut buffer).await? == 0 {
                to_view.send(Message::Close(None)).await?;
                return Ok(());
            }
            to_view
                .send(Message::Binary(buffer.split().freeze()))
                .await?;
        }
    };
    let up = async {
        while let Some(message) = from_view.next().await {
            match message? {
                Message::Binary(data) => to_vnc.write_all(&data).await?,
                Message::Close(_) => break,
                // Pings are answered by the library; text has no meaning here.
                _ => {}
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = down => ended,
        ended = up => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

    async fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        port
    }

    fn request(port: u16, ticket: &str, origin: Option<&'static str>) -> Request {
        let url = format!("ws://127.0.0.1:{port}/vnc?ticket={ticket}");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("binary"),
        );
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        request
    }

    fn status(error: WsError) -> u16 {
        match error {
            WsError::Http(response) => response.status().as_u16(),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn carries_bytes_both_ways_and_stops() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let bridge = start(&tasks, &stop).await.unwrap();
        let ticket = bridge.tickets.issue(Destination::Vnc(echo().await));
        let request = request(bridge.port, &ticket, Some("tauri://localhost"));
        let (mut socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "binary");
        let sent = vec![7_u8; 1_000_000];
        socket
            .send(Message::Binary(sent.clone().into()))
            .await
            .unwrap();
        let mut back = Vec::new();
        while back.len() < sent.len() {
            back.extend_from_slice(&socket.next().await.unwrap().unwrap().into_data());
        }
        assert_eq!(back, sent);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn refuses_strangers_and_used_tickets() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let bridge = start(&tasks, &stop).await.unwrap();
        let ticket = bridge.tickets.issue(Destination::Vnc(echo().await));
        let foreign =
            connect_async(request(bridge.port, &ticket, Some("https://evil.example"))).await;
        assert_eq!(status(foreign.unwrap_err()), 403);
        let first = connect_async(request(bridge.port, &ticket, None)).await;
        assert!(first.is_ok());
        let second = connect_async(request(bridge.port, &ticket, None)).await;
        assert_eq!(status(second.unwrap_err()), 401);
        // One for a desktop opens nothing else.
        let ticket = bridge.tickets.issue(Destination::Vnc(echo().await));
        let mut elsewhere = request(bridge.port, &ticket, None);
        let url = elsewhere.uri().to_string().replace("/vnc", "/agent");
        *elsewhere.uri_mut() = url.parse().unwrap();
        assert_eq!(status(connect_async(elsewhere).await.unwrap_err()), 401);
        stop.cancel();
    }

    #[test]
    fn own_origins() {
        assert!(is_own_origin("http://127.0.0.1:4000"));
        assert!(!is_own_origin("http://127.0.0.1:4000.evil.example"));
        assert!(!is_own_origin("http://localhost:3000"));
        assert!(!is_own_origin("null"));
    }
}
