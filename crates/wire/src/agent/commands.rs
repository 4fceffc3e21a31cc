//! What the commands about agents take and answer.

use serde::{Deserialize, Serialize};

use super::{AgentId, KeepAgent};

wire! {
    /// Names an agent.
    pub struct AgentName {
        /// Which one.
        pub id: AgentId,
    }
    /// Asks for `agent_send`.
    pub struct AgentSendRequest {
        /// To which agent.
        pub id: AgentId,
        /// Pasted into its terminal, without control characters.
        pub text: String,
    }
    /// Asks for `agent_keys`.
    pub struct AgentKeysRequest {
        /// To which agent.
        pub id: AgentId,
        /// Their names in tmux, such as `C-c`, `Up` or `Enter`.
        pub keys: Vec<String>,
    }
    /// Asks for `agent_answer`.
    pub struct AgentAnswerRequest {
        /// Which agent.
        pub id: AgentId,
        /// Which of its asks.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub ask: u64,
        /// Whether it may.
        pub allow: bool,
        /// Why not, for the tool.
        #[serde(default)]
        pub message: Option<String>,
    }
    /// Asks for `agent_stop`.
    pub struct AgentStopRequest {
        /// Which agent.
        pub id: AgentId,
        /// What is kept.
        #[serde(default)]
        pub keep: KeepAgent,
    }
    /// Asks for `agent_logs`.
    pub struct AgentLogsRequest {
        /// Of which agent.
        pub id: AgentId,
        /// How many lines from the end.
        pub lines: u32,
    }
    /// Answer of `agent_clean`.
    pub struct AgentsCleaned {
        /// How many were removed.
        pub count: u32,
    }
}
