//! A shell in the machine, in the terminal of whoever asks: the client of the machine's `GET /terminal`.

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error as WsError, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use wire::failure::{Failure, FailureCode};

use crate::{
    MachineHandle,
    endpoint::{Api, Endpoint},
};

/// The largest message that is read: what a machine keeps for a viewer that comes is smaller.
const MESSAGE_BYTES: usize = 1 << 20;

/// What a terminal shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// Bytes, for a terminal to draw.
    Bytes(Vec<u8>),
    /// The shell ended, with this exit code if the machine tells it. Nothing follows.
    Ended(Option<i32>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Ended {
        #[serde(default)]
        exit: Option<i32>,
    },
}

/// The way into a terminal. Dropping both ends leaves the shell running.
pub struct TerminalInput(SplitSink<WebSocketStream<TcpStream>, Message>);

/// The way out of a terminal.
pub struct TerminalOutput(SplitStream<WebSocketStream<TcpStream>>);

impl MachineHandle {
    /// Opens the machine's terminal of this name, of so many columns and rows; all who open the same
    /// name see the same one. It goes on in the machine until its shell ends.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; [`FailureCode::Unhealthy`] if the machine doesn't answer;
    /// [`FailureCode::Internal`] if it refuses, such as a terminal too many.
    pub async fn terminal(
        &self,
        name: &str,
        cols: u16,
        rows: u16,
    ) -> Result<(TerminalInput, TerminalOutput), Failure> {
        let endpoint = self.inner.endpoints.find().await?;
        let name = machine_client::segment(name);
        let path = format!("/terminal?name={name}&cols={cols}&rows={rows}");
        let (input, output) = connect(&endpoint, &path).await?.split();
        Ok((TerminalInput(input), TerminalOutput(output)))
    }
}

async fn connect(endpoint: &Endpoint, path: &str) -> Result<WebSocketStream<TcpStream>, Failure> {
    let port = endpoint.port(Api::Kernel)?;
    let failed = |cause: String| {
        Failure::new(FailureCode::Unhealthy, "The machine is not responding").because(cause)
    };
    let mut request = format!("ws://127.0.0.1:{port}{path}")
        .into_client_request()
        .map_err(|error| failed(error.to_string()))?;
    let token = HeaderValue::try_from(format!("Bearer {}", endpoint.token))
        .map_err(|error| failed(error.to_string()))?;
    request.headers_mut().insert(AUTHORIZATION, token);
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|error| failed(error.to_string()))?;
    // Keys are small.
    let _ = stream.set_nodelay(true);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(
                Failure::new(FailureCode::Internal, "The machine refused a terminal")
                    .because(refusal(body).unwrap_or_else(|| response.status().to_string())),
            )
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The message of the API's error object.
fn refusal(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(answer["error"]["message"].as_str()?.to_owned())
}

impl TerminalInput {
    /// Types.
    ///
    /// # Errors
    /// [`FailureCode::Unhealthy`] if the connection is over.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        self.send(Message::Binary(bytes.into())).await
    }

    /// Gives the terminal another size; the last viewer's counts.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn resize(&mut self, cols: u16, rows: u16) -> Result<(), Failure> {
        let resize = json!({ "type": "resize", "cols": cols, "rows": rows });
        self.send(Message::Text(resize.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Failure> {
        self.0.send(message).await.map_err(over)
    }
}

impl TerminalOutput {
    /// Waits for what is shown next. Cancelling loses nothing.
    ///
    /// # Errors
    /// [`FailureCode::Unhealthy`] if the connection ended before the shell did.
    pub async fn next(&mut self) -> Result<Shown, Failure> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Shown::Bytes(bytes.into())),
                Some(Ok(Message::Text(text))) => {
                    // A newer machine may say more.
                    if let Ok(Said::Ended { exit }) = serde_json::from_str(&text) {
                        return Ok(Shown::Ended(exit));
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err(over(WsError::ConnectionClosed)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(over(error)),
            }
        }
    }
}

fn over(error: WsError) -> Failure {
    Failure::new(
        FailureCode::Unhealthy,
        "The connection to the machine's terminal ended",
    )
    .because(error.to_string())
}
