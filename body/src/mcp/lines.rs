//! What a server writes, line by line. A line that is too long is not kept, but its beginning and
//! its end are: they tell whose answer it was.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

const CHUNK: usize = 64 << 10;
/// How much of a line that is too long is kept, at either end.
const KEPT: usize = 4 << 10;

/// A line.
#[derive(Debug)]
pub enum Line {
    Whole(Bytes),
    /// It was longer than a message may be.
    TooLong {
        head: Bytes,
        tail: Bytes,
        bytes: usize,
    },
}

/// Reads lines.
pub struct Lines<R> {
    from: R,
    buffer: BytesMut,
    /// How far the buffer was searched for an end.
    searched: usize,
    longest: usize,
    /// Of a line that is too long: its beginning, and how many bytes went by.
    cut: Option<(Bytes, usize)>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(from: R, longest: usize) -> Self {
        Self {
            from,
            buffer: BytesMut::with_capacity(CHUNK),
            searched: 0,
            longest,
            cut: None,
        }
    }

    /// The next line without its end; none when the writer closed.
    pub async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let end = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                if let Some((head, before)) = self.cut.take() {
                    return Ok(Some(Line::TooLong {
                        head,
                        bytes: before + line.len(),
                        tail: line.freeze(),
                    }));
                }
                return Ok(Some(Line::Whole(trimmed(line.freeze()))));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.longest || (self.cut.is_some() && self.buffer.len() > CHUNK)
            {
                self.shorten();
            }
            self.buffer
                .reserve(CHUNK.max(self.buffer.len().min(8 << 20)));
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn shorten(&mut self) {
        let gone = self.buffer.len() - KEPT;
        let (head, before) = match self.cut.take() {
            Some(cut) => cut,
            None => (Bytes::copy_from_slice(&self.buffer[..KEPT]), 0),
        };
        self.buffer = BytesMut::from(&self.buffer[gone..]);
        self.searched = self.buffer.len();
        self.cut = Some((head, before + gone));
    }
}

fn trimmed(line: Bytes) -> Bytes {
    let kept = line.trim_ascii().len();
    let before = line.len() - line.trim_ascii_start().len();
    line.slice(before..before + kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_what_is_too_long_is_told_by_its_ends() {
        let long = format!("{{\"id\":1,{}}}\n", "x".repeat(300_000));
        let text = format!("one\r\n\n{long}two\nthree");
        let mut lines = Lines::new(text.as_bytes(), 100_000);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(match line {
                Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                Line::TooLong { head, tail, bytes } => {
                    assert!(head.starts_with(b"{\"id\":1") && tail.ends_with(b"x}\n"));
                    assert_eq!(bytes, long.len());
                    "long".to_owned()
                }
            });
        }
        assert_eq!(seen, ["one", "", "long", "two"]);
    }
}
