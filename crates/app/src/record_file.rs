//! A file of records as JSON, which only its owner can read and which processes change in turns, by a
//! lock file beside it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use lifecycle::atomic_file;
use serde::{Serialize, de::DeserializeOwned};

/// A file of the app's own can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be used", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    pub(crate) source: io::Error,
}

impl FileError {
    /// A failure at this path, for `map_err`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

/// The records as they were read. Nobody else changes them while they are locked.
#[derive(Debug)]
pub(crate) struct RecordFile<T> {
    path: PathBuf,
    pub(crate) records: T,
    _lock: Option<File>,
}

impl<T: Default + Serialize + DeserializeOwned> RecordFile<T> {
    /// Reads them, to look. Without the file they are empty.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let records = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(error),
        };
        Ok(Self {
            records: records.map_err(FileError::at(path))?,
            path: path.to_owned(),
            _lock: None,
        })
    }

    /// Reads them, to change them; waits until no other process does.
    pub(crate) fn lock(path: &Path) -> Result<Self, FileError> {
        make_private_folder(path.parent().unwrap_or(Path::new(".")))?;
        let lock = path.with_extension("lock");
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let locked = options.open(&lock).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        Ok(Self {
            _lock: Some(locked.map_err(FileError::at(&lock))?),
            ..Self::read(path)?
        })
    }

    /// Writes them as they are now.
    pub(crate) fn write(&self) -> Result<(), FileError> {
        let text = serde_json::to_string_pretty(&self.records).map_err(io::Error::other);
        replace(&self.path, &text.map_err(FileError::at(&self.path))?)
    }
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private_folder(folder: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(FileError::at(folder))
}

/// Puts a file in place, as a whole, that only its owner may read.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    atomic_file::write(path, text.as_bytes()).map_err(FileError::at(path))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::mpsc};

    use super::*;

    #[test]
    fn changes_of_several_at_once_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/records.json");
        let (ended, all) = mpsc::channel();
        for number in 0..8 {
            let (path, ended) = (path.clone(), ended.clone());
            std::thread::spawn(move || {
                let mut file = RecordFile::<Vec<u32>>::lock(&path).unwrap();
                file.records.push(number);
                file.write().unwrap();
                ended.send(()).unwrap();
            });
        }
        drop(ended);
        assert_eq!(all.iter().count(), 8);
        let mut records = RecordFile::<Vec<u32>>::read(&path).unwrap().records;
        records.sort_unstable();
        assert_eq!(records, Vec::from_iter(0..8));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        fs::write(&path, "[").unwrap();
        assert!(RecordFile::<Vec<u32>>::lock(&path).is_err());
    }
}
