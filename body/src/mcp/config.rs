//! Which servers there are: the built-in ones, `/repo/mcp.json` over them, `/data/mcp.json` over
//! both, name by name. A broken file is told, and what it last said when it was sound goes on.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::mcp::{McpFile, McpServerEntry, McpSource};

use super::entry::{self, ServerError, check, check_name, names_server, plain};

/// A server's configuration can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Invalid(#[from] ServerError),
    #[error("no file to write to is configured")]
    NoFile,
    #[error("server {0:?} not found")]
    Unknown(String),
    #[error("{path} could not be written: {source}")]
    Unwritten {
        path: String,
        source: std::io::Error,
    },
    #[error("refusing to overwrite {path}: it can't be parsed: {problem}")]
    Broken { path: String, problem: String },
}

/// Why a file is broken.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("it is not valid: {0}")]
    Odd(#[from] serde_json::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A server as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    pub entry: McpServerEntry,
    pub source: McpSource,
}

/// A file as it was read last.
struct Read {
    path: PathBuf,
    source: McpSource,
    stamp: Option<(u64, i64, i64, u64)>,
    sound: BTreeMap<String, McpServerEntry>,
    error: Option<String>,
}

/// The files and what they say.
pub struct Config {
    builtin: BTreeMap<String, McpServerEntry>,
    files: Mutex<Vec<Read>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "mcpServers", default)]
    servers: BTreeMap<String, McpServerEntry>,
}

impl Config {
    /// Reads the files; those that are not there say nothing.
    pub fn new(
        builtin: BTreeMap<String, McpServerEntry>,
        files: Vec<(PathBuf, McpSource)>,
    ) -> Self {
        let files = files
            .into_iter()
            .map(|(path, source)| Read {
                path,
                source,
                stamp: None,
                sound: BTreeMap::new(),
                error: None,
            })
            .collect();
        let config = Self {
            builtin,
            files: Mutex::new(files),
        };
        config.reread();
        config
    }

    /// Where its files lie, or will.
    pub fn folders(&self) -> Vec<PathBuf> {
        let files = self.files.lock();
        let folders = files.iter().filter_map(|file| file.path.parent());
        folders.map(Path::to_owned).collect()
    }

    /// Reads what changed; whether anything did.
    pub fn reread(&self) -> bool {
        let mut files = self.files.lock();
        let mut changed = false;
        for file in files.iter_mut() {
            let stamp = stamp(&file.path);
            if stamp == file.stamp {
                continue;
            }
            changed = true;
            file.stamp = stamp;
            match read(&file.path) {
                Ok(servers) => {
                    file.sound = servers;
                    file.error = None;
                }
                Err(error) => {
                    let problem = error.to_string();
                    tracing::warn!(path = %file.path.display(), problem, "the servers of this file are as they were");
                    file.error = Some(problem);
                }
            }
        }
        changed
    }

    /// The servers, by name.
    pub fn servers(&self) -> BTreeMap<String, Configured> {
        let mut all: BTreeMap<String, Configured> = BTreeMap::new();
        let builtin = self.builtin.iter();
        all.extend(builtin.map(|(name, entry)| {
            let (entry, source) = (entry.clone(), McpSource::Builtin);
            (name.clone(), Configured { entry, source })
        }));
        let files = self.files.lock();
        for file in files.iter() {
            for (name, entry) in &file.sound {
                let mut entry = entry.clone();
                // An entry with neither turns on or off what lies below it.
                if !names_server(&entry)
                    && let Some(below) = all.get(name)
                {
                    entry = McpServerEntry {
                        disabled: entry.disabled,
                        ..below.entry.clone()
                    };
                }
                let source = file.source;
                all.insert(name.clone(), Configured { entry, source });
            }
        }
        all.retain(|_, configured| names_server(&configured.entry));
        all
    }

