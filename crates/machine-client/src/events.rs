//! Reads an event stream (`text/event-stream`), as the HTML standard's section
//! "Server-sent events" has it; only what the body sends: `event`, `data`.

/// The most that one event may have, its name and an unfinished line included: a cell's output or an
/// MCP message of 64 MiB, and room for how JSON writes it.
const EVENT_BYTES: usize = 96 << 20;

/// An event is larger than anything that is sent.
#[derive(Debug, thiserror::Error)]
#[error("an event of the stream is larger than {} MiB", limit_bytes >> 20)]
pub struct EventTooLarge {
    limit_bytes: usize,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamedEvent {
    /// `event:`.
    pub name: String,
    /// `data:` lines, joined with newlines.
    pub data: String,
}

/// Bytes in, events out.
#[derive(Debug)]
pub struct EventReader {
    rest: Vec<u8>,
    event: StreamedEvent,
    limit_bytes: usize,
}

impl Default for EventReader {
    fn default() -> Self {
        Self::with_limit(EVENT_BYTES)
    }
}

impl EventReader {
    /// For events of so many bytes at most.
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self {
            rest: Vec::new(),
            event: StreamedEvent::default(),
            limit_bytes,
        }
    }

    /// Takes a chunk; answers the events that it completes.
    ///
    /// # Errors
    /// [`EventTooLarge`]; the stream can't be read on then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamedEvent>, EventTooLarge> {
        // Only the new bytes can hold the next newline: a long line is looked at once.
        let mut from = self.rest.len();
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        let mut start = 0;
        while let Some(at) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            let end = from + at;
            let line = String::from_utf8_lossy(&self.rest[start..end]).into_owned();
            if let Some(event) = self.line(line.strip_suffix('\r').unwrap_or(&line)) {
                events.push(event);
            }
            start = end + 1;
            from = start;
        }
        self.rest.drain(..start);
        let kept = self.rest.len() + self.event.data.len() + self.event.name.len();
        if kept > self.limit_bytes {
            return Err(EventTooLarge {
                limit_bytes: self.limit_bytes,
            });
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<StreamedEvent> {
        if line.is_empty() {
            let mut event = std::mem::take(&mut self.event);
            event.data.pop();
            return (!event.data.is_empty() || !event.name.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.into(),
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_end_is_not_kept() {
        for piece in ["data: x\n", "data: x", "event: name\n"] {
            let mut reader = EventReader::with_limit(1000);
            let refused = (0..1000).find(|_| reader.push(piece.as_bytes()).is_err());
            let is_name = piece.starts_with("event");
            assert_eq!(refused.is_none(), is_name, "{piece}");
        }
        let mut reader = EventReader::with_limit(1000);
        for _ in 0..1000 {
            assert_eq!(reader.push(b"data: x\n\n").unwrap().len(), 1);
        }
    }

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        let text = b"event: output\nid: 1\ndata: {\"a\":1}\n\n: hello\n\nevent: done\r\ndata: x\r\ndata: y\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = EventReader::default();
            let events: Vec<StreamedEvent> = text
                .chunks(size)
                .flat_map(|chunk| reader.push(chunk).unwrap())
                .collect();
            let event = |name: &str, data: &str| StreamedEvent {
                name: name.into(),
                data: data.into(),
            };
            assert_eq!(
                events,
                [event("output", "{\"a\":1}"), event("done", "x\ny")],
                "{size}"
            );
        }
    }
}
