//! What a sandbox gets if its caller doesn't say, how many wait in the pool, and how many there may be.

use std::{path::PathBuf, time::Duration};

use containers::EngineChoice;
use wire::sandbox::{NetworkMode, SandboxLimits};

/// What [`Sandboxes::start`](crate::Sandboxes::start) needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// At which container engine.
    pub engine: EngineChoice,
    /// Folder for the records; it is made if it is not there.
    pub data_dir: PathBuf,
    /// Keeps two installations at one engine apart.
    pub instance: Option<String>,
    /// Defaults and limits.
    pub settings: Settings,
    /// The program that becomes PID 1.
    pub init_binary: PathBuf,
}

/// Defaults and limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Image of a sandbox whose caller names none.
    pub image: String,
    /// Limits of a sandbox whose caller names none.
    pub limits: SandboxLimits,
    /// The most that a caller may ask for.
    pub largest: SandboxLimits,
    /// Network of a sandbox whose caller names none.
    pub network: NetworkMode,
    /// How long a command may take.
    pub exec_timeout: Duration,
    /// How long a sandbox lives.
    pub ttl: Duration,
    /// The longest that a caller may ask for.
    pub longest_ttl: Duration,
    /// How many there may be, those of the pool left out.
    pub most: usize,
    /// What is kept ready.
    pub pool: Vec<PoolSize>,
    /// Runtimes that callers may ask for, of those that the engine lists.
    pub runtimes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let image = "aios-sandbox";
        let limits = SandboxLimits {
            memory_mb: 512,
            cpus: 1.0,
            pids: 256,
            disk_mb: 256,
        };
        Self {
            image: image.into(),
            limits,
            largest: SandboxLimits {
                memory_mb: 65_536,
                cpus: 64.0,
                pids: 32_768,
                disk_mb: 65_536,
            },
            network: NetworkMode::None,
            exec_timeout: Duration::from_secs(300),
            ttl: Duration::from_secs(3600),
            longest_ttl: Duration::from_secs(24 * 3600),
            most: 200,
            pool: vec![PoolSize {
                image: image.into(),
                limits,
                network: NetworkMode::None,
                size: 2,
            }],
            runtimes: vec!["runsc".into(), "kata".into(), "kata-runtime".into()],
        }
    }
}

/// How many sandboxes of a shape are kept ready.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSize {
    /// Image.
    pub image: String,
    /// Limits.
    pub limits: SandboxLimits,
    /// Network.
    pub network: NetworkMode,
    /// How many.
    pub size: u32,
}
