//! Frames of a connection, as its bytes come.

use std::io;

use bytes::Bytes;
use frames::{Decoded, Decoder, Frame, Mark};
use futures_util::{StreamExt, stream::BoxStream};

use crate::SessionEnd;

/// Frames as they come.
pub(crate) struct Source {
    decoder: Decoder,
    transport: BoxStream<'static, io::Result<Bytes>>,
    piece: Bytes,
}

impl Source {
    /// Frames behind a mark.
    pub(crate) fn new(mark: Mark, transport: BoxStream<'static, io::Result<Bytes>>) -> Self {
        Self {
            decoder: Decoder::waiting(mark),
            transport,
            piece: Bytes::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Frame, SessionEnd> {
        loop {
            let mut left: &[u8] = &self.piece;
            let before = left.len();
            let decoded = self.decoder.read(&mut left);
            let used = before - left.len();
            let _ = self.piece.split_to(used);
            match decoded {
                Ok(Some(Decoded::Frame(frame))) => return Ok(frame),
                Ok(Some(Decoded::Mark)) => continue,
                Ok(None) => {}
                Err(error) => return Err(SessionEnd(error.to_string())),
            }
            self.piece = match self.transport.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Err(SessionEnd(format!("could not read: {error}"))),
                None => {
                    let words = match self.decoder.end() {
                        Ok(()) => "the connection ended".into(),
                        Err(error) => error.to_string(),
                    };
                    return Err(SessionEnd(words));
                }
            };
        }
    }
}
