//! What kind of sandbox is wanted: everything about it that its container is made with. Sandboxes of
//! one shape are interchangeable until somebody uses one.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use wire::sandbox::{
    CreateRequest, DiskKind, NetworkMode, NetworkRequest, OnTimeout, SandboxLimits,
};

use crate::{
    error::SandboxError,
    settings::{PoolSize, Settings},
};

/// The most variables and labels of a sandbox, and the most bytes of all of them.
const MOST_ENTRIES: usize = 1000;
const MOST_ENTRY_BYTES: usize = 128 << 10;
/// Memory that a sandbox needs at least, in MiB.
const LEAST_MEMORY_MB: u32 = 16;
const LEAST_PIDS: u32 = 8;
const LEAST_CPUS: f64 = 0.01;

/// A kind of sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) image: String,
    pub(crate) limits: SandboxLimits,
    #[serde(default)]
    pub(crate) disk: DiskKind,
    pub(crate) network: NetworkMode,
    pub(crate) runtime: Option<String>,
    pub(crate) gpu: bool,
}

impl From<&PoolSize> for Shape {
    fn from(size: &PoolSize) -> Self {
        Self {
            image: size.image.clone(),
            limits: size.limits,
            // A volume would have to be made anew for each one that is thrown away.
            disk: DiskKind::Memory,
            network: size.network,
            runtime: None,
            gpu: false,
        }
    }
}

/// A request with everything that it left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) shape: Shape,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) exec_timeout: Option<Duration>,
    pub(crate) ttl: Duration,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) auto_resume: bool,
}

impl Wanted {
    /// Checks a request, and fills in what it leaves out.
    pub(crate) fn new(request: CreateRequest, settings: &Settings) -> Result<Self, SandboxError> {
        let network = match request.network {
            None => settings.network,
            Some(NetworkRequest::Mode(mode)) => mode,
            Some(NetworkRequest::Rules(_)) => {
                return Err(SandboxError::NotSupported {
                    what: "network rules. Use \"none\", \"isolated\" or \"internet\"".into(),
                });
            }
        };
        let limits = limits(&request, settings)?;
        let image = request.image.unwrap_or_else(|| settings.image.clone());
        if image.is_empty()
            || image.len() > 512
            || image.contains(|c: char| c.is_control() || c == ' ')
        {
            return Err(invalid("image", "the name of an image was expected"));
        }
        if let Some(runtime) = &request.runtime
            && !settings.runtimes.contains(runtime)
        {
            return Err(invalid(
                "runtime",
                format!("{runtime:?} isn't one of those that the settings allow"),
            ));
        }
        check_entries("env", &request.env)?;
        check_entries("metadata", &request.metadata)?;
        if let Some(name) = request.env.keys().find(|name| !is_variable(name)) {
            return Err(invalid(
                "env",
                format!("{name:?} isn't the name of a variable"),
            ));
        }
        Ok(Self {
            shape: Shape {
                image,
                limits,
                disk: request.disk.unwrap_or_default(),
                network,
                runtime: request.runtime,
                gpu: request.gpu,
            },
            env: request.env,
            metadata: request.metadata,
            exec_timeout: exec_timeout(request.timeout_s, Some(settings.exec_timeout))?,
            ttl: match request.ttl_s {
                Some(ttl_s) => ttl("ttl_s", ttl_s, settings)?,
                None => settings.ttl,
            },
            on_timeout: request.on_timeout.unwrap_or_default(),
            auto_resume: request.auto_resume,
        })
    }
}

fn limits(request: &CreateRequest, settings: &Settings) -> Result<SandboxLimits, SandboxError> {
    let (preset, largest) = (settings.limits, settings.largest);
    let memory_mb = request.memory_mb.unwrap_or(preset.memory_mb);
    check("memory_mb", memory_mb, LEAST_MEMORY_MB, largest.memory_mb)?;
    let pids = request.pids.unwrap_or(preset.pids);
    check("pids", pids, LEAST_PIDS, largest.pids)?;
    let cpus = request.cpus.unwrap_or(preset.cpus);
    check("cpus", cpus, LEAST_CPUS, largest.cpus)?;
    let disk_mb = request.disk_mb.unwrap_or(match request.disk {
        Some(DiskKind::Volume) => preset.disk_mb,
        // Of a folder that is larger than the memory, nothing more could be used.
        _ => preset.disk_mb.min(memory_mb),
    });
    check("disk_mb", disk_mb, 1, largest.disk_mb)?;
    Ok(SandboxLimits {
        memory_mb,
        cpus,
        pids,
        disk_mb,
    })
}

