//! Uploads that are compressed, unpacked piece by piece.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt, stream};

/// How much is given to the decoder at once. A thousand times as much may come out of it.
const PIECE_BYTES: usize = 4096;

/// What a gzip stream holds; or an error if it isn't one, or is cut.
pub(super) fn unpacked<S, E>(packed: S) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let state = Some(State {
        packed: packed.boxed(),
        rest: Bytes::new(),
        decoder: MultiGzDecoder::new(Vec::new()),
    });
    stream::unfold(state, |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), Some(state))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

struct State<S> {
    packed: S,
    rest: Bytes,
    decoder: MultiGzDecoder<Vec<u8>>,
}

impl<S, E> State<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.rest.is_empty() {
                match self.packed.next().await {
                    Some(bytes) => self.rest = bytes.map_err(io::Error::other)?,
                    None => {
                        self.decoder.try_finish()?;
                        let last = std::mem::take(self.decoder.get_mut());
                        return Ok((!last.is_empty()).then(|| last.into()));
                    }
                }
            }
            let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
            self.decoder.write_all(&piece)?;
            if !self.decoder.get_ref().is_empty() {
                return Ok(Some(std::mem::take(self.decoder.get_mut()).into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn unpack(bytes: &[u8], size: usize) -> io::Result<(Vec<u8>, usize)> {
        let pieces: Vec<Result<Bytes, Infallible>> = bytes
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut unpacked = Box::pin(unpacked(stream::iter(pieces)));
        let (mut all, mut longest) = (Vec::new(), 0);
        while let Some(bytes) = unpacked.next().await {
            let bytes = bytes?;
            longest = longest.max(bytes.len());
            all.extend_from_slice(&bytes);
        }
        Ok((all, longest))
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_however_it_is_cut() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for size in [7, 4096, 1 << 20] {
            assert_eq!(
                unpack(&packed(&text), size).await.unwrap().0,
                text,
                "{size}"
            );
        }
        assert_eq!(unpack(&packed(b""), 3).await.unwrap().0, b"");
    }

    #[tokio::test]
    async fn a_bomb_never_lies_in_memory_as_a_whole() {
        let bomb = packed(&vec![0; 64 << 20]);
        let (all, longest) = unpack(&bomb, usize::MAX).await.unwrap();
        assert_eq!(all.len(), 64 << 20);
        assert!(longest <= PIECE_BYTES * 1100, "{longest}");
    }

    #[tokio::test]
    async fn what_is_cut_or_no_gzip_is_refused() {
        let whole = packed(&[1; 1000]);
        assert!(unpack(&whole[..whole.len() - 4], 100).await.is_err());
        assert!(unpack(b"plain text, not gzip", 100).await.is_err());
    }
}
