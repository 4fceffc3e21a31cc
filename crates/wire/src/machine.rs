//! A machine as the host sees it.

use serde::{Deserialize, Serialize};

/// Where a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// No container of it exists.
    Absent,
    /// Its container exists and does not run.
    Stopped,
    /// It runs, and does not answer yet (or no longer).
    Starting,
    /// It runs and its kernel takes cells.
    Running,
    /// It runs, and the container engine holds its processes: nothing in it answers until it goes on.
    Paused,
}

/// A machine's state and how to reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineStatus {
    /// Name of the machine (`os-host` for the first one).
    pub name: String,
    /// State.
    pub state: MachineState,
    /// Image tag, such as `os`.
    pub image: String,
    /// Whether an image exists.
    pub image_present: bool,
    /// Whether the image was built from other inputs than the present ones.
    pub image_stale: bool,
    /// Container id, where there is a container.
    pub container_id: Option<String>,
    /// Unix milliseconds of the container's start.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub started_at_ms: Option<u64>,
    /// Where it can be reached, where it runs.
    pub addresses: Option<Addresses>,
    /// Version of the body inside, where it answers.
    pub body_version: Option<String>,
    /// What its spec opens of this computer, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "ts", ts(optional, as = "Option<Vec<String>>"))]
    pub warnings: Vec<String>,
}

/// Loopback addresses of a running machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Addresses {
    /// Kernel API, `http://127.0.0.1:8080`.
    pub kernel: String,
    /// MCP endpoint, `http://127.0.0.1:8765`.
    pub mcp: String,
    /// VNC, `127.0.0.1:5900`.
    pub vnc: String,
}

/// What a running machine uses at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineStats {
    /// Processor use since the last time that anybody asked, 100 for one whole processor;
    /// `None` where nobody has since its start.
    pub cpu_percent: Option<f64>,
    /// Processors that it may use: 1.5 for one and a half.
    pub cpus: f64,
    /// Memory, without the file cache that could be given back.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub memory_bytes: u64,
    /// The most it may be: the spec's limit, else the engine's whole memory. 0 where it is not told.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub memory_limit_bytes: u64,
    /// Processes and threads.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub pids: u64,
    /// The most they may be.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub pids_limit: Option<u64>,
}

/// What a machine takes of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineDisk {
    /// Its image; layers that other images share are counted whole.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub image_bytes: Option<u64>,
    /// What it wrote over its image: lost when it is made anew.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub written_bytes: u64,
    /// Its home volume, where it runs.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub home_bytes: Option<u64>,
}

/// What the engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EngineInfo {
    /// `Docker`, `Podman`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its API version.
    pub api_version: String,
    /// How it is reached, such as `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// Why this one: `chosen by hand`, `DOCKER_HOST`, `Docker's context …`, or which of the
    /// usual sockets it is.
    pub chosen_by: String,
}

/// An engine that can be chosen by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EngineCandidate {
    /// What to choose: an address, or a context's name.
    pub engine: String,
    /// For people: `Docker`, `rootless Podman`, `Docker's context …`.
    pub title: String,
    /// Its address.
    pub endpoint: String,
}

/// One step of long work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Progress {
    /// A step began. `total` is 0 where it is not known.
    Step {
        /// Number of the step, from 1.
        index: u32,
        /// How many there are.
        total: u32,
        /// What it does, such as `RUN apt-get install …`.
        title: String,
        /// Whether it came from the cache.
        cached: bool,
    },
    /// A line of the current step's output, without its newline.
    Line {
        /// Text.
        text: String,
    },
    /// Moves on to another phase: `base`, `build`, `create`, `start`, `ready`.
    Phase {
        /// Which.
        name: String,
    },
}
