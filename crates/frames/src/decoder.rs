//! Reads one direction of a conversation, from pieces of any size.

use crate::{
    Body, Encoder, Frame, FrameError, HEADER_BYTES, Kind, Mark, header::Header, mark::Finder,
};

/// What was read.
#[derive(Debug, PartialEq)]
pub enum Decoded {
    /// A conversation begins: what was read before it and isn't whole is gone.
    Mark,
    /// A frame of it.
    Frame(Frame),
}

/// Takes bytes and gives frames. It holds one frame at most, and makes room for that only after its
/// header was checked.
///
/// A host that is killed may leave a frame half sent, which the next one's mark then completes with
/// up to 23 of its own bytes, before it is seen for what it is. Whoever reads loses nothing by
/// that: what was half sent belonged to an epoch that is over.
pub struct Decoder {
    finder: Finder,
    state: State,
}

enum State {
    /// Everything is skipped up to a mark: at first, and after an error.
    Lost,
    Live(Live),
}

struct Live {
    /// None until a hello or an attach has said it.
    epoch: Option<u32>,
    /// The number of the next frame.
    next: u32,
    header: [u8; HEADER_BYTES],
    /// How many bytes of the header are there.
    filled: usize,
    body: Option<(Header, Vec<u8>)>,
}

impl Decoder {
    /// A decoder that waits for a mark.
    pub fn waiting(mark: Mark) -> Self {
        Self {
            finder: Finder::new(mark),
            state: State::Lost,
        }
    }

    /// A decoder for a conversation that is open already; with the mark another one begins.
    pub fn open(epoch: u32, mark: Mark) -> Self {
        Self {
            finder: Finder::new(mark),
            state: State::Live(Live::new(Some(epoch))),
        }
    }

    /// Reads until something is whole, and shortens the input by what was read. None means that all
    /// was read. After an error everything up to the next mark is skipped.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Decoded>, FrameError> {
        while !input.is_empty() {
            let wanted = match &self.state {
                State::Lost => input.len(),
                State::Live(live) => live.missing().min(input.len()),
            };
            let all = *input;
            let (used, found) = self.finder.find(&all[..wanted]);
            let (piece, rest) = all.split_at(used);
            *input = rest;
            if found {
                self.state = State::Live(Live::new(None));
                return Ok(Some(Decoded::Mark));
            }
            let State::Live(live) = &mut self.state else {
                continue;
            };
            match live.take(piece) {
                Ok(None) => {}
                Ok(Some(frame)) => return Ok(Some(Decoded::Frame(frame))),
                Err(error) => {
                    self.state = State::Lost;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The bytes ended: an error if that was within a frame.
    pub fn end(&self) -> Result<(), FrameError> {
        match &self.state {
            State::Live(live) if live.filled > 0 || live.body.is_some() => Err(FrameError::Cut),
            _ => Ok(()),
        }
    }

    /// Skips everything up to the next mark.
    pub fn lose(&mut self) {
        self.state = State::Lost;
    }

    /// How many bytes of a frame that isn't whole are held.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Lost => 0,
            State::Live(live) => {
                live.filled + live.body.as_ref().map_or(0, |(_, bytes)| bytes.capacity())
            }
        }
    }
}

impl Live {
    fn new(epoch: Option<u32>) -> Self {
        Self {
            epoch,
            next: 0,
            header: [0; HEADER_BYTES],
            filled: 0,
            body: None,
        }
    }

    /// How many bytes the header or the body still needs.
    fn missing(&self) -> usize {
        match &self.body {
            None => HEADER_BYTES - self.filled,
            Some((header, bytes)) => header.length - bytes.len(),
        }
    }

    /// Takes at most what is missing; a frame, if that makes one whole.
    fn take(&mut self, piece: &[u8]) -> Result<Option<Frame>, FrameError> {
        match &mut self.body {
            None => {
                self.header[self.filled..][..piece.len()].copy_from_slice(piece);
                self.filled += piece.len();
                if self.filled < HEADER_BYTES {
                    return Ok(None);
                }
                let header = Header::read(&self.header)?;
                self.check(&header)?;
                self.filled = 0;
                self.body = Some((header, Vec::with_capacity(header.length)));
            }
            Some((_, bytes)) => bytes.extend_from_slice(piece),
        }
        if self.missing() > 0 {
            return Ok(None);
        }
        let Some((header, bytes)) = self.body.take() else {
            return Ok(None);
        };
        Ok(Some(Frame {
            stream: header.stream,
            body: Body::read(header.kind, bytes)?,
        }))
    }

    fn check(&mut self, header: &Header) -> Result<(), FrameError> {
        match (self.epoch, header.kind) {
            (None, Kind::Hello) if header.epoch != Encoder::UNKNOWN_EPOCH => {}
            (None, Kind::Attach) if header.epoch == Encoder::UNKNOWN_EPOCH => {}
            (None, Kind::Hello | Kind::Attach) => {
                return Err(FrameError::WrongEpoch {
                    expected: Encoder::UNKNOWN_EPOCH,
                    found: header.epoch,
                });
            }
            (None, kind) => return Err(FrameError::NotOpened { kind }),
            (Some(expected), _) if header.epoch != expected => {
                return Err(FrameError::WrongEpoch {
                    expected,
                    found: header.epoch,
                });
            }
            (Some(_), _) => {}
        }
        if header.number != self.next {
            return Err(FrameError::OutOfOrder {
                expected: self.next,
                found: header.number,
            });
        }
        self.epoch = Some(header.epoch);
        self.next = self.next.wrapping_add(1);
        Ok(())
    }
}
