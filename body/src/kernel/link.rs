//! The frames between the supervisor and the worker: four bytes of length, big
//! endian, then JSON.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::unix::pipe;
use tokio_util::bytes::{Buf, BytesMut};
use wire::{
    body::InputPrompt,
    kernel::{CellError, ExecStatus},
};

use super::QueuedExecution;

/// Larger than any output that the worker sends in one piece.
pub const LONGEST_FRAME: usize = 512 << 20;
/// How much is read at a time.
const CHUNK: usize = 16 << 10;
/// Errors of a read that mean: again.
const TRANSIENT: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::Interrupted];

/// To the worker.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker<'a> {
    /// Events with a seq larger than this are wanted.
    Hello {
        after: u64,
    },
    Execute(&'a QueuedExecution),
    Interrupt,
    /// What `input()` number so returns; none where nobody can say.
    Input {
        number: u64,
        value: Option<&'a str>,
    },
    Ask {
        ask: u64,
        what: &'a str,
        arguments: &'a Value,
    },
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

/// From the worker. What has a seq is kept by it, and told again to who asks for it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// The first frame.
    Ready {
        /// Of the last event.
        seq: u64,
        pid: i32,
        shell: ShellChange,
    },
    /// A cell changed the shell's context.
    ShellContext(ShellChange),
    /// Events that nobody fetched in time are gone.
    Truncated {
        from: u64,
        to: u64,
    },
    /// A cell began. The supervisor that sent it knows; the next one learns it from this.
    Started {
        seq: u64,
        /// On the machine's monotonic clock.
        at_s: f64,
        request: QueuedExecution,
    },
    /// A cell put something out.
    Event {
        seq: u64,
        execution_id: String,
        output: Value,
    },
    /// A comm said something: `msg_type`, `content`, `metadata`, `buffers`.
    Comm {
        seq: u64,
        execution_id: String,
        message: Value,
    },
    ClearOutput {
        seq: u64,
        execution_id: String,
        wait: bool,
    },
    InputRequest {
        seq: u64,
        execution_id: String,
        number: u64,
        #[serde(flatten)]
        prompt: InputPrompt,
    },
    InputOver {
        seq: u64,
        execution_id: String,
    },
    Done {
        seq: u64,
        execution_id: String,
        status: ExecStatus,
        result: Option<String>,
        error: Option<CellError>,
        timing_ms: u64,
        execution_count: Option<u64>,
        /// Where `sys.exit()` ended it: what a program would have ended with.
        #[serde(default)]
        exit_code: Option<u8>,
    },
    Answer {
        ask: u64,
        #[serde(default)]
        value: Value,
        #[serde(default)]
        error: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

impl FromWorker {
    /// Number of the last event that the worker has told with this.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Started { seq, .. }
            | Self::Event { seq, .. }
            | Self::Comm { seq, .. }
            | Self::ClearOutput { seq, .. }
            | Self::InputRequest { seq, .. }
            | Self::InputOver { seq, .. }
            | Self::Done { seq, .. }
            | Self::Truncated { to: seq, .. } => Some(*seq),
            _ => None,
        }
    }
}

/// A connection to a worker.
pub struct Link {
    stream: UnixStream,
    /// The same socket, registered for reading alone: a tokio `UnixStream` would wake us for
    /// each frame that the worker takes, to say that there is room for more.
    arrivals: pipe::Receiver,
    arrived: BytesMut,
    /// A frame that came, or begins to, is longer than any may be.
    too_long: bool,
}

impl Link {
    /// Connects; fails at once where nobody listens.
    pub fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        let arrivals = pipe::Receiver::from_owned_fd_unchecked(stream.try_clone()?.into())?;
        Ok(Self {
            stream,
            arrivals,
            arrived: BytesMut::new(),
            too_long: false,
        })
    }

    /// Whether the worker is there, but can't be followed any more.
    pub fn is_lost(&self) -> bool {
        self.too_long
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &ToWorker<'_>) -> std::io::Result<()> {
        let mut bytes = vec![0; 4];
        serde_json::to_writer(&mut bytes, message)?;
        let length = u32::try_from(bytes.len() - 4).map_err(std::io::Error::other)?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.room().await?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next message that can be read; `None` when the worker is gone, or lost. Safe to cancel.
    pub async fn next(&mut self) -> Option<FromWorker> {
        loop {
            while let Some(frame) = self.frame().ok()? {
                match serde_json::from_slice(&frame) {
                    Ok(message) => return Some(message),
                    Err(error) => {
                        tracing::warn!(%error, "skipped a frame of the kernel that can't be read")
                    }
                }
            }
            self.arrivals.readable().await.ok()?;
            let mut chunk = [0; CHUNK];
            match self.arrivals.try_read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.arrived.extend_from_slice(&chunk[..count]),
                Err(error) if TRANSIENT.contains(&error.kind()) => {}
                Err(_) => return None,
            }
        }
    }

    /// A frame's content, where all of it has arrived.
    fn frame(&mut self) -> std::io::Result<Option<BytesMut>> {
        let Some(head) = self.arrived.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > LONGEST_FRAME {
            self.too_long = true;
            return Err(ErrorKind::InvalidData.into());
        }
        if self.arrived.len() < 4 + length {
            return Ok(None);
        }
        let mut frame = self.arrived.split_to(4 + length);
        frame.advance(4);
        Ok(Some(frame))
    }

    /// Waits until a full socket takes more. A worker takes what we send at once, so this is rare.
    async fn room(&self) -> std::io::Result<()> {
        let sender = pipe::Sender::from_owned_fd_unchecked(self.stream.try_clone()?.into())?;
        sender.writable().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::UnixListener};

    use super::*;

    #[tokio::test]
    async fn frames_in_pieces_full_sockets_and_nonsense() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut link = Link::connect(&path).unwrap();
        let (mut worker, _) = listener.accept().await.unwrap();

        // More than the socket holds, read by the other side only in the end.
        let code = "x".repeat(4 << 20);
        let mut order = QueuedExecution::default();
        order.request.code = code.clone();
        let message = ToWorker::Execute(&order);
        let reading = async {
            let length = tokio::io::AsyncReadExt::read_u32(&mut worker)
                .await
                .unwrap();
            let mut body = vec![0; length as usize];
            tokio::io::AsyncReadExt::read_exact(&mut worker, &mut body)
                .await
                .unwrap();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        let (sent, read) = tokio::join!(link.send(&message), reading);
        sent.unwrap();
        assert_eq!(read["code"].as_str().unwrap().len(), code.len());

        // Something that is no message is skipped; a frame may come in pieces.
        let mut bytes = Vec::new();
        for text in [
            "nonsense",
            r#"{"type":"later"}"#,
            r#"{"type":"answer","ask":3}"#,
        ] {
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let sending = async {
            for piece in bytes.chunks(3) {
                worker.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let receiving = async { (link.next().await, link.next().await) };
        let (received, ()) = tokio::join!(receiving, sending);
        assert!(matches!(
            received,
            (
                Some(FromWorker::Unknown),
                Some(FromWorker::Answer { ask: 3, .. })
            )
        ));
        drop(worker);
        assert!(link.next().await.is_none());
    }
}
