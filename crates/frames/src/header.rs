//! What stands before each frame's bytes: sixteen bytes, big endian.

use crate::{FrameError, StreamId};

/// How many bytes a header has: kind (1), length (3), epoch (4), stream (4), number (4).
pub const HEADER_BYTES: usize = 16;
/// The most bytes of a control message. Linux takes a command with its variables up to 2 MB, and a
/// single argument up to 128 KiB: this much holds one of those.
pub const MOST_CONTROL_BYTES: usize = 256 << 10;
/// The most bytes of data in one frame, so that a short frame behind it isn't kept waiting.
pub const MOST_DATA_BYTES: usize = 64 << 10;

/// What a frame's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// JSON: the sandbox's first frame of an epoch.
    Hello = 1,
    /// JSON: the first frame of a host that comes back.
    Attach = 2,
    /// JSON: what the host asks for.
    Request = 3,
    /// JSON: what the sandbox answers and reports.
    Event = 4,
    /// JSON: the last frame of a conversation, with its reason.
    Goodbye = 5,
    /// Data towards the stream's process or file.
    Input = 16,
    /// Data from it.
    Output = 17,
    /// Data from a process's standard error.
    ErrorOutput = 18,
    /// No bytes: the sender has no more data for this stream.
    Close = 19,
    /// Eight bytes: up to which byte of the stream the other side may send.
    Credit = 20,
}

impl Kind {
    fn read(byte: u8) -> Option<Self> {
        use Kind::*;
        let all = [
            Hello,
            Attach,
            Request,
            Event,
            Goodbye,
            Input,
            Output,
            ErrorOutput,
            Close,
            Credit,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The most bytes that a frame of this kind has.
    pub fn most_bytes(self) -> usize {
        match self {
            Self::Hello | Self::Attach | Self::Request | Self::Event | Self::Goodbye => {
                MOST_CONTROL_BYTES
            }
            Self::Input | Self::Output | Self::ErrorOutput => MOST_DATA_BYTES,
            Self::Close => 0,
            Self::Credit => 8,
        }
    }
}

/// A header, whose length is one that its kind may have.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub kind: Kind,
    pub length: usize,
    pub epoch: u32,
    pub stream: StreamId,
    pub number: u32,
}

impl Header {
    /// The bytes that are sent. The length is at most the kind's, and so fits.
    pub fn write(&self) -> [u8; HEADER_BYTES] {
        let first = u32::from(self.kind as u8) << 24 | self.length as u32;
        let mut bytes = [0; HEADER_BYTES];
        for (at, field) in [first, self.epoch, self.stream.0, self.number]
            .into_iter()
            .enumerate()
        {
            bytes[at * 4..][..4].copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Header::write`] wrote.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let field = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[at * 4..][..4]);
            u32::from_be_bytes(four)
        };
        let kind = Kind::read(bytes[0]).ok_or(FrameError::UnknownKind { kind: bytes[0] })?;
        let length = (field(0) & 0x00ff_ffff) as usize;
        let most = kind.most_bytes();
        if length > most {
            return Err(FrameError::TooLong { kind, length, most });
        }
        Ok(Self {
            kind,
            length,
            epoch: field(1),
            stream: StreamId(field(2)),
            number: field(3),
        })
    }
}
