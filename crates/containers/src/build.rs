//! Image builds with the engine's classic builder, which every engine from
//! Docker 20.10 to 29 and Podman has, and which needs no BuildKit session.

use std::{collections::BTreeMap, fs::File};

use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;
use wire::machine::Progress;

use crate::{connect::Engine, error::EngineError, image::ordered, progress::Reader};

/// Bytes of a context that are sent at once.
const PIECE: usize = 256 << 10;

/// What to build.
#[derive(Debug)]
pub struct BuildRequest {
    /// An uncompressed tar (20.10 refuses zstd), read from where the file stands.
    pub context: File,
    /// The Dockerfile's path inside the context.
    pub dockerfile: String,
    /// Tag of the result.
    pub tag: String,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The image's id.
    pub id: String,
    /// Short ids of what its steps made or took from the cache; empty where the engine does
    /// not tell.
    pub steps: Vec<String>,
}

impl Engine {
    /// Builds an image. `tell` hears each step and line.
    ///
    /// Cancelling closes the connection, upon which the engine ends the running step.
    ///
    /// # Errors
    /// [`EngineError::Build`] with the failing step's last lines, [`EngineError::Cancelled`], or
    /// what the engine says of the request.
    pub fn build<'a>(
        &'a self,
        request: BuildRequest,
        cancel: &'a CancellationToken,
        tell: &'a mut (dyn FnMut(Progress) + Send),
    ) -> BoxFuture<'a, Result<Built, EngineError>> {
        Box::pin(async move {
            let options = BuildImageOptionsBuilder::new()
                .dockerfile(&request.dockerfile)
                .t(&request.tag)
                .rm(true)
                .forcerm(true)
                .buildargs(&ordered(&request.args))
                .labels(&ordered(&request.labels))
                .build();
            let context = bollard::body_try_stream(pieces(request.context));
            let stream = self.docker.build_image(options, None, Some(context));
            let mut stream = std::pin::pin!(stream);
            let mut reader = Reader::default();
            loop {
                let item = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Err(EngineError::Cancelled),
                    item = stream.next() => item,
                };
                let Some(item) = item else { break };
                let message = match item {
                    Ok(info) => {
                        if let Some(text) = info.stream {
                            reader.push(&text, tell);
                        }
                        let Some(error) = info.error_detail else {
                            continue;
                        };
                        error.message.unwrap_or_default()
                    }
                    Err(bollard::errors::Error::DockerStreamError { error }) => error,
                    // Docker reads the whole Dockerfile before it begins to stream.
                    Err(bollard::errors::Error::DockerResponseServerError {
                        status_code: 400 | 500,
                        message,
                    }) if message.contains("ockerfile") => message,
                    Err(error) => return Err(EngineError::from_bollard("build the image", error)),
                };
                reader.finish(tell);
                return Err(EngineError::Build {
                    step: reader.step(),
                    message: without_the_command(message),
                    lines: reader.tail(),
                });
            }
            reader.finish(tell);
            match self.image(&request.tag).await? {
                Some(image) => Ok(Built {
                    id: image.id,
                    steps: reader.images(),
                }),
                None => Err(EngineError::Build {
                    step: reader.step(),
                    message: "the build finished without an image".into(),
                    lines: reader.tail(),
                }),
            }
        })
    }
}

/// A file in pieces, so that it is never in memory as a whole.
fn pieces(file: File) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    let file = tokio::fs::File::from_std(file);
    futures_util::stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        match file.read_buf(&mut piece).await? {
            0 => Ok(None),
            _ => Ok(Some((piece.freeze(), file))),
        }
    })
}

/// Docker repeats the whole command, which may be a page long, and is in the step already.
fn without_the_command(message: String) -> String {
    match message.rsplit_once("returned a non-zero code: ") {
        Some((_, code)) => format!("the command exited with code {}", code.trim()),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_end_is_told_without_the_command() {
        let message = "The command '/bin/sh -c long' returned a non-zero code: 100";
        assert_eq!(
            without_the_command(message.into()),
            "the command exited with code 100"
        );
        assert_eq!(without_the_command("COPY failed".into()), "COPY failed");
    }
}
