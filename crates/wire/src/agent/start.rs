//! What is asked for when an agent starts.

use serde::{Deserialize, Serialize};

wire! {
    /// An agent to start.
    #[serde(deny_unknown_fields)]
    pub struct StartAgent {
        /// The tool's name in the catalogue.
        pub tool: String,
        /// Image; the tool's own if none.
        #[serde(default)]
        pub image: Option<String>,
        /// What it works on.
        #[serde(default)]
        pub workspace: AgentWorkspace,
        /// What it is to do; it waits for a person if there is none.
        #[serde(default)]
        pub prompt: Option<String>,
        /// How much the tool asks, by the mode's id; the tool's usual one if none.
        #[serde(default)]
        pub mode: Option<String>,
        /// Stored keys that the tool gets, by name: its process has them as variables, and nothing else does.
        #[serde(default)]
        pub keys: Vec<String>,
        /// What a person calls it.
        #[serde(default)]
        pub title: Option<String>,
        /// Limits; the settings' if none.
        #[serde(default)]
        pub limits: Option<AgentLimits>,
        /// Networks that it joins, beside the agents' own.
        #[serde(default)]
        pub networks: Vec<String>,
        /// Whether `host.docker.internal` leads to this computer.
        #[serde(default)]
        pub host_access: bool,
        /// Files and folders of this computer that it reads.
        #[serde(default)]
        pub mounts: Vec<ReadOnlyMount>,
        /// Whether it has the graphics cards of this computer.
        #[serde(default)]
        pub gpu: bool,
    }
    /// What an agent may use at most.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct AgentLimits {
        /// Memory, in MiB.
        pub memory_mb: u32,
        /// Processors, 1.5 for one and a half.
        pub cpus: f64,
        /// Processes and threads.
        pub pids: u32,
    }
    /// What an agent works on, at `/workspace`.
    #[derive(Eq, Default)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AgentWorkspace {
        /// A volume of its own: empty, or filled by whoever starts it.
        #[default]
        Volume,
        /// A clone of a repository of this computer, on the branch `agent/<id>`, in a volume of its own. A
        /// folder without git is copied, and comes back as a patch.
        Clone {
            /// Absolute path.
            path: String,
            /// Takes changes along that aren't committed.
            #[serde(default)]
            uncommitted: bool,
            /// Takes new files along. Those that git ignores stay here in any case.
            #[serde(default)]
            untracked: bool,
        },
        /// A folder of this computer, as it is; `.git` can only be read.
        InPlace {
            /// Absolute path.
            path: String,
        },
    }
    /// Something of this computer that an agent sees and can't change.
    #[derive(Eq)]
    pub struct ReadOnlyMount {
        /// Absolute path here.
        pub source: String,
        /// Absolute path in the container.
        pub target: String,
    }
    /// What is kept when an agent is stopped.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum KeepAgent {
        /// Container and volumes, so that it can be resumed.
        #[default]
        All,
        /// Nothing.
        Nothing,
    }
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self {
            memory_mb: 4096,
            cpus: 2.0,
            pids: 2048,
        }
    }
}
