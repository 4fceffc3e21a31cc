//! `GET /terminal`: a terminal over a WebSocket. Binary messages are bytes, both ways. A text
//! message of the viewer is JSON: `{"type": "resize", "cols": 80, "rows": 24}`; one of ours is
//! `{"type": "ended", "exit": 0}`, when the shell has ended; `exit` is its exit code, 128 and the
//! signal's number, or null.

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::Response,
};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use wire::{error_code::ErrorCode, routes::TerminalQuery};

use super::{Parts, error::ApiError, jobs::Owner, json::Params};
use crate::terminal::{Terminal, TerminalError};

impl From<TerminalError> for ApiError {
    fn from(error: TerminalError) -> Self {
        let (status, code) = match error {
            TerminalError::Io(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::TerminalNotStarted,
            ),
            TerminalError::TooMany => (StatusCode::CONFLICT, ErrorCode::TooManyTerminals),
        };
        Self::new(status, code, error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Resize { cols: u16, rows: u16 },
}

/// `GET /terminal?name=&cols=&rows=`.
pub async fn open(
    State(parts): State<Parts>,
    Owner(owner): Owner,
    Params(wanted): Params<TerminalQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| {
        let message = "this route requires a WebSocket request";
        ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            ErrorCode::UpgradeRequired,
            message,
        )
    })?;
    let terminal =
        parts
            .terminals
            .open(&wanted.name, owner, &parts.shell, &parts.tasks, &parts.stop)?;
    // A size that the terminal does not take leaves it as it is.
    let _ = terminal.resize(wanted.cols, wanted.rows);
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            () = view(socket, &terminal) => {}
            () = parts.stop.cancelled() => {}
        }
    }))
}

async fn view(socket: WebSocket, terminal: &Terminal) {
    let (shown, mut pieces) = terminal.view();
    let (mut sink, mut said) = socket.split();
    if sink.send(Message::Binary(shown.into())).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            piece = pieces.recv() => {
                let bytes = match piece {
                    Ok(bytes) => bytes,
                    // A viewer that is too slow starts again from what is shown.
                    Err(RecvError::Lagged(_)) => {
                        let (shown, again) = terminal.view();
                        pieces = again;
                        [b"\x1bc".as_slice(), &shown].concat().into()
                    }
                    Err(RecvError::Closed) => return,
                };
                if sink.send(Message::Binary(bytes)).await.is_err() {
                    return;
                }
            }
            message = said.next() => match message {
                Some(Ok(Message::Binary(bytes))) => if terminal.write(&bytes).await.is_err() {
                    return;
                },
                Some(Ok(Message::Text(text))) => {
                    if let Ok(Said::Resize { cols, rows }) = serde_json::from_str(&text) {
                        let _ = terminal.resize(Some(cols), Some(rows));
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = terminal.ended() => {
                // What is still on its way comes first.
                while let Ok(bytes) = pieces.try_recv() {
                    if sink.send(Message::Binary(bytes)).await.is_err() {
                        return;
                    }
                }
                // The viewer may have gone.
                let ended = json!({ "type": "ended", "exit": terminal.exit() });
                let _ = sink.send(Message::Text(ended.to_string().into())).await;
                let _ = sink.close().await;
                return;
            }
        }
    }
}
