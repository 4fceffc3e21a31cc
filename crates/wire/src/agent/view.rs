//! An agent as it is shown.

use serde::{Deserialize, Serialize};

use super::{AgentAsk, AgentId, AgentLimits, AgentMode, AgentState, AgentWorkspace};

wire! {
    /// An agent.
    pub struct AgentView {
        /// Its id.
        pub id: AgentId,
        /// Its container's name.
        pub container: String,
        /// The tool.
        pub tool: String,
        /// The image that it was made of.
        pub image: String,
        /// What a person calls it.
        pub title: Option<String>,
        /// How much the tool asks; none if it has no modes.
        pub mode: Option<AgentMode>,
        /// Where it stands.
        pub state: AgentState,
        /// What it asks for, oldest first.
        pub asks: Vec<AgentAsk>,
        /// The tool's own id of the conversation.
        pub conversation: Option<String>,
        /// What it works on.
        pub workspace: AgentWorkspace,
        /// Its limits.
        pub limits: AgentLimits,
        /// Unix milliseconds of its creation.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub created_at_ms: u64,
        /// Whether it can be resumed now.
        pub resumable: bool,
    }
    /// Answer of `agent_start`.
    pub struct AgentStarted {
        /// The agent.
        pub agent: AgentView,
        /// What it didn't get of its workspace as one may expect it, in sentences.
        pub notes: Vec<String>,
    }
    /// All agents.
    #[derive(Default)]
    pub struct AgentList {
        /// Newest first.
        pub agents: Vec<AgentView>,
        /// Containers that are labelled as agents and can't be one, by name: hostile or broken labels.
        pub odd: Vec<String>,
    }
}
