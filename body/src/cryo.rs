//! Snapshots on the disk: which there are, what is inside, which go. A kernel's worker writes and
//! loads them (`vivarium_kernel.cryo`, which also describes the files); here they are listed,
//! removed and cleared up after, without Python.
//!
//! The worker holds the folder's lock while it writes (alone) or reads (with others), so that it
//! is held just as long as that lasts, whoever asked and died meanwhile. What no snapshot holds is
//! removed under the lock, by whoever finds it free: each store, reload and removal ends so.

use std::{
    collections::HashSet,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wire::body::{Snapshot, SnapshotLine};

use crate::{
    clock::Clock,
    kernel::{AskError, Kernel},
};

const LONGEST_NAME: usize = 64;
/// Snapshots that were given no name: so many of the newest are kept.
const KEPT_UNNAMED: usize = 10;
const UNNAMED: &str = "auto-";

/// A snapshot can't be stored, found or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CryoError {
    #[error("snapshot {0:?} not found")]
    Unknown(String),
    #[error("no snapshots yet")]
    None,
    #[error("invalid snapshot name {0:?}: use 1 to 64 letters, digits, -, _ and .")]
    BadName(String),
    #[error("the snapshot {name:?} is damaged: {reason}")]
    Damaged { name: String, reason: String },
    #[error("could not read or write the snapshots: {0}")]
    Disk(std::io::Error),
    #[error("the disk of /data is full; earlier snapshots are intact")]
    Full,
    #[error(transparent)]
    Kernel(#[from] AskError),
}

impl From<std::io::Error> for CryoError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full,
            _ => Self::Disk(error),
        }
    }
}

/// A manifest is not what was written.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("its manifest is incomplete")]
    Cut,
    #[error("the checksum of its manifest does not match")]
    Checksum,
    #[error("its manifest can't be read: {0}")]
    Shape(#[from] serde_json::Error),
}

/// The parts of a manifest that are of interest here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(flatten)]
    snapshot: Snapshot,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    object: String,
}

/// The folder of snapshots.
pub struct Cryo {
    folder: PathBuf,
    clock: Clock,
    /// One clears up at a time, after the one before.
    clearing: Mutex<()>,
}

impl Cryo {
    /// Opens a folder, which the first store makes.
    pub fn new(folder: PathBuf, clock: Clock) -> Self {
        Self {
            folder,
            clock,
            clearing: Mutex::default(),
        }
    }

    /// Stores a kernel's namespace, in its turn; the worker's answer. Dropped, the worker goes on.
    pub async fn store(&self, kernel: &Kernel, name: Option<String>) -> Result<Value, CryoError> {
        let name = match name {
            Some(name) => checked(name)?,
            None => format!("{UNNAMED}{}", self.clock.ulid().to_string().to_lowercase()),
        };
        let arguments = json!({"folder": self.folder, "name": name});
        let stored = kernel.job("store", arguments).await;
        self.clear_up().await;
        stored.map_err(|error| match error {
            // No room, or no more of the quota.
            AskError::Failed(text)
                if text.contains("[Errno 28]") || text.contains("[Errno 122]") =>
            {
                CryoError::Full
            }
            error => error.into(),
        })
    }

    /// Brings a snapshot back into a kernel, in its turn; the worker's answer.
    pub async fn reload(&self, kernel: &Kernel, name: Option<String>) -> Result<Value, CryoError> {
        let name = match name {
            Some(name) => checked(name)?,
            None => self.list()?.into_iter().next().ok_or(CryoError::None)?.name,
        };
        self.manifest(&name)?;
        let arguments = json!({"folder": self.folder, "name": name});
        let reloaded = kernel.job("reload", arguments).await;
        self.clear_up().await;
        let reloaded = reloaded?;
        match reloaded["damaged"].as_str() {
            Some(reason) => Err(CryoError::Damaged {
                name,
                reason: reason.to_owned(),
            }),
            None => Ok(reloaded),
        }
    }

    /// All of them, newest first.
    pub fn list(&self) -> Result<Vec<SnapshotLine>, CryoError> {
        let mut lines: Vec<SnapshotLine> = self
            .names()?
            .into_iter()
            .filter_map(|name| match self.manifest(&name) {
                Ok(manifest) => Some(SnapshotLine {
                    created_at_s: manifest.snapshot.created_at_s,
                    size_bytes: manifest.snapshot.size_bytes,
                    values: manifest.snapshot.values.len() as u64,
                    damaged: None,
                    name,
                }),
                // Removed meanwhile.
                Err(CryoError::Unknown(_)) => None,
                Err(error) => Some(SnapshotLine {
                    created_at_s: 0.0,
                    size_bytes: 0,
                    values: 0,
                    damaged: Some(error.to_string()),
                    name,
                }),
            })
            .collect();
        lines.sort_by(|left, right| right.created_at_s.total_cmp(&left.created_at_s));
        Ok(lines)
    }

