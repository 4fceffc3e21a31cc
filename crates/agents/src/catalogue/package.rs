//! What a tool is installed from.

use std::fmt;

use serde::Deserialize;

use super::Invalid;

/// A package with its pinned version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum Package {
    /// Of npm.
    Npm {
        /// Its name, with its scope.
        name: String,
        /// The pin.
        version: Version,
    },
    /// Of PyPI.
    Pypi {
        /// Its name.
        name: String,
        /// The pin.
        version: Version,
    },
}

impl Package {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Npm { name, .. } | Self::Pypi { name, .. } => name,
        }
    }

    /// Its pin.
    #[must_use]
    pub fn version(&self) -> &Version {
        match self {
            Self::Npm { version, .. } | Self::Pypi { version, .. } => version,
        }
    }
}

/// One version and no range: what is installed today is installed tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(String);

impl Version {
    /// As the registry writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Version {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let fits = text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
            && !text.split('.').any(|part| part == "x" || part == "X");
        match fits {
            true => Ok(Self(text)),
            false => Err(Invalid(format!(
                "invalid version: {text:?} (expected exactly one, such as 1.2.3)"
            ))),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
