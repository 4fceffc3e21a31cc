//! Which servers there are: the built-in ones, `/repo/mcp.json` over them, `/data/mcp.json` over
//! both, name by name. What can't be used is told, and what was said before in its place goes on.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use wire::mcp::{McpFile, McpFileProblem, McpServerEntry, McpSource};

use super::{
    config_file::{self, Change, ConfigFile},
    entry::{self, ServerError, check, names_server},
};

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
    /// What is not used of it, or not as it is written.
    problems: Vec<McpFileProblem>,
    error: Option<String>,
}

/// The files and what they say.
pub struct Config {
    builtin: BTreeMap<String, McpServerEntry>,
    files: Mutex<Vec<Read>>,
}

impl Read {
    /// Takes what the file says now. An entry that can't be used any more stays as it was.
    fn take(&mut self, said: ConfigFile) {
        let mut before = std::mem::replace(&mut self.sound, said.entries);
        self.problems = said.problems;
        self.error = None;
        for problem in &mut self.problems {
            let name = problem.server.as_ref().filter(|_| problem.left_out);
            let Some((name, entry)) = name.and_then(|name| before.remove_entry(name)) else {
                continue;
            };
            self.sound.insert(name, entry);
            problem.left_out = false;
            problem
                .problem
                .push_str("; the previous entry stays in effect");
        }
        for McpFileProblem {
            server, problem, ..
        } in &self.problems
        {
            let path = self.path.display();
            tracing::warn!(%path, server, problem, "part of an mcp.json is not used");
        }
    }
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
                problems: Vec::new(),
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
            match config_file::read(&file.path) {
                Ok(said) => file.take(said),
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
                if !names_server(&entry) {
                    let Some(below) = all.get(name) else {
                        continue;
                    };
                    entry = McpServerEntry {
                        disabled: entry.disabled,
                        ..below.entry.clone()
                    };
                }
                let source = file.source;
                all.insert(name.clone(), Configured { entry, source });
            }
        }
        all
    }

    /// How the files stand.
    pub fn files(&self) -> Vec<McpFile> {
        let servers = self.servers();
        let files = self.files.lock();
        files
            .iter()
            .map(|file| {
                let nowhere = file
                    .sound
                    .keys()
                    .filter(|name| !servers.contains_key(*name));
                let nowhere = nowhere.map(|name| McpFileProblem {
                    server: Some(name.clone()),
                    left_out: true,
                    problem:
                        "set a \"command\" or a \"url\": there is no other server of this name"
                            .to_owned(),
                });
                McpFile {
                    path: file.path.display().to_string(),
                    source: file.source,
                    found: file.stamp.is_some(),
                    error: file.error.clone(),
                    problems: file.problems.iter().cloned().chain(nowhere).collect(),
                }
            })
            .collect()
    }

    /// Enters a server into the last file.
    pub fn put(&self, name: &str, mut entry: McpServerEntry) -> Result<(), ConfigError> {
        if let Some(now) = self.servers().get(name) {
            entry::restore(&mut entry, &now.entry);
        }
        check(name, &entry)?;
        self.change(name, Change::Put(&entry))
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
        self.change(name, Change::Turn(enabled))
    }

    /// Takes a server out of the last file; false where it is not in it.
    pub fn remove(&self, name: &str) -> Result<bool, ConfigError> {
        if self.own(name).is_none() {
            return Ok(false);
        }
        self.change(name, Change::Remove)?;
        Ok(true)
    }

    /// What the last file says of a server.
    pub fn own(&self, name: &str) -> Option<McpServerEntry> {
        let files = self.files.lock();
        files.last()?.sound.get(name).cloned()
    }

    /// Changes one server of the last file: aside, and renamed, with all else in it kept.
    fn change(&self, name: &str, change: Change<'_>) -> Result<(), ConfigError> {
        self.reread();
        let (path, error) = {
            let files = self.files.lock();
            let last = files.last().ok_or(ConfigError::NoFile)?;
            (last.path.clone(), last.error.clone())
        };
        let shown = path.display().to_string();
        let broken = |problem: String| ConfigError::Broken {
            path: shown.clone(),
            problem,
        };
        if let Some(problem) = error {
            return Err(broken(problem));
        }
        let text = config_file::text(&path).map_err(|error| broken(error.to_string()))?;
        let changed = config_file::changed(&text, name, change)
            .ok_or_else(|| broken("its servers are not an object".to_owned()))?;
        // It may hold keys: for its owner alone.
        crate::atomic_file::write_durably(&path, changed.as_bytes(), 0o600).map_err(|source| {
            ConfigError::Unwritten {
                path: shown,
                source,
            }
        })?;
        self.reread();
        Ok(())
    }
}

fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.mtime(), found.mtime_nsec(), found.ino()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
                .contains("it is not valid JSON")
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
    fn one_entry_that_is_bad_takes_no_other_with_it_and_stays_as_it_was_before() {
        let made = files(
            "{}",
            r#"{"mcpServers": {"a b": {"command": "x"}, "b": {"command": "y"}, "c": {"disabled": true}}}"#,
        );
        let left_out = |made: &Files| {
            let file = made.config.files().remove(1);
            assert_eq!(file.error, None);
            let of = |one: &McpFileProblem| one.left_out.then(|| one.server.clone());
            let names = file.problems.iter().filter_map(of).flatten();
            names.collect::<Vec<_>>()
        };
        assert_eq!(left_out(&made), ["a b", "c"]);
        assert_eq!(made.config.servers()["b"].source, McpSource::Data);
        let now = r#"{"mcpServers": {"b": {"command": "y", "env": 7}, "d": {"command": "z"}}}"#;
        std::fs::write(made.folder.path().join("data.json"), now).unwrap();
        assert!(made.config.reread());
        let servers = made.config.servers();
        assert_eq!(servers["b"].entry, entry("y"));
        assert!(servers.contains_key("d"));
        assert!(left_out(&made).is_empty());
        let said = &made.config.files()[1].problems[0].problem;
        assert!(
            said.contains("the previous entry stays in effect"),
            "{said}"
        );
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
                assert!(made.config.files()[0].problems[0].left_out, "{odd:?}");
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
