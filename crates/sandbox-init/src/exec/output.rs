//! What an exec wrote: what was sent last, kept for a host that comes back, and what waits.

use std::collections::VecDeque;

use frames::Kind;

/// How much of what was sent is kept.
const KEPT_BYTES: usize = 64 << 10;
/// How much may wait for credit.
const WAITING_BYTES: usize = 64 << 10;
/// Small pieces are joined up to this size.
const JOINED_BYTES: usize = 4 << 10;

struct Piece {
    kind: Kind,
    bytes: Vec<u8>,
}

/// Both outputs of an exec, in the order in which they were read.
#[derive(Default)]
pub struct Output {
    kept: VecDeque<Piece>,
    kept_bytes: usize,
    waiting: VecDeque<Piece>,
    waiting_bytes: usize,
    /// How much of what waited was dropped since it was said.
    dropped: u64,
}

impl Output {
    /// How much more may be read now.
    pub fn room(&self) -> usize {
        WAITING_BYTES.saturating_sub(self.waiting_bytes)
    }

    /// Adds what was read.
    pub fn add(&mut self, kind: Kind, bytes: &[u8]) {
        self.waiting_bytes += bytes.len();
        match self.waiting.back_mut() {
            Some(last) if last.kind == kind && last.bytes.len() + bytes.len() <= JOINED_BYTES => {
                last.bytes.extend_from_slice(bytes);
            }
            _ => self.waiting.push_back(Piece {
                kind,
                bytes: bytes.to_vec(),
            }),
        }
    }

    /// Drops the oldest of what waits, so that there is room for so much; how much that was.
    pub fn drop_for(&mut self, bytes: usize) -> u64 {
        let mut dropped = 0;
        while self.room() < bytes {
            let Some(piece) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= piece.bytes.len();
            dropped += piece.bytes.len() as u64;
        }
        if dropped > 0 {
            // What was sent before lies before the gap: nobody could count over it.
            self.kept.clear();
            self.kept_bytes = 0;
        }
        self.dropped += dropped;
        dropped
    }

    /// How much was dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Hands over at most so many bytes, which from then on count as sent; how many those were.
    pub fn send(&mut self, most: usize, send: impl FnOnce(Kind, &[u8])) -> usize {
        let Some(mut piece) = self.waiting.pop_front() else {
            return 0;
        };
        if most < piece.bytes.len() {
            let rest = piece.bytes.split_off(most);
            self.waiting.push_front(Piece {
                kind: piece.kind,
                bytes: rest,
            });
        }
        let length = piece.bytes.len();
        send(piece.kind, &piece.bytes);
        self.waiting_bytes -= length;
        self.kept_bytes += length;
        self.kept.push_back(piece);
        while let Some(oldest) = self.kept.front()
            && self.kept_bytes - oldest.bytes.len() >= KEPT_BYTES
        {
            self.kept_bytes -= oldest.bytes.len();
            self.kept.pop_front();
        }
        length
    }

    /// Whether nothing waits.
    pub fn is_sent(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many bytes were sent and are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// How many bytes wait, or did before they were dropped.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes as u64 + self.dropped
    }

    /// Lets so many of the bytes that were sent last wait again; how many of them are kept.
    pub fn rewind(&mut self, bytes: usize) -> usize {
        let mut rewound = 0;
        while rewound < bytes
            && let Some(mut piece) = self.kept.pop_back()
        {
            let wanted = (bytes - rewound).min(piece.bytes.len());
            let rest = piece.bytes.split_off(piece.bytes.len() - wanted);
            if !piece.bytes.is_empty() {
                self.kept.push_back(Piece {
                    kind: piece.kind,
                    bytes: piece.bytes,
                });
            }
            self.waiting.push_front(Piece {
                kind: piece.kind,
                bytes: rest,
            });
            rewound += wanted;
        }
        self.kept_bytes -= rewound;
        self.waiting_bytes += rewound;
        rewound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(output: &mut Output, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while output.send(most, |_, bytes| all.extend_from_slice(bytes)) > 0 {}
        all
    }

    #[test]
    fn what_was_sent_can_be_sent_again_as_far_as_it_is_kept() {
        let mut output = Output::default();
        output.add(Kind::Output, b"abc");
        output.add(Kind::ErrorOutput, b"def");
        assert_eq!(sent(&mut output, 2), b"abcdef");
        assert_eq!(output.rewind(4), 4);
        assert_eq!(sent(&mut output, 100), b"cdef");
        assert_eq!(output.rewind(100), 6);
        assert_eq!(output.waiting_bytes(), 6);
        assert_eq!(sent(&mut output, 1), b"abcdef");
    }

    #[test]
    fn no_more_is_kept_than_it_may_be() {
        let mut output = Output::default();
        for _ in 0..100 {
            output.add(Kind::Output, &[7; 5000]);
            assert_eq!(sent(&mut output, 3000).len(), 5000);
        }
        assert!(output.kept_bytes() >= KEPT_BYTES);
        assert!(output.kept_bytes() < KEPT_BYTES + 5000);
    }

    #[test]
    fn the_oldest_is_dropped_and_what_lies_before_the_gap_with_it() {
        let mut output = Output::default();
        output.add(Kind::Output, b"sent");
        sent(&mut output, 10);
        output.add(Kind::Output, &[1; WAITING_BYTES]);
        assert_eq!(output.room(), 0);
        assert_eq!(output.drop_for(10), WAITING_BYTES as u64);
        output.add(Kind::Output, b"new");
        assert_eq!(output.take_dropped(), WAITING_BYTES as u64);
        assert_eq!(output.take_dropped(), 0);
        assert_eq!(sent(&mut output, 10), b"new");
        assert_eq!(output.rewind(100), 3);
    }
}