    /// What is inside one.
    pub fn one(&self, name: &str) -> Result<Snapshot, CryoError> {
        Ok(self.manifest(name)?.snapshot)
    }

    /// Removes one, and what it alone held; the latter when nobody writes or reads any more.
    pub async fn remove(&self, name: &str) -> Result<(), CryoError> {
        let name = checked(name.to_owned())?;
        match std::fs::remove_file(self.path(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CryoError::Unknown(name));
            }
            removed => removed?,
        }
        self.clear_up().await;
        Ok(())
    }

    /// The folder's lock; `None` where a worker has it, after whom it is cleared up too.
    fn lock(&self) -> Result<Option<File>, CryoError> {
        // As the worker opens it: whoever is first makes it, and the other may only read it.
        let path = self.folder.join(".lock");
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::create(&path)?,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn manifest(&self, name: &str) -> Result<Manifest, CryoError> {
        let name = checked(name.to_owned())?;
        let text = match std::fs::read(self.path(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CryoError::Unknown(name));
            }
            read => read?,
        };
        parsed(&text).map_err(|error| CryoError::Damaged {
            name,
            reason: error.to_string(),
        })
    }

    fn names(&self) -> Result<Vec<String>, CryoError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // Other files are not ours.
            checked(name.strip_suffix(".json")?.to_owned()).ok()
        });
        Ok(names.collect())
    }

    /// Removes unnamed snapshots beyond those that are kept, what no snapshot holds, and what
    /// a store left that was cut short.
    async fn clear_up(&self) {
        let _one = self.clearing.lock().await;
        if let Err(error) = self.try_to_clear_up() {
            tracing::warn!(%error, "the snapshots' folder could not be cleared up");
        }
    }

    fn try_to_clear_up(&self) -> Result<(), CryoError> {
        if !self.folder.exists() {
            return Ok(());
        }
        let Some(_lock) = self.lock()? else {
            return Ok(());
        };
        let lines = self.list()?;
        let unnamed = lines.iter().filter(|line| is_unnamed(&line.name));
        for line in unnamed.skip(KEPT_UNNAMED) {
            std::fs::remove_file(self.path(&line.name))?;
        }
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            if is_aside(&entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let mut held = HashSet::new();
        for name in self.names()? {
            // Of a damaged one nobody knows what it holds: then nothing goes.
            held.extend(
                self.manifest(&name)?
                    .objects
                    .into_iter()
                    .map(|one| one.object),
            );
        }
        for entry in std::fs::read_dir(self.folder.join("objects"))?.flatten() {
            if !held.contains(&*entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

/// Where the machine's snapshots lie.
pub fn of_machine(clock: Clock) -> Arc<Cryo> {
    Arc::new(Cryo::new(crate::paths::cryo_dir(), clock))
}

/// Whether a snapshot was given its name here.
fn is_unnamed(name: &str) -> bool {
    let id = name.strip_prefix(UNNAMED);
    id.is_some_and(|id| id.len() == ulid::ULID_LEN && ulid::Ulid::from_string(id).is_ok())
}

/// Whether a file is a manifest that a store left half written.
fn is_aside(file: &str) -> bool {
    let process = file.rsplit_once(".json.new-").map(|(_, process)| process);
    process.is_some_and(|process| process.bytes().all(|byte| byte.is_ascii_digit()))
}

fn checked(name: String) -> Result<String, CryoError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fine = name.len() <= LONGEST_NAME
        && name.bytes().all(plain)
        && Path::new(&name).file_name().is_some()
        && !name.starts_with('.');
    if fine {
        Ok(name)
    } else {
        Err(CryoError::BadName(name))
    }
}

fn parsed(text: &[u8]) -> Result<Manifest, Unreadable> {
    let end = text.iter().position(|byte| *byte == b'\n');
    let (checksum, json) = text.split_at(end.ok_or(Unreadable::Cut)?);
    let json = &json[1..];
    if blake3::hash(json).to_hex().as_bytes() != checksum {
        return Err(Unreadable::Checksum);
    }
    Ok(serde_json::from_slice(json)?)
}

#[cfg(test)]
mod tests;
