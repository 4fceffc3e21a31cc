//! A project's own Dockerfile, onto whose image the tool's layers go. It is built without any other file of
//! the project: what a build copies would be in the image of every agent, and the project's folder holds
//! more than what belongs there.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{ImageError, folder::Folder};

/// The most bytes of one.
const LARGEST: u64 = 64 << 10;

/// A Dockerfile's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDockerfile {
    path: PathBuf,
    text: String,
}

impl OwnDockerfile {
    /// Reads one below a workspace; no link is followed.
    ///
    /// # Errors
    /// [`ImageError::Dockerfile`].
    pub fn read(workspace: &Path, path: &str) -> Result<Self, ImageError> {
        let wrong = |reason: String| ImageError::Dockerfile {
            path: workspace.join(path),
            reason,
        };
        let opened = Folder::open(workspace).and_then(|folder| folder.file(path));
        let file = opened.map_err(|error| wrong(error.to_string()))?;
        let mut text = String::new();
        let read = file.take(LARGEST + 1).read_to_string(&mut text);
        read.map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > LARGEST {
            return Err(wrong("it is larger than 64 KiB".to_owned()));
        }
        if let Some(line) = copies(&text) {
            return Err(wrong(format!(
                "line {line} copies files: it is built without those of the workspace"
            )));
        }
        Ok(Self {
            path: workspace.join(path),
            text,
        })
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The first line that copies from the context, counted from 1.
fn copies(text: &str) -> Option<usize> {
    let is_copy = |line: &str| {
        let mut words = line.split_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        match instruction.as_str() {
            "COPY" => !words.any(|word| word.starts_with("--from=")),
            "ADD" => !words.any(|word| word.contains("://")),
            _ => false,
        }
    };
    text.lines().position(is_copy).map(|index| index + 1)
}
