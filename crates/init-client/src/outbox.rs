//! What waits to be written: frames are encoded in the order in which they are put in, and written
//! together, as many as wait.

use std::{io, pin::Pin};

use frames::{Body, Encoder, FrameError, Kind, Mark, Nonce, PROTOCOL, StreamId, message::Attach};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

/// Senders of data wait while this much is not written yet.
const FULL_BYTES: usize = 512 << 10;

/// Says to a sandbox that was spoken to before, by the key of its last hello, that a host is back.
pub(crate) async fn attach(
    writer: &mut Pin<Box<dyn AsyncWrite + Send>>,
    key: Nonce,
    nonce: Nonce,
) -> io::Result<()> {
    let attach = Attach {
        protocol: PROTOCOL,
        nonce,
    };
    let outbox = Outbox::new(Encoder::UNKNOWN_EPOCH);
    let put = outbox.put(StreamId::CONNECTION, &Body::Attach(attach));
    put.map_err(io::Error::other)?;
    outbox.close();
    writer.write_all(Mark::new(key).bytes()).await?;
    outbox.write_all(writer).await
}

/// Frames that wait.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    encoder: Encoder,
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Outbox {
    /// For a conversation of this epoch.
    pub(crate) fn new(epoch: u32) -> Self {
        Self {
            state: Mutex::new(State {
                encoder: Encoder::new(epoch),
                bytes: Vec::new(),
                is_closed: false,
            }),
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// Puts a frame in. What is put into a closed one goes nowhere: its session has ended, which its
    /// streams are told by the reader.
    pub(crate) fn put(&self, stream: StreamId, body: &Body) -> Result<(), FrameError> {
        self.encode(|encoder, into| encoder.write(stream, body, into))
    }

    /// Puts data in.
    pub(crate) fn put_input(&self, stream: StreamId, data: &[u8]) -> Result<(), FrameError> {
        self.encode(|encoder, into| encoder.write_data(stream, Kind::Input, data, into))
    }

    fn encode(
        &self,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        let mut state = self.state.lock();
        let State {
            encoder,
            bytes,
            is_closed,
        } = &mut *state;
        if *is_closed {
            return Ok(());
        }
        write(encoder, bytes)?;
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until there is room for data.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            {
                let state = self.state.lock();
                if state.is_closed || state.bytes.len() < FULL_BYTES {
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Takes no more, and ends [`write_all`](Self::write_all) once what waits is written.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    /// Writes what is put in, until it is closed.
    pub(crate) async fn write_all(
        &self,
        writer: &mut Pin<Box<dyn AsyncWrite + Send>>,
    ) -> io::Result<()> {
        let mut spare = Vec::new();
        loop {
            let is_closed = {
                let mut state = self.state.lock();
                std::mem::swap(&mut state.bytes, &mut spare);
                state.is_closed
            };
            self.emptied.notify_waiters();
            if !spare.is_empty() {
                writer.write_all(&spare).await?;
                writer.flush().await?;
                spare.clear();
                spare.shrink_to(FULL_BYTES);
            } else if is_closed {
                return Ok(());
            } else {
                self.filled.notified().await;
            }
        }
    }
}
