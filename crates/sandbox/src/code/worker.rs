//! A conversation with a kernel's worker: frames of four bytes of length, big endian, then JSON.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use init_client::Session;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::kernel::{CellError, ExecStatus};

use crate::{
    error::SandboxError,
    exec::{Exec, ExecEvent, ExecEventKind},
};

/// The longest frame that is read; outputs are shorter.
const LONGEST_FRAME: usize = 80 << 20;
/// How much of what the joining process has to complain about is kept.
const COMPLAINT_BYTES: usize = 2 << 10;

/// From the worker. What is of no use here is left out.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromWorker {
    /// The first frame.
    Ready {
        seq: u64,
    },
    Event {
        execution_id: String,
        output: Value,
    },
    ClearOutput {
        execution_id: String,
        #[serde(default)]
        wait: bool,
    },
    InputRequest {
        number: u64,
    },
    Done {
        execution_id: String,
        status: ExecStatus,
        result: Option<String>,
        error: Option<CellError>,
        #[serde(default)]
        timing_ms: u64,
        execution_count: Option<u64>,
    },
    #[serde(other)]
    Other,
}

/// The conversation. It ends with the process that joins the worker's socket with its own stdio.
pub(crate) struct Worker {
    joint: Exec,
    events: BoxStream<'static, ExecEvent>,
    arrived: BytesMut,
    waiting: VecDeque<FromWorker>,
    complaint: Vec<u8>,
    /// The run that was begun and has not ended.
    pub(super) running: Option<String>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Worker").field(&self.joint).finish()
    }
}

impl Worker {
    /// Waits for its first words, and asks for what it says from now on; its last words if it has
    /// none.
    pub(super) async fn open(joint: Exec) -> Result<Self, SandboxError> {
        let failed = |reason: String| Err(SandboxError::Kernel { reason });
        let mut worker = Self {
            events: joint.events(0),
            joint,
            arrived: BytesMut::new(),
            waiting: VecDeque::new(),
            complaint: Vec::new(),
            running: None,
        };
        match worker.next().await {
            Some(FromWorker::Ready { seq }) => {
                let hello = json!({"type": "hello", "after": seq});
                if worker.send(&hello).await {
                    return Ok(worker);
                }
            }
            Some(_) => return failed("unexpected first message from the kernel".into()),
            None => {}
        }
        let complaint = String::from_utf8_lossy(&worker.complaint);
        failed(format!("the kernel ended at once. {}", complaint.trim()))
    }

    /// Sends a message; false if the worker is gone.
    pub(super) async fn send(&mut self, message: &Value) -> bool {
        let text = message.to_string();
        let Ok(length) = u32::try_from(text.len()) else {
            return false;
        };
        let mut frame = BytesMut::with_capacity(4 + text.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        self.joint.write_stdin(frame.freeze()).await.is_ok()
    }

    /// What the sandbox that it is in is spoken to with.
    pub(super) fn session(&self) -> Option<Session> {
        self.joint.0.link().map(|(session, _)| session)
    }

    /// What it says next; `None` when it is gone, or can't be followed. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<FromWorker> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            match self.events.next().await?.kind {
                ExecEventKind::Stdout(data) => {
                    self.arrived.extend_from_slice(&data);
                    self.decode()?;
                }
                ExecEventKind::Stderr(data) => {
                    let room = COMPLAINT_BYTES - self.complaint.len();
                    self.complaint
                        .extend_from_slice(&data[..room.min(data.len())]);
                }
                ExecEventKind::Pty(_) | ExecEventKind::Dropped { .. } | ExecEventKind::Ended(_) => {
                    return None;
                }
            }
        }
    }

    fn decode(&mut self) -> Option<()> {
        while let Some(head) = self.arrived.first_chunk::<4>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > LONGEST_FRAME {
                tracing::warn!(length, "a kernel sent a frame that is too long");
                return None;
            }
            if self.arrived.len() < 4 + length {
                self.arrived.reserve(4 + length - self.arrived.len());
                break;
            }
            let mut frame = self.arrived.split_to(4 + length);
            frame.advance(4);
            match serde_json::from_slice(&frame) {
                Ok(message) => self.waiting.push_back(message),
                Err(error) => {
                    tracing::debug!(%error, "skipped a frame of a kernel that can't be read");
                }
            }
        }
        Some(())
    }
}
