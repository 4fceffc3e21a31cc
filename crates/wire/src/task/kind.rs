//! What a task does.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a task does; its payload says with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Runs a command in a sandbox of its own.
    Exec,
    /// Runs code in a sandbox of its own.
    Code,
    /// A prompt for an AI coding tool. Not supported yet.
    Agent,
    /// Builds an image. Not supported yet.
    ImageBuild,
    /// Backs up a machine. Not supported yet.
    Backup,
    /// Evolves a machine. Not supported yet.
    Evolve,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Exec,
        Self::Code,
        Self::Agent,
        Self::ImageBuild,
        Self::Backup,
        Self::Evolve,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Code => "code",
            Self::Agent => "agent",
            Self::ImageBuild => "image_build",
            Self::Backup => "backup",
            Self::Evolve => "evolve",
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("invalid kind {text:?}: expected one of {known}")
        })
    }
}
