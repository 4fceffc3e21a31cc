//! Marks: what a conversation begins with, found again in the middle of anything.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::hex;

const MAGIC: [u8; 8] = *b"\xf6viv\x1ffr\n";
/// How many bytes a mark has.
pub const MARK_BYTES: usize = MAGIC.len() + NONCE_BYTES;
const NONCE_BYTES: usize = 16;

/// Random bytes that nobody else knows, so that no data can look like a mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; NONCE_BYTES]);

impl Nonce {
    /// What the first hello is marked with, before either side could tell the other a nonce.
    pub const FIRST: Self = Self([0; NONCE_BYTES]);
}

/// It isn't shown: who knows it could begin a conversation.
impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Nonce(…)")
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(&text).and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| D::Error::custom("a nonce is 32 hexadecimal digits"))
    }
}

/// The bytes that begin a conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; MARK_BYTES]);

impl Mark {
    /// The mark with this nonce.
    pub fn new(nonce: Nonce) -> Self {
        let mut bytes = [0; MARK_BYTES];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[MAGIC.len()..].copy_from_slice(&nonce.0);
        Self(bytes)
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8; MARK_BYTES] {
        &self.0
    }
}

/// Looks for a mark in bytes that come in pieces (the algorithm of Knuth, Morris and Pratt).
pub struct Finder {
    mark: Mark,
    /// For each number of bytes that match: how many still do if the next one doesn't.
    shorter: [u8; MARK_BYTES],
    matched: usize,
}

impl Finder {
    pub fn new(mark: Mark) -> Self {
        let bytes = mark.0;
        let mut shorter = [0_u8; MARK_BYTES];
        let mut length = 0;
        for at in 1..MARK_BYTES {
            while length > 0 && bytes[at] != bytes[length] {
                length = usize::from(shorter[length - 1]);
            }
            if bytes[at] == bytes[length] {
                length += 1;
            }
            // A mark is much shorter than 256 bytes.
            shorter[at] = length as u8;
        }
        Self {
            mark,
            shorter,
            matched: 0,
        }
    }

    /// Goes through the bytes up to a mark's end: how many those are, and whether there is one.
    pub fn find(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            if self.matched == 0 {
                match memchr::memchr(self.mark.0[0], &bytes[at..]) {
                    Some(skipped) => at += skipped,
                    None => return (bytes.len(), false),
                }
            }
            while self.matched > 0 && bytes[at] != self.mark.0[self.matched] {
                self.matched = usize::from(self.shorter[self.matched - 1]);
            }
            if bytes[at] == self.mark.0[self.matched] {
                self.matched += 1;
            }
            at += 1;
            if self.matched == MARK_BYTES {
                self.matched = 0;
                return (at, true);
            }
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_however_it_is_cut_and_whatever_looks_like_it() {
        // Both nonces look like the beginning of a mark. With the first one, a mark that lacks its
        // last byte is whole with the first byte of the next.
        let repeated = std::array::from_fn(|at| MAGIC[at % MAGIC.len()]);
        for nonce in [[MAGIC[0]; 16], repeated] {
            let mark = Mark::new(Nonce(nonce));
            let mut bytes = Vec::new();
            for length in 0..MARK_BYTES {
                bytes.extend_from_slice(&mark.0[..length]);
            }
            bytes.extend_from_slice(&mark.0);
            bytes.extend_from_slice(b"after");
            let first = bytes.windows(MARK_BYTES).position(|some| some == mark.0);
            let end = first.map(|at| at + MARK_BYTES);
            for piece in 1..bytes.len() {
                let mut finder = Finder::new(mark);
                let mut seen = 0;
                let found = bytes.chunks(piece).find_map(|chunk| {
                    let (used, found) = finder.find(chunk);
                    seen += used;
                    found.then_some(seen)
                });
                assert_eq!(found, end, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn another_nonce_is_another_mark() {
        let mut finder = Finder::new(Mark::new(Nonce([7; 16])));
        let other = Mark::new(Nonce::FIRST);
        assert_eq!(finder.find(other.bytes()), (MARK_BYTES, false));
    }
}
