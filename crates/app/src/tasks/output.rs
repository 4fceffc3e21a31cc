//! What a command or code puts out: it goes to the task's log as it comes, and its end into the result.

use tasks::Tell;
use wire::task::LogStream;

use crate::TextReader;

/// Bytes of each stream that a result keeps.
const KEPT_BYTES: usize = 64 << 10;

/// One stream.
pub(super) struct Stream {
    stream: LogStream,
    reader: TextReader,
    kept: String,
    truncated: bool,
}

impl Stream {
    pub(super) fn new(stream: LogStream) -> Self {
        Self {
            stream,
            reader: TextReader::default(),
            kept: String::new(),
            truncated: false,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8], tell: &Tell) {
        let text = self.reader.read(bytes);
        self.text(&text, tell);
    }

    pub(super) fn text(&mut self, text: &str, tell: &Tell) {
        if text.is_empty() {
            return;
        }
        tell.line(self.stream, text);
        self.kept += text;
        if self.kept.len() > 2 * KEPT_BYTES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.kept.len() > KEPT_BYTES {
            let from = self.kept.ceil_char_boundary(self.kept.len() - KEPT_BYTES);
            self.kept.drain(..from);
            self.truncated = true;
        }
    }

    /// Its end, and whether more was written.
    pub(super) fn end(mut self, tell: &Tell) -> (String, bool) {
        let rest = self.reader.rest();
        self.text(&rest, tell);
        self.cut();
        (self.kept, self.truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_that_more_was_written_is_said() {
        let tell = Tell::default();
        let mut stream = Stream::new(LogStream::Stdout);
        for _ in 0..100 {
            stream.take("ä".repeat(2000).as_bytes(), &tell);
        }
        stream.take(b"end\xc3", &tell);
        let (kept, truncated) = stream.end(&tell);
        assert!(truncated && kept.len() <= KEPT_BYTES);
        assert!(kept.ends_with("end\u{fffd}"), "{}", &kept[kept.len() - 9..]);
    }
}