fn check<T: PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), SandboxError> {
    // Also false for what isn't a number.
    if value >= least && value <= most {
        return Ok(());
    }
    Err(invalid(
        field,
        format!("{value} was asked for, and {least} to {most} is allowed"),
    ))
}

/// How long a sandbox shall live.
pub(crate) fn ttl(
    field: &'static str,
    seconds: f64,
    settings: &Settings,
) -> Result<Duration, SandboxError> {
    check(field, seconds, 0.0, settings.longest_ttl.as_secs_f64())?;
    Ok(Duration::from_secs_f64(seconds))
}

/// How long a command may take: what is said, else the preset; no limit for 0.
pub(crate) fn exec_timeout(
    seconds: Option<f64>,
    preset: Option<Duration>,
) -> Result<Option<Duration>, SandboxError> {
    match seconds {
        None => Ok(preset),
        Some(seconds) => {
            check("timeout_s", seconds, 0.0, 1e9)?;
            let time = Duration::from_secs_f64(seconds);
            Ok((!time.is_zero()).then_some(time))
        }
    }
}

/// Whether the system takes it as a variable's name.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn check_entries(
    field: &'static str,
    entries: &BTreeMap<String, String>,
) -> Result<(), SandboxError> {
    let bytes: usize = entries
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if entries.len() > MOST_ENTRIES || bytes > MOST_ENTRY_BYTES {
        let most_kb = MOST_ENTRY_BYTES >> 10;
        return Err(invalid(
            field,
            format!("more than {MOST_ENTRIES} entries or {most_kb} KiB"),
        ));
    }
    if entries.values().any(|value| value.contains('\0')) {
        return Err(invalid(field, "a value contains a null character"));
    }
    Ok(())
}

pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> SandboxError {
    SandboxError::Invalid {
        field,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: serde_json::Value) -> Result<Wanted, SandboxError> {
        let request = serde_json::from_value(json).unwrap();
        Wanted::new(request, &Settings::default())
    }

    #[test]
    fn an_empty_request_is_the_shape_that_the_pool_keeps() {
        let settings = Settings::default();
        let wanted = wanted(serde_json::json!({})).unwrap();
        assert_eq!(wanted.shape, Shape::from(&settings.pool[0]));
        assert_eq!(wanted.ttl, settings.ttl);
        assert_eq!(wanted.exec_timeout, Some(settings.exec_timeout));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        for (json, expected) in [
            (serde_json::json!({"memory_mb": 1}), "memory_mb"),
            (serde_json::json!({"cpus": -1.0}), "cpus"),
            (serde_json::json!({"pids": 0}), "pids"),
            (serde_json::json!({"disk_mb": 0}), "disk_mb"),
            (serde_json::json!({"ttl_s": 1e12}), "ttl_s"),
            (serde_json::json!({"timeout_s": -3}), "timeout_s"),
            (serde_json::json!({"image": ""}), "image"),
            (serde_json::json!({"env": {"A=B": "c"}}), "env"),
            (serde_json::json!({"env": {"A": "\u{0}"}}), "env"),
            (serde_json::json!({"runtime": "runc; true"}), "runtime"),
        ] {
            match wanted(json.clone()) {
                Err(SandboxError::Invalid { field, .. }) => assert_eq!(field, expected),
                other => panic!("{json}: {other:?}"),
            }
        }
        let rules = wanted(serde_json::json!({"network": {"allow": []}}));
        assert!(matches!(rules, Err(SandboxError::NotSupported { .. })));
    }

    #[test]
    fn a_folder_in_memory_is_no_larger_than_the_memory_and_one_on_disk_may_be() {
        let disk_mb = |json| wanted(json).unwrap().shape.limits.disk_mb;
        let preset = Settings::default().limits.disk_mb;
        assert_eq!(disk_mb(serde_json::json!({"memory_mb": 64})), 64);
        let volume = serde_json::json!({"memory_mb": 64, "disk": "volume"});
        assert_eq!(disk_mb(volume.clone()), preset);
        assert_eq!(wanted(volume).unwrap().shape.disk, DiskKind::Volume);
    }

    #[test]
    fn no_limit_is_a_zero() {
        let preset = Some(Duration::from_secs(300));
        assert_eq!(exec_timeout(Some(0.0), preset).unwrap(), None);
        assert_eq!(exec_timeout(None, preset).unwrap(), preset);
    }
}
