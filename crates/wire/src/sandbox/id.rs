//! What names a sandbox.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// What the container of every sandbox is named with; its id follows.
pub const CONTAINER_PREFIX: &str = "sandbox-session-";

/// Names a sandbox: lower-case letters and digits, so that it can be a part of a host's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxId(String);

impl SandboxId {
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
}

/// A text isn't the id of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxIdError;

impl fmt::Display for SandboxIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid sandbox id: up to 40 lower-case letters and digits are expected")
    }
}

impl std::error::Error for SandboxIdError {}

impl FromStr for SandboxId {
    type Err = SandboxIdError;

    fn from_str(text: &str) -> Result<Self, SandboxIdError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.into())).ok_or(SandboxIdError)
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SandboxId {
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
    fn ids_are_parts_of_names() {
        assert_eq!(
            "i1a2b3".parse::<SandboxId>().unwrap().container(),
            "sandbox-session-i1a2b3"
        );
        for text in ["", "A", "a/b", "a b", "..", "ä", &"a".repeat(41)] {
            assert!(text.parse::<SandboxId>().is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<SandboxId>("\"../x\"").is_err());
    }
}
