//! Event streams as servers write them: what comes in pieces of any size goes out as events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` where it has none.
    pub kind: Option<String>,
    pub data: Bytes,
    pub id: Option<String>,
    /// How long to wait before the stream is asked for again.
    pub retry: Option<Duration>,
}

/// An event is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// Reads them.
pub struct Events {
    buffer: BytesMut,
    /// How far the buffer was searched for the end of a line.
    searched: usize,
    longest: usize,
    event: Event,
    /// Data in several lines.
    joined: BytesMut,
    lines: usize,
}

impl Events {
    pub fn new(longest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            longest,
            event: Event::default(),
            joined: BytesMut::new(),
            lines: 0,
        }
    }

    /// More of the stream came.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event of what came so far.
    pub fn next(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                if self.lines > 0 || self.event.id.is_some() || self.event.retry.is_some() {
                    return Ok(Some(self.whole()));
                }
                self.event = Event::default();
                continue;
            }
            self.field(&line);
            if self.joined.len() > self.longest {
                return Err(TooLong);
            }
        }
        if self.buffer.len() > self.longest {
            return Err(TooLong);
        }
        Ok(None)
    }

    fn line(&mut self) -> Option<Bytes> {
        let rest = &self.buffer[self.searched..];
        let Some(place) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + place;
        let mut ends = 1;
        if self.buffer[end] == b'\r' {
            match self.buffer.get(end + 1) {
                Some(b'\n') => ends = 2,
                Some(_) => {}
                // It may be half of a line's end.
                None => {
                    self.searched = end;
                    return None;
                }
            }
        }
        let mut line = self.buffer.split_to(end + ends);
        line.truncate(end);
        self.searched = 0;
        Some(line.freeze())
    }

    fn field(&mut self, line: &Bytes) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, mut value) = match colon {
            Some(at) => (&line[..at], line.slice(at + 1..)),
            None => (&line[..], Bytes::new()),
        };
        if value.first() == Some(&b' ') {
            value = value.slice(1..);
        }
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name {
            b"event" => self.event.kind = Some(text()),
            b"id" if !value.contains(&0) => self.event.id = Some(text()),
            b"retry" => self.event.retry = text().parse().ok().map(Duration::from_millis),
            b"data" => {
                self.lines += 1;
                match self.lines {
                    1 => self.event.data = value,
                    2 => {
                        self.joined.extend_from_slice(&self.event.data);
                        self.joined.extend_from_slice(b"\n");
                        self.joined.extend_from_slice(&value);
                    }
                    _ => {
                        self.joined.extend_from_slice(b"\n");
                        self.joined.extend_from_slice(&value);
                    }
                }
            }
            _ => {}
        }
    }

    fn whole(&mut self) -> Event {
        let mut event = std::mem::take(&mut self.event);
        if self.lines > 1 {
            event.data = self.joined.split().freeze();
        }
        self.lines = 0;
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> Vec<Event> {
        let mut events = Events::new(1000);
        let mut seen = Vec::new();
        for chunk in chunks {
            events.feed(chunk.as_bytes());
            while let Some(event) = events.next().unwrap() {
                seen.push(event);
            }
        }
        seen
    }

    #[test]
    fn events_come_whole_however_the_stream_is_cut() {
        let text = ": hello\r\n\r\nevent: message\r\nid: 1\r\ndata: {\"a\":1}\r\n\r\ndata:x\rdata: y\r\rretry: 50\nid:2\n\nevent: lost";
        let whole = read(&[text]);
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0].kind.as_deref(), Some("message"));
        assert_eq!(
            (&*whole[0].data, whole[0].id.as_deref()),
            (&b"{\"a\":1}"[..], Some("1"))
        );
        assert_eq!(&*whole[1].data, b"x\ny");
        assert_eq!(whole[2].retry, Some(Duration::from_millis(50)));
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(read(&letters), whole);
    }

    #[test]
    fn what_is_too_long_is_told() {
        let mut events = Events::new(10);
        events.feed(b"data: 0123456789");
        assert_eq!(events.next(), Err(TooLong));
        let mut events = Events::new(10);
        events.feed(b"data: 012345\ndata: 6789\n");
        assert_eq!(events.next(), Err(TooLong));
    }
}
