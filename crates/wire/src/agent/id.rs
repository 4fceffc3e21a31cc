//! What names an agent.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// What the container of every agent is named with; its id follows.
pub const CONTAINER_PREFIX: &str = "tmux-agent-";

/// Names an agent: lower-case letters and digits, so that it can be a part of a container's, a volume's and
/// a branch's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentId(String);

impl AgentId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of its container.
    #[must_use]
    pub fn container(&self) -> String {
        format!("{CONTAINER_PREFIX}{}", self.0)
    }

    /// The id that a container's name has.
    #[must_use]
    pub fn of_container(name: &str) -> Option<Self> {
        name.strip_prefix(CONTAINER_PREFIX)?.parse().ok()
    }
}

/// A text isn't the id of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentIdError;

impl fmt::Display for AgentIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid agent id: up to 40 lower-case letters and digits are expected")
    }
}

impl std::error::Error for AgentIdError {}

impl FromStr for AgentId {
    type Err = AgentIdError;

    fn from_str(text: &str) -> Result<Self, AgentIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.into())).ok_or(AgentIdError)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_have_an_id() {
        let id: AgentId = "a1".parse().unwrap();
        assert_eq!(AgentId::of_container(&id.container()), Some(id));
        for name in [
            "",
            "tmux-agent-",
            "tmux-agent-A",
            "tmux-agent-a/../b",
            "a1",
            "tmux-agent-ä",
        ] {
            assert_eq!(AgentId::of_container(name), None, "{name:?}");
        }
        assert!(serde_json::from_str::<AgentId>("\"../x\"").is_err());
        assert!("a".repeat(41).parse::<AgentId>().is_err());
    }
}
