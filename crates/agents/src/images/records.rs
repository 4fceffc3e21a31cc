//! Which images were built here, and which of a registry were approved: a file of the data folder that its
//! owner alone may read, written aside and renamed. An image is known by its id, which is a digest of all
//! that it is; a name can be given to anything.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{ImageError, Trust};

/// As many builds are remembered, the newest last.
const BUILDS: usize = 500;
/// The most that is read.
const LARGEST: u64 = 4 << 20;

/// The file, and its lock.
#[derive(Clone, Debug)]
pub(super) struct Records {
    folder: PathBuf,
}

/// What stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    #[serde(default)]
    built: Vec<BuiltImage>,
    #[serde(default)]
    approved: Vec<ApprovedImage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BuiltImage {
    id: String,
    name: String,
    at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ApprovedImage {
    id: String,
    name: String,
    digest: String,
    at_ms: u64,
}

impl Records {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is known of an image.
    pub(super) fn trust(&self, id: &str) -> Result<Trust, ImageError> {
        let known = self.read()?;
        Ok(if known.built.iter().any(|image| image.id == id) {
            Trust::BuiltHere
        } else if known.approved.iter().any(|image| image.id == id) {
            Trust::Approved
        } else {
            Trust::Unknown
        })
    }

    /// Whether this digest was approved under this name, for this image.
    pub(super) fn is_approved(
        &self,
        name: &str,
        digest: &str,
        id: &str,
    ) -> Result<bool, ImageError> {
        let is_same =
            |image: &ApprovedImage| image.name == name && image.digest == digest && image.id == id;
        Ok(self.read()?.approved.iter().any(is_same))
    }

    /// An image was built.
    pub(super) fn built(&self, name: &str, id: &str) -> Result<(), ImageError> {
        self.change(|known| {
            known.built.retain(|image| image.id != id);
            known.built.push(BuiltImage {
                id: id.to_owned(),
                name: name.to_owned(),
                at_ms: now_ms(),
            });
            let surplus = known.built.len().saturating_sub(BUILDS);
            known.built.drain(..surplus);
        })
    }

    /// A person approved an image.
    pub(super) fn approve(&self, name: &str, digest: &str, id: &str) -> Result<(), ImageError> {
        self.change(|known| {
            known
                .approved
                .retain(|image| image.digest != digest || image.name != name);
            known.approved.push(ApprovedImage {
                id: id.to_owned(),
                name: name.to_owned(),
                digest: digest.to_owned(),
                at_ms: now_ms(),
            });
        })
    }

    /// A person takes an approval back.
    pub(super) fn withdraw(&self, digest: &str) -> Result<(), ImageError> {
        self.change(|known| known.approved.retain(|image| image.digest != digest))
    }

    /// Makes the folder, which is also where contexts are written to.
    pub(super) fn make_folder(&self) -> Result<(), ImageError> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder);
        made.map_err(ImageError::file("create", &self.folder))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("images.json")
    }

    fn read(&self) -> Result<Known, ImageError> {
        let path = self.path();
        let failed = |error| ImageError::file("read", &path)(error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Known::default()),
            opened => opened.map_err(failed)?,
        };
        let mut text = Vec::new();
        file.take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| ImageError::file("read", &path)(error))?;
        serde_json::from_slice(&text).map_err(|source| ImageError::Records { path, source })
    }

    /// Under a lock, so that two processes don't undo each other's changes.
    fn change(&self, change: impl FnOnce(&mut Known)) -> Result<(), ImageError> {
        self.make_folder()?;
        let lock = self.folder.join("images.lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let locked = options.open(&lock).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        let _lock = locked.map_err(ImageError::file("lock", &lock))?;
        let mut known = self.read()?;
        change(&mut known);
        let path = self.path();
        let written = serde_json::to_vec_pretty(&known)
            .map_err(io::Error::other)
            .and_then(|text| {
                // Its mode is 0600.
                let mut aside = tempfile::NamedTempFile::new_in(&self.folder)?;
                aside.write_all(&text)?;
                aside.as_file().sync_all()?;
                aside.persist(&path).map_err(|error| error.error)?;
                fs::File::open(&self.folder)?.sync_all()
            });
        written.map_err(ImageError::file("write", &path))
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
