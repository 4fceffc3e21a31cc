//! Frames that wait to be written.

use std::os::fd::AsFd;

use frames::{
    Body, Encoder, FrameError, Kind, Mark, StreamId,
    message::{Event, Goodbye, RefusalCode},
};
use rustix::io::Errno;

/// From here on nobody makes more data, so that a short answer waits for no more than this.
const ENOUGH_BYTES: usize = 192 << 10;

/// Frames of the conversation, encoded. Without a conversation it takes none.
pub struct Outbox {
    encoder: Encoder,
    open: bool,
    bytes: Vec<u8>,
    written: usize,
}

impl Outbox {
    /// An outbox before the first conversation.
    pub fn new() -> Self {
        Self {
            encoder: Encoder::new(Encoder::UNKNOWN_EPOCH),
            open: false,
            bytes: Vec::new(),
            written: 0,
        }
    }

    /// Begins a conversation with a mark. Frames of the one before are still sent: they may be half
    /// written.
    pub fn begin(&mut self, epoch: u32, mark: Mark) {
        self.encoder = Encoder::new(epoch);
        self.open = true;
        self.bytes.extend_from_slice(mark.bytes());
    }

    /// Ends the conversation.
    pub fn end(&mut self, goodbye: Goodbye) {
        self.frame(StreamId::CONNECTION, &Body::Goodbye(goodbye));
        self.open = false;
    }

    /// Whether there is a conversation.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Adds a frame.
    pub fn frame(&mut self, stream: StreamId, body: &Body) {
        if !self.open {
            return;
        }
        if let Err(error) = self.encoder.write(stream, body, &mut self.bytes) {
            self.too_long(stream, &error);
        }
    }

    /// Adds an event.
    pub fn event(&mut self, stream: StreamId, event: Event) {
        self.frame(stream, &Body::Event(event));
    }

    /// Adds a frame of data.
    pub fn data(&mut self, stream: StreamId, kind: Kind, data: &[u8]) {
        if !self.open {
            return;
        }
        if let Err(error) = self.encoder.write_data(stream, kind, data, &mut self.bytes) {
            self.too_long(stream, &error);
        }
    }

    /// An answer that is too long for a frame is said to be.
    fn too_long(&mut self, stream: StreamId, error: &FrameError) {
        let refused = Body::Event(Event::Refused {
            code: RefusalCode::Limit,
            message: error.to_string(),
        });
        // A sentence is never too long.
        let _ = self.encoder.write(stream, &refused, &mut self.bytes);
    }

    /// Whether more data may be added.
    pub fn has_room(&self) -> bool {
        self.bytes.len() - self.written < ENOUGH_BYTES
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes what can be written without waiting.
    pub fn flush(&mut self, pipe: impl AsFd) -> Result<(), Errno> {
        while self.written < self.bytes.len() {
            match rustix::io::write(&pipe, &self.bytes[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.written >= ENOUGH_BYTES {
                        self.bytes.drain(..self.written);
                        self.written = 0;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        self.bytes.clear();
        // What a burst needed is given back.
        self.bytes.shrink_to(ENOUGH_BYTES * 2);
        Ok(())
    }
}
