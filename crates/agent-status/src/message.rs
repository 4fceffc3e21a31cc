//! What the helper hears on its socket, and what it says: a line of JSON each.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wire::agent::{AgentAsk, AgentState};

use crate::{HookEvent, Launch};

/// The most bytes of a line. A launch has the longest: a prompt, which is one argument.
pub const MOST_LINE_BYTES: usize = 256 << 10;

/// What the helper is told: by the host, by a hook, by what starts the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHelper {
    /// The host: from now on, each [`Snapshot`] is wanted.
    Follow,
    /// The host: what is to run. One that is known already stays as it is.
    Launch(Box<Launch>),
    /// The host: the keys that were waited for are there.
    Begin,
    /// The host: an ask's answer.
    Answer {
        /// Which ask.
        ask: u64,
        /// Whether it may.
        allow: bool,
        /// Why not, for the tool.
        message: Option<String>,
    },
    /// The host: somebody typed what may be an answer.
    Typed,
    /// The host: a prompt was sent.
    Sent {
        /// Its size.
        bytes: u64,
    },
    /// The host: somebody looked at it.
    Seen,
    /// A hook.
    Hook(HookMessage),
    /// What starts the tool: it runs.
    Started(Started),
    /// What starts the tool: it ended.
    Ended(ToolEnd),
}

/// What a hook says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookMessage {
    /// What the tool told.
    pub event: HookEvent,
    /// Whether it waits for an answer, if one is asked for.
    pub waits: bool,
}

/// The answer to a hook that waits. None comes if it was answered in the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    /// Whether the tool may.
    pub allow: bool,
    /// Why not.
    pub message: Option<String>,
}

/// The tool runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process of the terminal, tmux's server.
    pub terminal: i32,
}

/// How the tool ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolEnd {
    /// What it returned; none if a signal ended it or it couldn't be started.
    pub code: Option<i32>,
    /// Why it couldn't be started.
    pub failure: Option<String>,
}

/// Where an agent stands, as the helper says it and keeps it in the agent's volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Where it stands.
    pub state: AgentState,
    /// What it asks for.
    pub asks: Vec<AgentAsk>,
    /// The tool's id of the conversation.
    pub conversation: Option<String>,
    /// What a person calls it.
    pub title: Option<String>,
    /// Whether it is known what is to run.
    pub launched: bool,
    /// Whether it waits for keys.
    pub waits_for_keys: bool,
    /// Whether its terminal is there, and the tool in it.
    pub runs: bool,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            state: AgentState::Unknown,
            asks: Vec::new(),
            conversation: None,
            title: None,
            launched: false,
            waits_for_keys: false,
            runs: false,
        }
    }
}

impl Snapshot {
    /// The same with each text cut to its length: it comes from inside a container.
    #[must_use]
    pub fn within_bounds(self) -> Self {
        let as_event = HookEvent {
            conversation: self.conversation,
            message: self.title,
            ..HookEvent::default()
        };
        let HookEvent {
            conversation,
            message: title,
            ..
        } = as_event.within_bounds();
        let asks = self.asks.into_iter().take(crate::MOST_ASKS);
        Self {
            state: match self.state {
                AgentState::Failed { reason } => AgentState::Failed {
                    reason: crate::shown(&reason, 512),
                },
                state => state,
            },
            asks: asks
                .map(|ask| AgentAsk {
                    id: ask.id,
                    tool: crate::shown(&ask.tool, 64),
                    detail: crate::shown(&ask.detail, 2 << 10),
                })
                .collect(),
            conversation,
            title,
            ..self
        }
    }
}

/// A line of JSON, with its end.
///
/// # Errors
/// It can't be written as JSON, or is longer than a line may be.
pub fn write_line(said: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(said)?;
    if line.len() >= MOST_LINE_BYTES {
        let words = format!("a line has {MOST_LINE_BYTES} bytes at most");
        return Err(serde::ser::Error::custom(words));
    }
    line.push(b'\n');
    Ok(line)
}

/// What a line says; none if it says nothing that is understood.
#[must_use]
pub fn read_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_a_bounded_length() {
        let launch = |word: &str| {
            ToHelper::Launch(Box::new(Launch {
                first: vec![word.to_owned()],
                ..Launch::default()
            }))
        };
        let line = write_line(&launch("a\nb")).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(read_line(&line), Some(launch("a\nb")));
        assert!(write_line(&launch(&"x".repeat(MOST_LINE_BYTES))).is_err());
        assert_eq!(read_line::<ToHelper>(b"{\"dance\":1}"), None);
    }

    #[test]
    fn a_snapshot_from_inside_is_text_within_bounds() {
        let ask = |id| AgentAsk {
            id,
            tool: "t\u{1b}".repeat(1000),
            detail: "d".repeat(1 << 20),
        };
        let snapshot = Snapshot {
            state: AgentState::Failed {
                reason: "\u{1b}]0;x\u{7}".repeat(10_000),
            },
            asks: (0..1000).map(ask).collect(),
            conversation: Some("--dangerously".into()),
            title: Some("a\u{202e}b".into()),
            ..Snapshot::default()
        };
        let bounded = snapshot.within_bounds();
        assert!(serde_json::to_vec(&bounded).unwrap().len() < MOST_LINE_BYTES);
        assert_eq!(bounded.title.as_deref(), Some("ab"));
        assert_eq!(bounded.conversation, None);
        assert!(!format!("{bounded:?}").contains("\\u{1b}"));
    }
}
