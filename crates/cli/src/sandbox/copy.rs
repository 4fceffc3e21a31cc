//! `sandbox cp`: one file in or out.

use std::path::Path;

use tokio::io::AsyncWriteExt;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    sandbox::FileEntry,
};

use super::api::{self, Api};
use crate::print;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    /// stdin or stdout.
    Pipe,
    Here(&'a Path),
    There {
        id: &'a str,
        path: &'a str,
    },
}

impl<'a> End<'a> {
    fn read(text: &'a str) -> Self {
        let is_id = |id: &str| {
            !id.is_empty()
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        match text.split_once(':') {
            _ if text == "-" => Self::Pipe,
            Some((id, path)) if is_id(id) && path.starts_with('/') => Self::There { id, path },
            _ => Self::Here(Path::new(text)),
        }
    }
}

fn url(id: &str, path: &str) -> String {
    format!(
        "/sessions/{}/files/content?path={}",
        machine_client::segment(id),
        machine_client::segment(path)
    )
}

/// Copies a file.
pub async fn copy(api: &Api, from: &str, to: &str) -> Result<u8, Failure> {
    match (End::read(from), End::read(to)) {
        (End::There { id, path }, End::Here(file)) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            let file = if file.is_dir() {
                file.join(name)
            } else {
                file.to_owned()
            };
            download(api, &url(id, path), &file).await?;
        }
        (End::There { id, path }, End::Pipe) => {
            let mut answer = api.download(&url(id, path)).await?;
            let mut out = tokio::io::stdout();
            while let Some(bytes) = answer.chunk().await.map_err(api::failure)? {
                out.write_all(&bytes)
                    .await
                    .map_err(|error| unwritten("stdout", &error))?;
            }
            out.flush()
                .await
                .map_err(|error| unwritten("stdout", &error))?;
        }
        (End::Here(file), End::There { id, path }) => {
            let bytes = tokio::fs::read(file).await.map_err(|error| {
                let message = format!("{} can't be read", file.display());
                Failure::new(FailureCode::Invalid, message).because(error.to_string())
            })?;
            let name = file
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let path = match (path.strip_suffix('/'), name) {
                (Some(folder), Some(name)) => format!("{folder}/{name}"),
                _ => path.to_owned(),
            };
            upload(api, &url(id, &path), bytes).await?;
        }
        (End::Pipe, End::There { id, path }) => {
            let mut bytes = Vec::new();
            let read =
                tokio::io::AsyncReadExt::read_to_end(&mut tokio::io::stdin(), &mut bytes).await;
            read.map_err(|error| {
                Failure::new(FailureCode::Invalid, "stdin can't be read").because(error.to_string())
            })?;
            upload(api, &url(id, path), bytes).await?;
        }
        _ => {
            return Err(
                Failure::new(FailureCode::Invalid, "One end has to be in a sandbox").next(Advice::text(
                    "Name it as ID:/path, for example: vivarium sandbox cp data.csv ID:/workspace/"),
                ),
            );
        }
    }
    Ok(0)
}

async fn upload(api: &Api, url: &str, bytes: Vec<u8>) -> Result<(), Failure> {
    let entry: FileEntry = api.upload(url, bytes).await?;
    print::note(&format!(
        "{} was written, {} bytes.",
        entry.path, entry.size_bytes
    ));
    Ok(())
}

/// Writes beside the file first, so that a copy that breaks off leaves what was there.
async fn download(api: &Api, url: &str, file: &Path) -> Result<(), Failure> {
    let mut answer = api.download(url).await?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    let failed = |error: std::io::Error| unwritten(&file.display().to_string(), &error);
    let written = async {
        let mut out = tokio::fs::File::create(&part).await.map_err(failed)?;
        while let Some(bytes) = answer.chunk().await.map_err(api::failure)? {
            out.write_all(&bytes).await.map_err(failed)?;
        }
        out.flush().await.map_err(failed)?;
        tokio::fs::rename(&part, file).await.map_err(failed)
    };
    let written = written.await;
    if written.is_err() {
        let _ = tokio::fs::remove_file(&part).await;
    }
    written
}

fn unwritten(name: &str, error: &std::io::Error) -> Failure {
    let message = format!("{name} can't be written");
    Failure::new(FailureCode::Invalid, message).because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_here_or_there() {
        let there = End::There {
            id: "i1",
            path: "/tmp/a b",
        };
        assert_eq!(End::read("i1:/tmp/a b"), there);
        for here in ["a", "C:/x", "./i1:/x", "i1:x", "dir/i1:/x", ":/x"] {
            assert_eq!(End::read(here), End::Here(Path::new(here)), "{here}");
        }
        assert_eq!(End::read("-"), End::Pipe);
    }
}
