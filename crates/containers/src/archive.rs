//! Files into and out of a container's folders and volumes as tar archives: the engine packs them, so that
//! it works at engines on other computers too.

use std::io::Read;

use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture};

use crate::{connect::Engine, error::EngineError};

/// What an archive of one file has beside it, at most.
const PACKING_BYTES: usize = 16 << 10;

impl Engine {
    /// Unpacks a tar archive into a folder of a container, which need not run.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn upload_archive<'a>(
        &'a self,
        container: &'a str,
        folder: &'a str,
        archive: Bytes,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = UploadToContainerOptionsBuilder::new().path(folder).build();
            let body = bollard::body_full(archive);
            let uploaded = self
                .docker
                .upload_to_container(container, Some(options), body)
                .await;
            uploaded.map_err(|error| {
                EngineError::from_bollard(format!("copy files into {container}"), error)
            })
        })
    }

    /// What is in a file of a container, which need not run; `None` if there is no such file, or it isn't
    /// one: a link isn't followed.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::TooLarge`] if it is larger than `most_bytes`.
    pub fn read_file<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
        most_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, EngineError>> {
        Box::pin(async move {
            let doing = || format!("read {path} in {container}");
            let too_large = || EngineError::TooLarge {
                doing: doing(),
                limit_bytes: most_bytes,
            };
            let options = DownloadFromContainerOptionsBuilder::new()
                .path(path)
                .build();
            let mut packed = Vec::new();
            let mut pieces = Box::pin(
                self.docker
                    .download_from_container(container, Some(options)),
            );
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => packed.extend_from_slice(&piece),
                    Err(error) => {
                        return match EngineError::from_bollard(doing(), error) {
                            error if error.is_not_found() => Ok(None),
                            error => Err(error),
                        };
                    }
                }
                // Headers and padding of one file.
                if packed.len() > most_bytes + PACKING_BYTES {
                    return Err(too_large());
                }
            }
            match first_file(&packed, most_bytes) {
                Some(file) if file.len() > most_bytes => Err(too_large()),
                file => Ok(file),
            }
        })
    }

    /// Size of a file in a container, which need not run; `None` if there is no such file.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn file_size<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Option<u64>, EngineError>> {
        Box::pin(async move {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
            let found = self
                .docker
                .get_container_archive_info(container, Some(options))
                .await;
            match found {
                Ok(found) => Ok(u64::try_from(found.size).ok()),
                Err(error) => {
                    let doing = format!("look for {path} in {container}");
                    match EngineError::from_bollard(doing, error) {
                        error if error.is_not_found() => Ok(None),
                        error => Err(error),
                    }
                }
            }
        })
    }
}

/// The archive's first entry, if it is a file; one byte more than asked for shows that it is larger.
fn first_file(packed: &[u8], most_bytes: usize) -> Option<Vec<u8>> {
    let mut archive = tar::Archive::new(packed);
    let entry = archive.entries().ok()?.next()?.ok()?;
    if entry.header().entry_type() != tar::EntryType::Regular {
        return None;
    }
    let mut bytes = Vec::new();
    let most = most_bytes as u64 + 1;
    entry.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(kind: tar::EntryType, bytes: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(kind);
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_data(&mut header, "a", bytes).unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn only_a_file_is_read_and_only_so_much_of_it() {
        use tar::EntryType::{Directory, Fifo, Regular};
        assert_eq!(first_file(&packed(Regular, b"abc"), 3), Some(b"abc".into()));
        assert_eq!(first_file(&packed(Regular, b"abcdef"), 3).unwrap().len(), 4);
        for kind in [Directory, Fifo] {
            assert_eq!(first_file(&packed(kind, b""), 3), None);
        }
        for broken in [&b""[..], b"x", &[7; 4096]] {
            assert_eq!(first_file(broken, 3), None);
        }
    }
}
