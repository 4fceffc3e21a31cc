//! The frames between the supervisor and the worker: four bytes of length, big
//! endian, then JSON.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use wire::kernel::{CellError, ExecStatus, KernelStatus};

/// Larger than any output that the worker sends in one piece.
const LONGEST_FRAME: usize = 512 << 20;

/// To the worker.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker<'a> {
    Hello {
        after: u64,
    },
    Execute {
        execution_id: &'a str,
        code: &'a str,
        silent: bool,
    },
    Interrupt,
    Reset,
    Status,
    ShellContext {
        cwd: &'a str,
        env: &'a BTreeMap<String, String>,
        /// The last of the worker's own changes that is in it.
        seen: u64,
    },
}

/// What `runtime.shell` changed, or (on connecting) all of its context.
#[derive(Debug, Deserialize)]
pub struct ShellChange {
    /// Counts the worker's own changes.
    pub changes: u64,
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// From the worker.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    Ready {
        seq: u64,
        pid: i32,
        shell: ShellChange,
    },
    Started,
    /// A cell changed the shell's context.
    ShellContext(ShellChange),
    /// Events that nobody fetched in time are gone.
    Truncated {
        from: u64,
        to: u64,
    },
    Event {
        execution_id: String,
        output: serde_json::Value,
    },
    Done {
        execution_id: String,
        status: ExecStatus,
        result: Option<String>,
        error: Option<CellError>,
        timing_ms: u64,
        execution_count: Option<u64>,
    },
    Status(KernelStatus),
    ResetDone,
    #[serde(other)]
    Unknown,
}

/// A connection to a worker.
pub struct Link {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Link {
    /// Connects; fails at once where nobody listens.
    pub async fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let codec = LengthDelimitedCodec::builder()
            .max_frame_length(LONGEST_FRAME)
            .new_codec();
        Ok(Self {
            frames: Framed::new(stream, codec),
        })
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &ToWorker<'_>) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(message).map_err(std::io::Error::other)?;
        self.frames.send(axum::body::Bytes::from(bytes)).await
    }

    /// The next message that can be read; `None` when the worker is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<FromWorker> {
        loop {
            let frame = self.frames.next().await?.ok()?;
            match serde_json::from_slice(&frame) {
                Ok(message) => return Some(message),
                Err(error) => {
                    tracing::warn!(%error, "skipped a frame of the kernel that can't be read")
                }
            }
        }
    }
}