    /// How the files stand.
    pub fn files(&self) -> Vec<McpFile> {
        let files = self.files.lock();
        files
            .iter()
            .map(|file| McpFile {
                path: file.path.display().to_string(),
                source: file.source,
                found: file.stamp.is_some(),
                error: file.error.clone(),
            })
            .collect()
    }

    /// Enters a server into the last file.
    pub fn put(&self, name: &str, mut entry: McpServerEntry) -> Result<(), ConfigError> {
        if let Some(now) = self.servers().get(name) {
            entry::restore(&mut entry, &now.entry);
        }
        check(name, &entry)?;
        self.change(|servers| {
            servers.insert(name.to_owned(), plain(&entry));
        })
    }

    /// Turns a server on or off.
    pub fn enable(&self, name: &str, enabled: bool) -> Result<(), ConfigError> {
        let servers = self.servers();
        let now = servers
            .get(name)
            .ok_or_else(|| ConfigError::Unknown(name.to_owned()))?;
        if now.entry.disabled != enabled {
            return Ok(());
        }
        let own = self.own(name);
        self.change(|servers| {
            if own.is_some_and(|own| names_server(&own)) {
                servers[name]["disabled"] = json!(!enabled);
            } else {
                servers.insert(name.to_owned(), json!({"disabled": !enabled}));
            }
        })
    }

    /// Takes a server out of the last file; false where it is not in it.
    pub fn remove(&self, name: &str) -> Result<bool, ConfigError> {
        if self.own(name).is_none() {
            return Ok(false);
        }
        self.change(|servers| {
            servers.remove(name);
        })?;
        Ok(true)
    }

    /// What the last file says of a server.
    pub fn own(&self, name: &str) -> Option<McpServerEntry> {
        let files = self.files.lock();
        files.last()?.sound.get(name).cloned()
    }

    /// Changes the last file: aside, and renamed, with all else in it kept.
    fn change(
        &self,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Result<(), ConfigError> {
        self.reread();
        let (path, error) = {
            let files = self.files.lock();
            let last = files.last().ok_or(ConfigError::NoFile)?;
            (last.path.clone(), last.error.clone())
        };
        let shown = path.display().to_string();
        if let Some(problem) = error {
            return Err(ConfigError::Broken {
                path: shown,
                problem,
            });
        }
        let mut whole: Value = std::fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_else(|| json!({}));
        if !whole["mcpServers"].is_object() {
            whole["mcpServers"] = json!({});
        }
        if let Some(servers) = whole["mcpServers"].as_object_mut() {
            change(servers);
        }
        write(&path, &whole).map_err(|source| ConfigError::Unwritten {
            path: shown,
            source,
        })?;
        self.reread();
        Ok(())
    }
}

fn write(path: &Path, value: &Value) -> std::io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    // It may hold keys: for its owner alone.
    crate::atomic_file::write_durably(path, &text, 0o600)
}

fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.mtime(), found.mtime_nsec(), found.ino()))
}

fn read(path: &Path) -> Result<BTreeMap<String, McpServerEntry>, FileError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let file: File = serde_json::from_slice(&text)?;
    for (name, entry) in &file.servers {
        if names_server(entry) {
            check(name, entry)?;
        } else {
            check_name(name)?;
        }
    }
    Ok(file.servers)
}

#[cfg(test)]
mod tests {
    use super::{super::entry::shown, *};

    fn entry(command: &str) -> McpServerEntry {
        McpServerEntry {
            command: Some(command.to_owned()),
            ..McpServerEntry::default()
        }
    }

    struct Files {
        folder: tempfile::TempDir,
        config: Config,
    }

