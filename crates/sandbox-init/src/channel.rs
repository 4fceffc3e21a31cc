//! A stream's data in both directions, with its credit.

use std::collections::VecDeque;

use frames::{
    Body, Kind, StreamId,
    credit::{ENTRY_BYTES, INPUT_WINDOW, OUTPUT_WINDOW, OverCredit, Receiving, Sending},
    message::Event,
};

use crate::outbox::Outbox;

/// What a stream has been sent and may send.
pub struct Channel {
    pub stream: StreamId,
    sending: Sending,
    /// Whether a host is there that knows of the stream.
    attached: bool,
    receiving: Receiving,
    inbox: VecDeque<Vec<u8>>,
    /// How much of the inbox's first piece was used.
    used: usize,
    closed: bool,
}

impl Channel {
    /// A stream that begins.
    pub fn new(stream: StreamId) -> Self {
        Self {
            stream,
            sending: Sending::new(0, OUTPUT_WINDOW),
            attached: true,
            receiving: Receiving::new(0, INPUT_WINDOW),
            inbox: VecDeque::new(),
            used: 0,
            closed: false,
        }
    }

    /// Nobody is there to be sent anything.
    pub fn detach(&mut self) {
        self.sending = Sending::new(self.sending.sent(), 0);
        self.attached = false;
    }

    /// Somebody is there who has seen the output up to this byte, and is told what input arrived.
    pub fn attach(&mut self, seen: u64, outbox: &mut Outbox) {
        self.sending = Sending::new(seen, OUTPUT_WINDOW);
        self.attached = true;
        let input = self.receiving.received();
        outbox.event(self.stream, Event::Resumed { from: seen, input });
        let limit = self.receiving.limit();
        outbox.frame(self.stream, &Body::Credit(limit));
    }

    /// Whether a host is there that knows of the stream.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// Takes a credit.
    pub fn allow(&mut self, limit: u64) {
        if self.attached {
            self.sending.allow(limit);
        }
    }

    /// Up to which byte output was sent.
    pub fn sent(&self) -> u64 {
        self.sending.sent()
    }

    /// How many bytes of output may be sent.
    pub fn room(&self, outbox: &Outbox) -> usize {
        if outbox.has_room() && outbox.is_open() {
            self.sending.room()
        } else {
            0
        }
    }

    /// Sends data; it is the caller's to send no more than there is room.
    pub fn send(&mut self, outbox: &mut Outbox, kind: Kind, data: &[u8]) {
        self.sending.advance(data.len());
        outbox.data(self.stream, kind, data);
    }

    /// Sends an event of so many entries, which count as output.
    pub fn send_entries(&mut self, outbox: &mut Outbox, count: usize, event: Event) {
        self.sending.advance(count * ENTRY_BYTES);
        outbox.event(self.stream, event);
    }

    /// Counts output that was dropped as if it had been sent.
    pub fn drop_output(&mut self, outbox: &mut Outbox, bytes: u64) {
        self.sending.skip(bytes);
        outbox.event(self.stream, Event::Dropped { bytes });
    }

    /// Takes input.
    pub fn receive(&mut self, data: Vec<u8>) -> Result<(), OverCredit> {
        self.receiving.receive(data.len())?;
        if !data.is_empty() && !self.closed {
            self.inbox.push_back(data);
        }
        Ok(())
    }

    /// No more input comes.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether all input was used and no more comes.
    pub fn is_over(&self) -> bool {
        self.closed && self.inbox.is_empty()
    }

    /// Whether there is input.
    pub fn has_input(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next piece of input.
    pub fn input(&self) -> Option<&[u8]> {
        self.inbox.front().map(|piece| &piece[self.used..])
    }

    /// Notes that so much of that piece was used; the host may send as much again.
    pub fn use_input(&mut self, bytes: usize, outbox: &mut Outbox) {
        self.used += bytes;
        if self
            .inbox
            .front()
            .is_some_and(|piece| piece.len() <= self.used)
        {
            self.inbox.pop_front();
            self.used = 0;
        }
        if let Some(limit) = self.receiving.use_up(bytes)
            && !self.closed
        {
            outbox.frame(self.stream, &Body::Credit(limit));
        }
    }

    /// Throws away all input that is there.
    pub fn discard_input(&mut self, outbox: &mut Outbox) {
        while let Some(length) = self.input().map(<[u8]>::len) {
            self.use_input(length, outbox);
        }
    }
}
