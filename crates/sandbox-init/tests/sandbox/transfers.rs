//! Data in both directions, within its credit.

use frames::{
    Body, StreamId,
    credit::{ENTRY_BYTES, INPUT_WINDOW, OUTPUT_WINDOW, Receiving, Sending},
    message::{Entry, Event, Request},
};

use crate::client::Client;

impl Client {
    /// Sends all of a stream's input within its credit, then closes it.
    pub fn feed(&mut self, stream: StreamId, data: &[u8]) -> Event {
        let mut sending = Sending::new(0, INPUT_WINDOW);
        let mut rest = data;
        while !rest.is_empty() {
            let count = sending.room().min(rest.len()).min(frames::MOST_DATA_BYTES);
            if count > 0 {
                let (piece, after) = rest.split_at(count);
                self.types(stream, piece);
                sending.advance(count);
                rest = after;
                continue;
            }
            match self.on(stream) {
                Body::Credit(limit) => sending.allow(limit),
                Body::Event(event) => return event,
                other => panic!("{other:?} while it is fed"),
            }
        }
        self.send(stream, &Body::Close);
        self.event(stream)
    }

    /// Takes a stream's output up to its last event.
    pub fn data(&mut self, request: Request) -> (Vec<u8>, Event) {
        let stream = self.request(request);
        let mut receiving = Receiving::new(0, OUTPUT_WINDOW);
        let mut data = Vec::new();
        loop {
            match self.on(stream) {
                Body::Output(piece) => {
                    receiving.receive(piece.len()).expect("within the credit");
                    if let Some(limit) = receiving.use_up(piece.len()) {
                        self.send(stream, &Body::Credit(limit));
                    }
                    data.extend(piece);
                }
                Body::Event(Event::File(_)) => {}
                Body::Event(event) => return (data, event),
                other => panic!("{other:?} in place of data"),
            }
        }
    }

    pub fn list(&mut self, below: &str, depth: u32, most: u32) -> (Vec<Entry>, Event) {
        let path = self.name(below);
        let stream = self.request(Request::List { path, depth, most });
        let mut receiving = Receiving::new(0, OUTPUT_WINDOW);
        let mut all = Vec::new();
        loop {
            match self.event(stream) {
                Event::Entries { entries } => {
                    let bytes = entries.len() * ENTRY_BYTES;
                    receiving.receive(bytes).expect("within the credit");
                    if let Some(limit) = receiving.use_up(bytes) {
                        self.send(stream, &Body::Credit(limit));
                    }
                    all.extend(entries);
                }
                event => return (all, event),
            }
        }
    }
}
