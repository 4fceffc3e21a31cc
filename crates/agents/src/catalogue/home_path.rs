//! Paths in an agent's home.

use std::{fmt, path::Path};

use serde::Deserialize;

use super::Invalid;

/// A path below the agent's home, which leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HomePath(String);

impl HomePath {
    /// Relative to the home.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Relative to the home.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl TryFrom<String> for HomePath {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let is_name = |name: &str| {
            !name.is_empty() && name != "." && name != ".." && !name.contains(['\0', ':', '\n'])
        };
        match text.len() <= 255 && text.split('/').all(is_name) {
            true => Ok(Self(text)),
            false => Err(Invalid(format!(
                "invalid path: {text:?} (expected one below the agent's home, without .. and colons)"
            ))),
        }
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
