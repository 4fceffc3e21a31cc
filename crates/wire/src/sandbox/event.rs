//! What happens to sandboxes.

use serde::{Deserialize, Serialize};

use super::SandboxId;

/// Something happened to a sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxEvent {
    /// Which one.
    pub sandbox_id: SandboxId,
    /// Name of the token that made it; `None` for the person and for a machine.
    pub owner: Option<String>,
    /// Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub kind: SandboxEventKind,
}

/// What happened to a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SandboxEventKind {
    /// It takes commands.
    Created,
    /// Its time will be over in a minute or less.
    EndsSoon {
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        ends_at_ms: u64,
    },
    /// Its end time is another one.
    TimeoutChanged {
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        ends_at_ms: u64,
    },
    /// Its processes are frozen.
    Paused,
    /// They go on.
    Resumed,
    /// It is gone, as somebody wanted or as its time was over.
    Ended {
        /// Why, in a sentence.
        reason: String,
    },
    /// It is gone, and nobody here wanted that.
    Lost {
        /// Why, in a sentence.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_flat() {
        let event = SandboxEvent {
            sandbox_id: "a".parse().unwrap(),
            owner: None,
            at_ms: 1,
            kind: SandboxEventKind::EndsSoon { ends_at_ms: 2 },
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], "ends_soon");
        assert_eq!(serde_json::from_value::<SandboxEvent>(json).unwrap(), event);
    }
}
