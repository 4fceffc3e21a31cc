//! Where an agent stands.

use serde::{Deserialize, Serialize};

wire! {
    /// Where an agent stands.
    #[derive(Eq, Default)]
    #[serde(tag = "name", rename_all = "snake_case")]
    pub enum AgentState {
        /// Its container or its tool starts.
        Starting,
        /// The tool is at work.
        Working,
        /// The tool waits for a person.
        Waiting {
            /// For what.
            on: WaitingFor,
        },
        /// The tool is done, and nobody has looked since.
        YourTurn,
        /// The tool is done, or was asked for nothing yet.
        Idle,
        /// It can't start, or can't go on.
        Failed {
            /// Why.
            reason: String,
        },
        /// The tool ended. It can be resumed.
        Exited {
            /// What it returned; none if a signal ended it, or nobody saw it.
            code: Option<i32>,
        },
        /// Its processes are frozen.
        Paused,
        /// Its container was removed by somebody else; its volumes are there.
        Missing,
        /// It runs, and nothing says what it does.
        #[default]
        #[serde(other)]
        Unknown,
    }
    /// What an agent waits for.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum WaitingFor {
        /// Whether it may do something.
        Permission,
        /// A question that it asked.
        Answer,
        /// That somebody logs in.
        LogIn,
    }
    /// Something that an agent wants to do and asks for. What it says about it comes from inside: text,
    /// and nothing else.
    #[derive(Eq)]
    pub struct AgentAsk {
        /// Names it, as long as it is open.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub id: u64,
        /// The tool's own tool, such as `Bash`.
        pub tool: String,
        /// What it is about, such as a command line.
        pub detail: String,
    }
}

impl AgentState {
    /// Whether its container runs, as far as this says.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(
            self,
            Self::Failed { .. } | Self::Exited { .. } | Self::Missing
        )
    }

    /// Its name, in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting { .. } => "waiting",
            Self::YourTurn => "your turn",
            Self::Idle => "idle",
            Self::Failed { .. } => "failed",
            Self::Exited { .. } => "exited",
            Self::Paused => "paused",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

impl WaitingFor {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Answer => "an answer",
            Self::LogIn => "a log-in",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_a_newer_helper_is_unknown() {
        let read = |text: &str| serde_json::from_str::<AgentState>(text).unwrap();
        assert_eq!(read(r#"{"name":"dreaming"}"#), AgentState::Unknown);
        let on = WaitingFor::LogIn;
        assert_eq!(
            read(r#"{"name":"waiting","on":"log_in"}"#),
            AgentState::Waiting { on }
        );
    }
}
