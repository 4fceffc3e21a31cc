//! `machines/<name>.toml`: what the owner chose for a machine. Written with comments on
//! first use; a wrong field or value is told with its line.

mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::sandbox::NetworkMode;

pub use read::SpecError;
pub(crate) use read::is_name;

/// The machine that is there without anybody having created one.
pub(crate) const FIRST_MACHINE: &str = "os-host";
/// Its image.
pub(crate) const FIRST_IMAGE: &str = "os";

/// The file as it is written on first use.
const DEFAULT: &str = include_str!("machine.toml");

/// A machine as its owner wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the machine and of its container.
    pub name: String,
    /// What its image label, home volume and folder are called by, if not by its name: a rename
    /// writes the earlier name here.
    pub id: String,
    /// Name of its image, without the instance. The first machine's is `os`.
    pub image: String,
    /// Base image of the build.
    pub base: String,
    /// How tightly it is closed.
    pub profile: Profile,
    /// Who carries out a self-evolve.
    pub executor: Executor,
    /// Capabilities for CRIU.
    pub criu: bool,
    /// How many old images are kept.
    pub generations_to_keep: u32,
    /// How it is rebuilt and replaced.
    pub evolve: EvolveSpec,
    /// Whether its programs may use sandboxes.
    pub sandboxes: SandboxesSpec,
    /// Host ports.
    pub ports: Ports,
    /// Limits.
    pub limits: LimitsSpec,
    /// Environment; nothing secret.
    pub environment: BTreeMap<String, String>,
    /// Folders of the host.
    pub mounts: Vec<MountSpec>,
}

/// How tightly a machine is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// sudo works inside.
    #[default]
    Default,
    /// No capabilities, no new privileges, read-only root.
    Locked,
}

/// Who carries out a self-evolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The app or the CLI.
    #[default]
    Host,
    /// The machine itself, through a mounted engine socket.
    Socket,
}

/// How a machine is rebuilt and replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvolveSpec {
    /// Whether a run that the machine asks for waits for a person's yes.
    pub needs_yes: bool,
    /// How long a candidate may take to prove itself.
    pub prove_s: u32,
    /// How long the new machine may take until it answers.
    pub settle_s: u32,
    /// How long candidate and new machine have to stay well until they count as good.
    pub steady_s: u32,
    /// What all earlier generations may take of the disk together, such as `20g`; no limit where
    /// empty.
    pub generations_size: String,
}

impl Default for EvolveSpec {
    fn default() -> Self {
        Self {
            needs_yes: false,
            prove_s: 300,
            settle_s: 60,
            steady_s: 4,
            generations_size: String::new(),
        }
    }
}

/// Whether a machine's programs may use sandboxes of this computer. The container knows nothing of it:
/// a change counts at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxesSpec {
    /// Whether they may.
    pub allowed: bool,
    /// The most that such a sandbox may reach.
    pub network: NetworkMode,
}

/// Host ports on 127.0.0.1; 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ports {
    /// Kernel API.
    pub kernel: u16,
    /// MCP.
    pub mcp: u16,
    /// VNC.
    pub vnc: u16,
}

impl Ports {
    /// All of them: kernel, MCP, VNC.
    #[must_use]
    pub fn all(&self) -> [u16; 3] {
        [self.kernel, self.mcp, self.vnc]
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            kernel: 8080,
            mcp: 8765,
            vnc: 5900,
        }
    }
}

/// Limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSpec {
    /// Such as `4g`; none where empty.
    pub memory: String,
    /// 0 for all.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Size of /dev/shm, such as `1g`.
    pub shm: String,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            memory: String::new(),
            cpus: 0.0,
            pids: 2048,
            shm: "1g".into(),
        }
    }
}

/// A folder of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountSpec {
    /// Host path; `~` is the home.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

impl Default for Spec {
    fn default() -> Self {
        let mount = |source: &str, target: &str| MountSpec {
            source: source.into(),
            target: target.into(),
            read_only: false,
        };
        Self {
            name: FIRST_MACHINE.into(),
            id: String::new(),
            image: FIRST_IMAGE.into(),
            base: "debian:trixie-slim".into(),
            profile: Profile::Default,
            executor: Executor::Host,
            criu: false,
            generations_to_keep: 3,
            evolve: EvolveSpec::default(),
            sandboxes: SandboxesSpec::default(),
            ports: Ports::default(),
            limits: LimitsSpec::default(),
            environment: BTreeMap::new(),
            mounts: vec![
                mount("~/projects/docker_persistence", "/root/host"),
                mount("~/.mcp-state", "/data"),
            ],
        }
    }
}

impl Spec {
    /// The file's text on first use. Other instances than the first take any free ports.
    #[must_use]
    pub fn default_text(first_instance: bool) -> String {
        if first_instance {
            return DEFAULT.into();
        }
        DEFAULT
            .replace("kernel = 8080", "kernel = 0")
            .replace("mcp = 8765", "mcp = 0")
            .replace("vnc = 5900", "vnc = 0")
    }

    /// What its volume, folder and labels are called by.
    #[must_use]
    pub fn id(&self) -> &str {
        if self.id.is_empty() {
            &self.name
        } else {
            &self.id
        }
    }

    /// What all earlier generations may take together.
    pub(crate) fn generations_bytes(&self) -> Option<u64> {
        size_bytes(&self.evolve.generations_size)
    }

    /// Memory limit.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        size_bytes(&self.limits.memory)
    }

    /// Size of /dev/shm.
    #[must_use]
    pub fn shm_bytes(&self) -> Option<u64> {
        size_bytes(&self.limits.shm)
    }
}

/// `512m`, `4g`, `1gib`, plain bytes.
fn size_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("512m"), Some(512 << 20));
        assert_eq!(size_bytes("4 GiB"), Some(4 << 30));
        assert_eq!(size_bytes("4x"), None);
        assert_eq!(size_bytes("0"), None);
    }
}
