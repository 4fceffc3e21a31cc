//! Snapshots on the disk: which there are, what is inside, which go. A kernel's worker writes and
//! loads them (`vivarium_kernel.cryo`, which also describes the files); here they are listed,
//! removed and cleared up after, without Python.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};
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
    #[error("there is no snapshot {0:?}")]
    Unknown(String),
    #[error("there is no snapshot yet")]
    None,
    #[error("a snapshot's name has 1 to 64 letters, digits, -, _ and . inside; {0:?} is none")]
    BadName(String),
    #[error("the snapshot {name:?} is damaged: {reason}")]
    Damaged { name: String, reason: String },
    #[error("the snapshots can't be read or written: {0}")]
    Disk(std::io::Error),
    #[error("the disk of /data is full; the snapshots before this one are whole")]
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
}

impl Cryo {
    /// Opens a folder, which the first store makes.
    pub fn new(folder: PathBuf, clock: Clock) -> Self {
        Self { folder, clock }
    }

    /// Stores a kernel's namespace, in its turn; the worker's answer.
    pub async fn store(&self, kernel: &Kernel, name: Option<String>) -> Result<Value, CryoError> {
        let name = match name {
            Some(name) => checked(name)?,
            None => format!("{UNNAMED}{}", self.clock.ulid().to_string().to_lowercase()),
        };
        let lock = self.lock().await?;
        let arguments = json!({"folder": self.folder, "name": name});
        let stored = kernel.job("store", arguments).await;
        self.clear_up();
        drop(lock);
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
        let _lock = self.lock().await?;
        self.manifest(&name)?;
        let arguments = json!({"folder": self.folder, "name": name});
        let reloaded = kernel.job("reload", arguments).await?;
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

    /// Removes one, and what it alone held.
    pub async fn remove(&self, name: &str) -> Result<(), CryoError> {
        let name = checked(name.to_owned())?;
        let _lock = self.lock().await?;
        match std::fs::remove_file(self.path(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CryoError::Unknown(name));
            }
            removed => removed?,
        }
        self.clear_up();
        Ok(())
    }

    /// Another machine may have the same `/data`: one store, reload or removal at a time.
    async fn lock(&self) -> Result<File, CryoError> {
        std::fs::create_dir_all(&self.folder)?;
        let file = File::create(self.folder.join(".lock"))?;
        let locking = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        Ok(locking.await.map_err(std::io::Error::other)??)
    }

    fn manifest(&self, name: &str) -> Result<Manifest, CryoError> {
        let name = checked(name.to_owned())?;
        let text = match std::fs::read(self.path(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CryoError::Unknown(name));
            }
            read => read?,
        };
        parsed(&text).map_err(|reason| CryoError::Damaged { name, reason })
    }

    fn names(&self) -> Result<Vec<String>, CryoError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".json")?.to_owned())
        });
        Ok(names.collect())
    }

    /// Removes unnamed snapshots beyond those that are kept, what no snapshot holds, and what
    /// a store left that was cut short.
    fn clear_up(&self) {
        if let Err(error) = self.try_to_clear_up() {
            tracing::warn!(%error, "the snapshots' folder could not be cleared up");
        }
    }

    fn try_to_clear_up(&self) -> Result<(), CryoError> {
        let lines = self.list()?;
        let unnamed = lines.iter().filter(|line| line.name.starts_with(UNNAMED));
        for line in unnamed.skip(KEPT_UNNAMED) {
            std::fs::remove_file(self.path(&line.name))?;
        }
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            if entry.file_name().to_string_lossy().contains(".json.new-") {
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

fn parsed(text: &[u8]) -> Result<Manifest, String> {
    let end = text.iter().position(|byte| *byte == b'\n');
    let (checksum, json) = text.split_at(end.ok_or("its manifest is cut short")?);
    let json = &json[1..];
    if blake3::hash(json).to_hex().as_bytes() != checksum {
        return Err("its manifest has another checksum".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| format!("its manifest can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, created_at_s: f64, objects: &[&str]) {
        let objects: Vec<_> = objects.iter().map(|one| json!({"object": one})).collect();
        let json = json!({
            "schema": 1, "name": name, "created_at_s": created_at_s, "python": "3.13", "size_bytes": 7,
            "values": [{"name": "x", "type": "int", "size_bytes": 3}], "skipped": [], "objects": objects,
        })
        .to_string();
        let text = format!("{}\n{json}", blake3::hash(json.as_bytes()).to_hex());
        std::fs::create_dir_all(folder.join("objects")).unwrap();
        std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
    }

    fn objects(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder.join("objects")).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_no_snapshot_holds_goes_with_the_last_that_did() {
        let folder = tempfile::tempdir().unwrap();
        let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
        assert!(cryo.list().unwrap().is_empty());
        put(folder.path(), "a", 1.0, &["one", "shared"]);
        put(folder.path(), "b", 2.0, &["shared"]);
        for name in ["one", "shared", "new-17", "lost"] {
            std::fs::write(folder.path().join("objects").join(name), "").unwrap();
        }
        let names: Vec<_> = cryo
            .list()
            .unwrap()
            .into_iter()
            .map(|line| line.name)
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(cryo.one("a").unwrap().values[0].kind, "int");

        cryo.remove("a").await.unwrap();
        assert_eq!(objects(folder.path()), ["shared"]);
        assert!(matches!(cryo.remove("a").await, Err(CryoError::Unknown(_))));
        assert!(matches!(cryo.one("../b"), Err(CryoError::BadName(_))));
    }

    #[tokio::test]
    async fn beside_a_damaged_snapshot_nothing_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
        put(folder.path(), "a", 1.0, &["one"]);
        put(folder.path(), "b", 2.0, &["two"]);
        for name in ["one", "two"] {
            std::fs::write(folder.path().join("objects").join(name), "").unwrap();
        }
        let damaged = folder.path().join("a.json");
        let text = std::fs::read_to_string(&damaged).unwrap();
        std::fs::write(&damaged, text.replace("int", "str")).unwrap();
        let lines = cryo.list().unwrap();
        assert!(lines[1].damaged.as_ref().unwrap().contains("checksum"));
        cryo.remove("b").await.unwrap();
        assert_eq!(objects(folder.path()), ["one", "two"]);
        // It can be removed itself, and then the rest goes.
        cryo.remove("a").await.unwrap();
        assert!(objects(folder.path()).is_empty());
    }

    #[test]
    fn only_the_newest_of_those_without_a_name_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
        for number in 0..15 {
            put(
                folder.path(),
                &format!("auto-{number:02}"),
                f64::from(number),
                &[],
            );
        }
        put(folder.path(), "named", 0.5, &[]);
        cryo.clear_up();
        let names: Vec<_> = cryo
            .list()
            .unwrap()
            .into_iter()
            .map(|line| line.name)
            .collect();
        assert_eq!(
            (names.len(), names[9].as_str(), names[10].as_str()),
            (11, "auto-05", "named")
        );
    }
}
