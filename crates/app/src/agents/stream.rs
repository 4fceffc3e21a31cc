//! An agent's terminal for a page, over the bridge's WebSocket: binary messages are what it shows and what is
//! typed, and text messages are everything else (`TerminalControl` from the page, at last a `TerminalEnd` to
//! it). A page that takes nothing in is sent a window's worth and no more.

use std::time::Duration;

use ::agents::{AgentError, Agents, Look, Viewer};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{net::TcpStream, sync::watch};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error as WsError, Message},
};
use wire::agent::{AgentId, AgentTerminalRequest, TerminalControl, TerminalEnd};

/// How much may be under way that the page hasn't taken in yet.
const WINDOW_BYTES: usize = 512 << 10;
/// How long the terminal may take to accept what was typed: a person who sees nothing of it types no more.
const TYPED: Duration = Duration::from_secs(60);

/// Whose terminal a ticket leads to, and how it is looked at.
#[derive(Debug)]
pub(crate) struct TerminalPlace {
    agents: Agents,
    id: AgentId,
    look: Look,
}

impl TerminalPlace {
    pub(crate) fn new(agents: &Agents, request: AgentTerminalRequest) -> Self {
        let AgentTerminalRequest {
            id,
            cols,
            rows,
            read_only,
        } = request;
        let look = Look {
            cols: cols.max(1),
            rows: rows.max(1),
            read_only,
        };
        Self {
            agents: agents.clone(),
            id,
            look,
        }
    }
}

/// Carries it until the page leaves, or the terminal ends, which the page is told. The agent goes on.
pub(crate) async fn carry(
    socket: WebSocketStream<TcpStream>,
    place: TerminalPlace,
) -> Result<(), WsError> {
    let (mut to_page, from_page) = socket.split();
    let viewer = match place.agents.attach(&place.id, place.look).await {
        Ok(viewer) => viewer,
        Err(error) => return end(&mut to_page, Some(error)).await,
    };
    let untaken = watch::Sender::new(0);
    tokio::select! {
        ended = show(&viewer, &untaken, &mut to_page) => ended,
        ended = hear(&viewer, &untaken, from_page) => ended,
    }
}

/// Sends what it shows, as fast as the page takes it in.
async fn show(
    viewer: &Viewer,
    untaken: &watch::Sender<usize>,
    to_page: &mut (impl Sink<Message, Error = WsError> + Unpin),
) -> Result<(), WsError> {
    let mut window = untaken.subscribe();
    loop {
        // It can't close: the sender is here.
        let _ = window.wait_for(|bytes| *bytes < WINDOW_BYTES).await;
        match viewer.next().await {
            Ok(Some(shown)) => {
                untaken.send_modify(|bytes| *bytes += shown.len());
                to_page.send(Message::Binary(shown)).await?;
            }
            Ok(None) => return end(to_page, None).await,
            Err(error) => return end(to_page, Some(error)).await,
        }
    }
}

/// Types what the page sends, and does what it asks for, until it leaves.
async fn hear(
    viewer: &Viewer,
    untaken: &watch::Sender<usize>,
    mut from_page: impl Stream<Item = Result<Message, WsError>> + Unpin,
) -> Result<(), WsError> {
    while let Some(message) = from_page.next().await {
        match message? {
            Message::Binary(typed) => {
                let typing = tokio::time::timeout(TYPED, viewer.write(&typed));
                // Whether anything can be typed is told with what it shows.
                let Ok(_) = typing.await else {
                    tracing::debug!("a terminal took nothing of what was typed in a minute");
                    return Ok(());
                };
            }
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(TerminalControl::Resize { cols, rows }) => viewer.resize(cols, rows),
                Ok(TerminalControl::Taken { bytes }) => {
                    let taken = usize::try_from(bytes).unwrap_or(usize::MAX);
                    untaken.send_modify(|bytes| *bytes = bytes.saturating_sub(taken));
                }
                Err(error) => tracing::debug!(%error, "a page said something that can't be read"),
            },
            Message::Close(_) => break,
            // Pings are answered by the library.
            _ => {}
        }
    }
    Ok(())
}

/// Says how it ended.
async fn end(
    to_page: &mut (impl Sink<Message, Error = WsError> + Unpin),
    error: Option<AgentError>,
) -> Result<(), WsError> {
    let end = TerminalEnd {
        failure: error.map(Into::into),
    };
    // Text and numbers: it can always be written.
    let text = serde_json::to_string(&end).unwrap_or_default();
    to_page.send(Message::Text(text.into())).await?;
    to_page.send(Message::Close(None)).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::agents::{NoKeys, Options};
    use containers::EngineChoice;
    use tokio_tungstenite::{
        connect_async,
        tungstenite::{client::IntoClientRequest, http::header},
    };
    use tokio_util::{sync::CancellationToken, task::TaskTracker};
    use wire::failure::FailureCode;

    use super::*;
    use crate::Bridge;

    struct Fixture {
        agents: Agents,
        bridge: Bridge,
    }

    impl Fixture {
        /// Without an engine there is no agent, but for what lets in.
        async fn new() -> Self {
            let engine = EngineChoice::new(Some("unix:///nonexistent/docker.sock".into()));
            let options = Options {
                engine,
                instance: None,
                init_binary: "/nonexistent/sandbox-init".into(),
                workspaces: Arc::new(Vec::new()),
                work_folder: "/nonexistent/work".into(),
                keys: Arc::new(NoKeys),
            };
            let (agents, _task) = Agents::start(options).await;
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            let bridge = Bridge::start(&tasks, &stop).await.unwrap();
            Self { agents, bridge }
        }

        fn address(&self) -> String {
            let request = AgentTerminalRequest {
                id: "a1".parse().unwrap(),
                cols: 80,
                rows: 24,
                read_only: false,
            };
            let place = TerminalPlace::new(&self.agents, request);
            self.bridge.address_of_terminal(place)
        }

        /// What answers a page of this origin there.
        async fn status(&self, address: &str, origin: &'static str) -> u16 {
            let mut request = address.into_client_request().unwrap();
            let origin = header::HeaderValue::from_static(origin);
            request.headers_mut().insert(header::ORIGIN, origin);
            match connect_async(request).await {
                Ok((_, response)) => response.status().as_u16(),
                Err(WsError::Http(response)) => response.status().as_u16(),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[tokio::test]
    async fn a_terminal_wants_a_ticket_of_its_own_and_a_page_of_ours() {
        let fixture = Fixture::new().await;
        let address = fixture.address();
        let own = "http://127.0.0.1:4000";
        for (address, origin, status) in [
            (&*address, "https://evil.example", 403),
            (&address, "http://127.0.0.1.evil.example:1", 403),
            (&address, "null", 403),
            (&address.replace("/agent", "/vnc"), own, 401),
            (&fixture.address().replace("ticket=", "ticket=0"), own, 401),
            (&fixture.address().replace("ticket=", "other="), own, 401),
        ] {
            assert_eq!(
                fixture.status(address, origin).await,
                status,
                "{address} {origin}"
            );
        }
        let address = fixture.address();
        assert_eq!(fixture.status(&address, own).await, 101);
        assert_eq!(
            fixture.status(&address, own).await,
            401,
            "a ticket is good once"
        );
    }

    #[tokio::test]
    async fn a_terminal_that_can_t_be_shown_says_why() {
        let fixture = Fixture::new().await;
        let (mut socket, _) = connect_async(fixture.address()).await.unwrap();
        let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let end: TerminalEnd = serde_json::from_str(&said).unwrap();
        assert_eq!(end.failure.unwrap().code, FailureCode::NotFound);
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    }
}