    fn files(repo: &str, data: &str) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("repo.json"), repo).unwrap();
        std::fs::write(path("data.json"), data).unwrap();
        let config = Config::new(
            [("linux".to_owned(), entry("/opt/linux"))].into(),
            vec![
                (path("repo.json"), McpSource::Repo),
                (path("data.json"), McpSource::Data),
            ],
        );
        Files { folder, config }
    }

    #[test]
    fn files_cover_each_other_name_by_name_and_a_broken_one_is_told() {
        let made = files(
            r#"{"mcpServers":{"a":{"command":"x","args":["1"],"unknown":1},"b":{"command":"y"}}}"#,
            r#"{"mcpServers":{"b":{"command":"z","isolate":true},"linux":{"disabled":true}}}"#,
        );
        let servers = made.config.servers();
        assert_eq!(servers["a"].source, McpSource::Repo);
        assert_eq!(servers["b"].entry.command.as_deref(), Some("z"));
        assert_eq!(
            servers["linux"].entry.command.as_deref(),
            Some("/opt/linux")
        );
        assert!(servers["linux"].entry.disabled && servers["b"].entry.isolate);
        assert!(!made.config.reread());
        std::fs::write(made.folder.path().join("data.json"), "{").unwrap();
        assert!(made.config.reread());
        assert_eq!(made.config.servers(), servers);
        assert!(
            made.config.files()[1]
                .error
                .as_ref()
                .unwrap()
                .contains("it is not valid")
        );
        assert!(matches!(
            made.config.put("c", entry("w")),
            Err(ConfigError::Broken { .. })
        ));
    }

    #[test]
    fn entries_are_put_and_removed_and_the_rest_of_the_file_stays() {
        let made = files(
            "{}",
            r#"{"theme":"dark","mcpServers":{"b":{"command":"z","extra":1}}}"#,
        );
        let secret = McpServerEntry {
            env: [("API_KEY".to_owned(), "s3cret".to_owned())].into(),
            ..entry("w")
        };
        made.config.put("c", secret).unwrap();
        let seen = shown(&made.config.servers()["c"].entry);
        assert_eq!(seen.env["API_KEY"], entry::HIDDEN);
        made.config.put("c", seen).unwrap();
        assert_eq!(made.config.servers()["c"].entry.env["API_KEY"], "s3cret");
        made.config.enable("linux", false).unwrap();
        made.config.enable("b", false).unwrap();
        assert!(made.config.servers()["linux"].entry.disabled);
        made.config.enable("linux", true).unwrap();
        assert!(!made.config.servers()["linux"].entry.disabled);
        assert!(made.config.remove("c").unwrap() && !made.config.remove("c").unwrap());
        let text = std::fs::read_to_string(made.folder.path().join("data.json")).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(whole["theme"], "dark");
        assert_eq!(
            whole["mcpServers"]["b"],
            json!({"command": "z", "extra": 1, "disabled": true})
        );
        assert_eq!(std::fs::read_dir(made.folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_can_not_be_is_refused_with_a_reason() {
        let made = files("{}", "{}");
        let refused = |name: &str, entry| made.config.put(name, entry).unwrap_err().to_string();
        assert!(refused("a__b", entry("x")).contains("'__'"));
        let long = "a".repeat(49);
        for odd in [
            "",
            ".",
            "..",
            "...",
            "-",
            "a/b",
            "../a",
            "a\\b",
            "a\u{1b}[2J",
            "a\n",
            "ä",
            &long,
        ] {
            assert!(
                refused(odd, entry("x")).contains("invalid server name"),
                "{odd:?}"
            );
            // In a file too, also if the entry only turns a server off.
            for entry in [json!({"command": "x"}), json!({"disabled": true})] {
                let text = json!({ "mcpServers": { odd: entry } }).to_string();
                let made = files(&text, "{}");
                assert!(made.config.files()[0].error.is_some(), "{odd:?}");
                assert!(!made.config.servers().contains_key(odd), "{odd:?}");
            }
        }
        made.config.put("a.b-c_1", entry("x")).unwrap();
        assert!(refused("a", McpServerEntry::default()).contains("command"));
        let odd = McpServerEntry {
            env: [("A=B".to_owned(), String::new())].into(),
            ..entry("x")
        };
        assert!(refused("a", odd).contains("A=B"));
    }
}
