//! The table `[sandboxes]` of the settings: what a sandbox gets if its caller doesn't say.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use sandbox::PoolSize;
use serde::Deserialize;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    sandbox::{NetworkMode, SandboxLimits},
};

/// The file's part that is about sandboxes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    sandboxes: Table,
}

/// What the table may have.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    image: String,
    memory_mb: u32,
    cpus: f64,
    pids: u32,
    disk_mb: u32,
    exec_timeout_s: u64,
    ttl_s: u64,
    longest_ttl_s: u64,
    /// How many there may be.
    most: usize,
    /// How many wait, started, in the default shape.
    pool: u32,
    /// What a sandbox reaches whose caller says nothing.
    network: NetworkMode,
    /// The same for callers without a token.
    no_token_network: Option<NetworkMode>,
    /// The same for callers with certain tokens, by name.
    token_networks: BTreeMap<String, NetworkMode>,
}

impl Default for Table {
    fn default() -> Self {
        let preset = sandbox::Settings::default();
        Self {
            image: preset.image,
            memory_mb: preset.limits.memory_mb,
            cpus: preset.limits.cpus,
            pids: preset.limits.pids,
            disk_mb: preset.limits.disk_mb,
            exec_timeout_s: preset.exec_timeout.as_secs(),
            ttl_s: preset.ttl.as_secs(),
            longest_ttl_s: preset.longest_ttl.as_secs(),
            most: preset.most,
            pool: preset.pool.first().map_or(0, |pool| pool.size),
            network: preset.network,
            no_token_network: None,
            token_networks: BTreeMap::new(),
        }
    }
}

/// Defaults of sandboxes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SandboxSettings {
    pub(super) settings: sandbox::Settings,
    /// What callers without a token reach by default.
    pub(super) no_token_network: Option<NetworkMode>,
    /// What callers with certain tokens reach by default, by the token's name.
    pub(super) token_networks: BTreeMap<String, NetworkMode>,
}

impl SandboxSettings {
    /// Reads them of a config folder's settings; those that aren't there are preset.
    pub(super) fn load(config_dir: &Path) -> Result<Self, Failure> {
        let path = config_dir.join("settings.toml");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        };
        let read = text.and_then(|text| toml::from_str::<File>(&text).map_err(io::Error::other));
        let table = read.map_err(|error| {
            let message = format!(
                "The sandboxes' settings in {} can't be read",
                path.display()
            );
            Failure::new(FailureCode::Invalid, message)
                .because(error.to_string().trim())
                .next(Advice::FixSpec {
                    path: path.display().to_string(),
                })
        })?;
        Ok(table.sandboxes.into())
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Table::default().into()
    }
}

impl From<Table> for SandboxSettings {
    fn from(table: Table) -> Self {
        let limits = SandboxLimits {
            memory_mb: table.memory_mb,
            cpus: table.cpus,
            pids: table.pids,
            disk_mb: table.disk_mb,
        };
        let pool = PoolSize {
            image: table.image.clone(),
            limits,
            network: table.network,
            size: table.pool,
        };
        let settings = sandbox::Settings {
            image: table.image,
            limits,
            network: table.network,
            exec_timeout: Duration::from_secs(table.exec_timeout_s),
            ttl: Duration::from_secs(table.ttl_s),
            longest_ttl: Duration::from_secs(table.longest_ttl_s),
            most: table.most,
            pool: if table.pool == 0 {
                Vec::new()
            } else {
                vec![pool]
            },
            ..Default::default()
        };
        Self {
            settings,
            no_token_network: table.no_token_network,
            token_networks: table.token_networks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<SandboxSettings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("settings.toml"), text).unwrap();
        SandboxSettings::load(folder.path())
    }

    #[test]
    fn without_a_table_everything_is_preset() {
        let read = load("theme = \"dark\"\n").unwrap();
        assert_eq!(read.settings, sandbox::Settings::default());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SandboxSettings::load(folder.path()), Ok(read));
    }

    #[test]
    fn what_is_set_counts_for_the_pool_too() {
        let read = load(
            "[sandboxes]\nimage = \"x\"\nmemory_mb = 64\nnetwork = \"isolated\"\npool = 5\nno_token_network = \"internet\"\n[sandboxes.token_networks]\nci = \"internet\"\n",
        )
        .unwrap();
        let pool = &read.settings.pool[0];
        assert_eq!(
            (pool.image.as_str(), pool.limits.memory_mb, pool.size),
            ("x", 64, 5)
        );
        assert_eq!(pool.network, NetworkMode::Isolated);
        assert_eq!(read.no_token_network, Some(NetworkMode::Internet));
        assert_eq!(read.token_networks["ci"], NetworkMode::Internet);
        assert!(
            load("[sandboxes]\npool = 0\n")
                .unwrap()
                .settings
                .pool
                .is_empty()
        );
    }

    #[test]
    fn a_mistake_is_told_and_never_opens_anything() {
        for text in [
            "[sandboxes]\nnetwork = \"lan\"\n",
            "[sandboxes]\nnetwrok = \"none\"\n",
        ] {
            let failure = load(text).unwrap_err();
            assert!(failure.message.contains("settings.toml"), "{failure}");
        }
    }
}
