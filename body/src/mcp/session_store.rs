//! Sessions of clients as they are kept on the disk, so that one whose relay was killed, or whose
//! machine was replaced, goes on. A file for each, named by a digest of its id: who reads the folder
//! learns no id. What servers held in memory is not kept.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::filter::Filter;

/// A larger session is not kept.
const LARGEST: usize = 64 << 10;
/// Sessions that are kept; beyond, the oldest files go.
const MOST: usize = 2048;

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// Name of its server; none if it is over all of them.
    pub server: Option<String>,
    /// Params of its `initialize`.
    pub hello: String,
    pub version: String,
    pub answers: bool,
    pub filter: Filter,
    /// Whether the client said `notifications/initialized`.
    pub greeted: bool,
    /// The least level of log messages that it asked for.
    pub level: Option<String>,
    /// Addresses of resources that it subscribed to, and the servers that have them.
    pub subscribed: Vec<(String, String)>,
}

/// The folder; none where nothing is kept.
#[derive(Clone, Debug)]
pub struct SessionStore {
    folder: Option<PathBuf>,
}

impl SessionStore {
    /// One that keeps sessions in a folder, or none.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn path(&self, id: &str) -> Option<PathBuf> {
        let name = blake3::hash(id.as_bytes()).to_hex();
        Some(self.folder.as_ref()?.join(format!("{name}.json")))
    }

    /// Keeps a session as it is now.
    pub fn save(&self, id: &str, kept: &KeptSession) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(id)) else {
            return;
        };
        let written = serde_json::to_vec(kept)
            .map_err(std::io::Error::other)
            .and_then(|text| {
                if text.len() > LARGEST {
                    let _ = fs::remove_file(&path);
                    return Err(std::io::Error::other("it is too large"));
                }
                make(folder)?;
                crate::atomic_file::write(&path, &text, 0o600)
            });
        if let Err(error) = written {
            tracing::warn!(%error, "an MCP session can't be kept: it ends with the supervisor");
        }
    }

    /// A session that was used within this time.
    pub fn load(&self, id: &str, within: Duration) -> Option<KeptSession> {
        let path = self.path(id)?;
        let found = fs::metadata(&path).ok()?;
        if found.len() > LARGEST as u64 || age(&found) > within {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Forgets a session.
    pub fn remove(&self, id: &str) {
        if let Some(path) = self.path(id) {
            let _ = fs::remove_file(path);
        }
    }

    /// Forgets sessions that nobody used within this time, and the oldest beyond the most.
    pub fn sweep(&self, within: Duration) {
        let Some(folder) = &self.folder else { return };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Ok(found) = entry.metadata()
                && found.is_file()
            {
                files.push((age(&found), entry.path()));
            }
        }
        files.sort();
        for (place, (age, path)) in files.iter().enumerate() {
            if place >= MOST || *age > within {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// For its owner alone.
fn make(folder: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn age(found: &fs::Metadata) -> Duration {
    let written = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    written.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn kept(hello: &str) -> KeptSession {
        KeptSession {
            server: Some("a".to_owned()),
            hello: hello.to_owned(),
            version: "2025-11-25".to_owned(),
            answers: true,
            filter: Filter::default(),
            greeted: true,
            level: Some("info".to_owned()),
            subscribed: vec![("x://1".to_owned(), "a".to_owned())],
        }
    }

    #[test]
    fn a_session_is_kept_for_its_owner_alone_and_found_by_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let store = SessionStore::new(Some(folder.path().join("sessions")));
        store.save("id-of-a-session", &kept("{}"));
        assert_eq!(store.load("id-of-a-session", LONG), Some(kept("{}")));
        assert_eq!(store.load("another", LONG), None);
        assert_eq!(store.load("../../etc/passwd", LONG), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let sessions = folder.path().join("sessions");
        assert_eq!(mode(&sessions), 0o700);
        for entry in fs::read_dir(&sessions).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600);
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains("id-of-a-session") && !path.display().to_string().contains("id-of")
            );
        }
        store.remove("id-of-a-session");
        assert_eq!(store.load("id-of-a-session", LONG), None);
    }

    #[test]
    fn what_is_old_or_too_large_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = SessionStore::new(Some(folder.path().to_owned()));
        store.save("a", &kept("{}"));
        store.save("a", &kept(&"x".repeat(LARGEST)));
        assert_eq!(store.load("a", LONG), None);
        store.save("b", &kept("{}"));
        assert_eq!(store.load("b", Duration::ZERO), None);
        store.sweep(LONG);
        assert!(store.load("b", LONG).is_some());
        store.sweep(Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let nowhere = SessionStore::new(None);
        nowhere.save("a", &kept("{}"));
        assert_eq!(nowhere.load("a", LONG), None);
    }
}
