//! Names for commits: small files below `refs`, as git has them.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use gix_hash::ObjectId;

use super::error::HistoryError;
use crate::{
    atomic_file::{self, Durability},
    paths::{give_like_folder, make_private_dir},
};

/// The folder of a bare repository, for its refs.
#[derive(Clone, Debug)]
pub(super) struct Refs {
    folder: PathBuf,
}

impl Refs {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What a ref such as `refs/heads/a` names; `None` if there is none.
    pub(super) fn get(&self, name: &str) -> Result<Option<ObjectId>, HistoryError> {
        let path = self.folder.join(name);
        match fs::read_to_string(&path) {
            // One that a power cut left empty names nothing.
            Ok(text) => Ok(ObjectId::from_str(text.trim()).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HistoryError::file("read", &path)(error)),
        }
    }

    /// Lets a ref name this.
    pub(super) fn set(&self, name: &str, id: &ObjectId) -> Result<(), HistoryError> {
        let path = self.folder.join(name);
        let failed = |error| HistoryError::file("write", &path)(error);
        let folder = path.parent().unwrap_or(&self.folder);
        make_private_dir(folder).map_err(failed)?;
        let written = atomic_file::put(&path, Durability::Durable, |file, place| {
            writeln!(file, "{id}")?;
            give_like_folder(place)
        });
        written.map_err(failed)
    }

    /// Removes a ref, if there is one.
    pub(super) fn remove(&self, name: &str) -> Result<(), HistoryError> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(HistoryError::file("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// All refs below a name such as `refs/heads`.
    pub(super) fn below(&self, name: &str) -> Result<Vec<String>, HistoryError> {
        let mut found = Vec::new();
        list(&self.folder.join(name), name, &mut found)?;
        found.sort();
        Ok(found)
    }
}

fn list(folder: &Path, name: &str, found: &mut Vec<String>) -> Result<(), HistoryError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(HistoryError::file("read", folder)(error)),
    };
    for entry in entries.flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), &name, found)?,
            _ => found.push(name),
        }
    }
    Ok(())
}
