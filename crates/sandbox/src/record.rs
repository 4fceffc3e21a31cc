//! What is kept of a sandbox on disk, so that the next process finds it again: a file each, written
//! aside and renamed. They need not outlast a power cut, as no sandbox does.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use frames::Nonce;
use serde::{Deserialize, Serialize};
use wire::sandbox::{OnTimeout, SandboxId};

use crate::{clock::Moment, error::SandboxError, owner::Owner, shape::Shape};

/// A sandbox that was handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: SandboxId,
    pub(crate) owner: Owner,
    pub(crate) shape: Shape,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) exec_timeout: Option<Duration>,
    pub(crate) on_timeout: OnTimeout,
    #[serde(default)]
    pub(crate) auto_resume: bool,
    pub(crate) from_pool: bool,
    /// Whether the engine limits its volumes.
    #[serde(default)]
    pub(crate) disk_limited: bool,
    pub(crate) idempotency_key: Option<String>,
    /// Shown, and nothing else.
    pub(crate) created_at_ms: u64,
    pub(crate) created: Moment,
    pub(crate) ends: Moment,
    /// The computer's boot in which these moments are meant.
    pub(crate) boot_id: String,
    /// What the next conversation with it begins with.
    pub(crate) key: Nonce,
}

/// A folder of records. Whoever uses it holds its seat.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(crate) fn new(folder: PathBuf) -> Result<Self, SandboxError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&folder);
        made.map_err(failed("create", &folder))?;
        Ok(Self { folder })
    }

    /// All of them. One that can't be read is left out, and said; its container has no owner then.
    pub(crate) fn read_all(&self) -> Result<Vec<Record>, SandboxError> {
        let entries = fs::read_dir(&self.folder).map_err(failed("read", &self.folder))?;
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("read", &self.folder))?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            match read(&path) {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "skipped a sandbox's record that can't be read");
                }
            }
        }
        Ok(records)
    }

    /// Writes one, off the async threads. It is not synced: what a power cut takes along, its sandbox
    /// doesn't outlive either, and each warm start would wait for a disk.
    pub(crate) async fn write(&self, record: Record) -> Result<(), SandboxError> {
        let path = self.path(&record.id);
        self.work(move |folder| {
            let text = serde_json::to_vec(&record).map_err(io::Error::other);
            let written = text.and_then(|text| {
                // Its mode is 0600.
                let mut aside = tempfile::NamedTempFile::new_in(folder)?;
                aside.write_all(&text)?;
                aside.persist(&path).map_err(|error| error.error)
            });
            written.map(drop).map_err(failed("write", &path))
        })
        .await
    }

    /// Removes one; it may be gone.
    pub(crate) async fn remove(&self, id: &SandboxId) -> Result<(), SandboxError> {
        let path = self.path(id);
        self.work(move |_| match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        })
        .await
    }

    /// Whether records can be written.
    pub(crate) async fn check(&self) -> Result<(), SandboxError> {
        self.work(|folder| {
            let written = tempfile::NamedTempFile::new_in(folder)
                .and_then(|mut file| file.write_all(b"works"));
            written.map_err(failed("write", folder))
        })
        .await
    }

    async fn work(
        &self,
        work: impl FnOnce(&Path) -> Result<(), SandboxError> + Send + 'static,
    ) -> Result<(), SandboxError> {
        let folder = self.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|error| Err(failed("write", &self.folder)(io::Error::other(error))))
    }

    fn path(&self, id: &SandboxId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn read(path: &Path) -> io::Result<Record> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// A failure at this path, for `map_err`.
pub(crate) fn failed(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SandboxError + use<> {
    let path = path.to_owned();
    move |source| SandboxError::Store {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::Settings;

    pub(crate) fn record(id: &str) -> Record {
        Record {
            id: id.parse().unwrap(),
            owner: Owner::Token("a".into()),
            shape: Shape::from(&Settings::default().pool[0]),
            env: BTreeMap::from([("KEY".to_owned(), "secret".to_owned())]),
            metadata: BTreeMap::new(),
            exec_timeout: Some(Duration::from_secs(300)),
            on_timeout: OnTimeout::Kill,
            auto_resume: false,
            from_pool: true,
            disk_limited: false,
            idempotency_key: None,
            created_at_ms: 1,
            created: Moment(2),
            ends: Moment(3),
            boot_id: "b".into(),
            key: Nonce([7; 16]),
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path().join("deep")).unwrap();
        records.write(record("a")).await.unwrap();
        records.write(record("b")).await.unwrap();
        records.check().await.unwrap();
        records.remove(&"b".parse().unwrap()).await.unwrap();
        records.remove(&"b".parse().unwrap()).await.unwrap();
        fs::write(folder.path().join("deep/c.json"), "{").unwrap();
        let again = Records::new(folder.path().join("deep")).unwrap();
        assert_eq!(again.read_all().unwrap(), [record("a")]);
    }
}
