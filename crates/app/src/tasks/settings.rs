//! The table `[tasks]` of the settings.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tasks::Policy;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    task::{RateLimit, TaskKind},
};

/// The file's part that is about tasks.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    tasks: Table,
}

/// What the table may have.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    concurrency: u32,
    folders: Vec<PathBuf>,
    keep_days: f64,
    most_ended: u64,
    log_kb: u64,
    result_kb: usize,
    rate_limits: BTreeMap<TaskKind, RateLimit>,
}

impl Default for Table {
    fn default() -> Self {
        let preset = Policy::default();
        Self {
            concurrency: 4,
            folders: Vec::new(),
            keep_days: preset.keep_ended.as_secs_f64() / 86_400.0,
            most_ended: preset.most_ended,
            log_kb: preset.log_bytes >> 10,
            result_kb: preset.result_bytes >> 10,
            rate_limits: preset.rate_limits,
        }
    }
}

/// What the person chose about tasks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TaskSettings {
    pub(super) policy: Policy,
    /// How many tasks the app and `vivarium serve` run at once.
    pub(super) concurrency: u32,
    /// Folders whose files tasks may get.
    pub(super) folders: Vec<PathBuf>,
}

impl TaskSettings {
    /// Reads them of a config folder's settings; those that aren't there are preset.
    pub(super) fn load(config_dir: &Path) -> Result<Self, Failure> {
        let path = config_dir.join("settings.toml");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        };
        let read = text.and_then(|text| toml::from_str::<File>(&text).map_err(io::Error::other));
        read.and_then(|file| Self::of(file.tasks)).map_err(|error| {
            let message = format!("The settings of tasks in {} can't be read", path.display());
            Failure::new(FailureCode::Invalid, message)
                .because(error.to_string().trim())
                .next(Advice::FixSpec {
                    path: path.display().to_string(),
                })
        })
    }

    fn of(table: Table) -> io::Result<Self> {
        let keep_ended = Duration::try_from_secs_f64(table.keep_days * 86_400.0);
        let keep_ended =
            keep_ended.map_err(|error| io::Error::other(format!("keep_days: {error}")))?;
        let is_rate = |limit: &RateLimit| limit.count > 0 && limit.per_s > 0.0;
        if !table.rate_limits.values().all(is_rate) {
            return Err(io::Error::other(
                "rate_limits: count and per_s must be more than 0",
            ));
        }
        Ok(Self {
            policy: Policy {
                keep_ended,
                most_ended: table.most_ended,
                log_bytes: table.log_kb << 10,
                result_bytes: table.result_kb << 10,
                rate_limits: table.rate_limits,
                ..Policy::default()
            },
            concurrency: table.concurrency,
            folders: table.folders,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<TaskSettings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("settings.toml"), text).unwrap();
        TaskSettings::load(folder.path())
    }

    #[test]
    fn without_a_table_everything_is_preset() {
        let read = load("theme = \"dark\"\n").unwrap();
        assert_eq!((read.policy, read.concurrency), (Policy::default(), 4));
        // No folder of this computer is open to tasks unless its owner lists it.
        assert!(read.folders.is_empty());
    }

    #[test]
    fn what_is_set_counts() {
        let read = load(
            "[tasks]\nconcurrency = 9\nfolders = [\"/host_downloads\"]\nkeep_days = 1\n[tasks.rate_limits]\nexec = { count = 5, per_s = 1.5 }\n",
        )
        .unwrap();
        assert_eq!(read.concurrency, 9);
        assert_eq!(read.folders, [PathBuf::from("/host_downloads")]);
        assert_eq!(read.policy.keep_ended, Duration::from_secs(86_400));
        assert_eq!(read.policy.rate_limits[&TaskKind::Exec].count, 5);
    }

    #[test]
    fn a_mistake_is_told() {
        for text in [
            "[tasks]\nfolder = \"/\"\n",
            "[tasks]\nkeep_days = -1\n",
            "[tasks.rate_limits]\nexec = { count = 0, per_s = 1 }\n",
        ] {
            let failure = load(text).unwrap_err();
            assert!(failure.message.contains("settings.toml"), "{failure}");
        }
    }
}
