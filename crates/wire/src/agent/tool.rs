//! The coding tools that agents run, with their images and permission modes.

use serde::{Deserialize, Serialize};

wire! {
    /// Answer of `agent_tools`.
    pub struct AgentTools {
        /// By id.
        pub tools: Vec<AgentTool>,
        /// Where their images come from.
        pub source: AgentImageSource,
        /// Entries of the person's own catalogue that were left out, and why.
        pub problems: Vec<String>,
    }
    /// Where the tools' images come from.
    #[derive(Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AgentImageSource {
        /// They are built here.
        Local,
        /// They are fetched, and approved once by their digests.
        Registry {
            /// Where from.
            registry: String,
        },
    }
    /// A coding tool.
    pub struct AgentTool {
        /// Its name in the catalogue, such as `claude`.
        pub id: String,
        /// Its name for people.
        pub title: String,
        /// Where its documentation is.
        pub home_page: Option<String>,
        /// What its image is called.
        pub image: String,
        /// Whether the image is there.
        pub state: AgentImageState,
        /// The run that builds or fetches it now.
        pub run_id: Option<String>,
        /// How much it asks, the most careful first.
        pub modes: Vec<AgentMode>,
        /// The mode that is used if none is chosen.
        pub default_mode: Option<String>,
        /// Whether it can start with a prompt.
        pub takes_prompt: bool,
        /// Whether it can't start without one: it has nothing to show in a terminal.
        pub needs_prompt: bool,
        /// Whether it can go on with its conversation after it ended.
        pub resumes: bool,
        /// Variables that hold its keys, of which one is enough.
        pub keys: Vec<String>,
        /// Whether it has a log-in of its own, beside keys.
        pub logs_in: bool,
    }
    /// Whether a tool's image is there.
    #[derive(Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AgentImageState {
        /// No image of it is built here.
        NotBuilt {
            /// Why not.
            reason: String,
        },
        /// It was neither built nor fetched.
        Missing,
        /// It came from a registry, and nobody approved it.
        Unapproved {
            /// What is to be approved: `sha256:…`.
            digest: String,
            /// Size on disk.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            size_bytes: u64,
        },
        /// It is there.
        Present {
            /// Size on disk, with the layers that it shares with others.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            size_bytes: u64,
            /// The tool's version in it, if it says so.
            version: Option<String>,
            /// The version that a build would install, if it is another.
            update: Option<String>,
            /// Who made it.
            origin: AgentImageOrigin,
        },
    }
    /// Who made an image.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum AgentImageOrigin {
        /// Vivarium built it here.
        BuiltHere,
        /// It came from a registry, and the person approved its digest.
        Approved,
        /// Anybody may have made it. No log-in gets into it.
        Unknown,
    }
    /// How much a tool asks before it does something.
    #[derive(Eq)]
    pub struct AgentMode {
        /// The tool's own name for it.
        pub id: String,
        /// For people.
        pub title: String,
        /// What it means.
        pub policy: AgentPolicy,
    }
    /// What a permission mode means, from careful to careless.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum AgentPolicy {
        /// Nothing is changed.
        Plan,
        /// The person is asked before anything is changed or run.
        Ask,
        /// Files are changed without asking; the rest is asked.
        Edits,
        /// The tool decides when it asks.
        Auto,
        /// Nothing is asked: the agent works unattended.
        All,
    }
    /// Asks for `agent_image_build`.
    pub struct AgentImageBuildRequest {
        /// The tool.
        pub tool: String,
        /// Builds also what is up to date.
        #[serde(default)]
        pub rebuild: bool,
    }
    /// Asks for `agent_image_log`.
    pub struct AgentImageLogRequest {
        /// From `agent_image_build`, or of the list of tools.
        pub run_id: String,
        /// The number of the first line that is wanted, from 0.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
    }
    /// Asks for `agent_image_approve`.
    pub struct AgentImageApproveRequest {
        /// The tool.
        pub tool: String,
        /// What the person was shown.
        pub digest: String,
    }
    /// Folders whose insides agents may be given.
    #[derive(Eq, Default)]
    pub struct AgentFolders {
        /// Absolute paths.
        pub folders: Vec<String>,
    }
    /// Asks for `agent_folder_add` and `agent_folder_remove`.
    pub struct AgentFolderRequest {
        /// Absolute path.
        pub path: String,
    }
}
