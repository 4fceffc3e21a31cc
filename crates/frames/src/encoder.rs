//! Writes one direction of a conversation.

use crate::{Body, FrameError, HEADER_BYTES, Kind, StreamId, header::Header};

/// Numbers the frames of one epoch and writes them.
#[derive(Debug)]
pub struct Encoder {
    epoch: u32,
    next: u32,
}

impl Encoder {
    /// The epoch of a frame that opens a conversation for a host that comes back.
    pub const UNKNOWN_EPOCH: u32 = 0;

    /// An encoder for a conversation's first frame.
    pub fn new(epoch: u32) -> Self {
        Self { epoch, next: 0 }
    }

    /// The conversation's epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Appends a frame. If it can't be sent, nothing is appended and no number is used.
    pub fn write(
        &mut self,
        stream: StreamId,
        body: &Body,
        into: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let start = into.len();
        into.extend_from_slice(&[0; HEADER_BYTES]);
        let kind = body.kind();
        let written = body.write(into).and_then(|()| {
            let length = into.len() - start - HEADER_BYTES;
            self.header(kind, stream, length)
        });
        match written {
            Ok(header) => into[start..][..HEADER_BYTES].copy_from_slice(&header),
            Err(_) => into.truncate(start),
        }
        written.map(|_| ())
    }

    /// Appends a frame of data without a copy of its own. The kind is one of data.
    pub fn write_data(
        &mut self,
        stream: StreamId,
        kind: Kind,
        data: &[u8],
        into: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        into.extend_from_slice(&self.header(kind, stream, data.len())?);
        into.extend_from_slice(data);
        Ok(())
    }

    fn header(
        &mut self,
        kind: Kind,
        stream: StreamId,
        length: usize,
    ) -> Result<[u8; HEADER_BYTES], FrameError> {
        let most = kind.most_bytes();
        if length > most {
            return Err(FrameError::TooLong { kind, length, most });
        }
        let header = Header {
            kind,
            length,
            epoch: self.epoch,
            stream,
            number: self.next,
        };
        self.next = self.next.wrapping_add(1);
        Ok(header.write())
    }
}
