//! For which processor an image is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::ImageError;

/// A platform, as `AI_RUN_PLATFORM` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Platform {
    /// `linux/amd64`.
    #[serde(rename = "linux/amd64")]
    Amd64,
    /// `linux/arm64`.
    #[serde(rename = "linux/arm64")]
    Arm64,
}

impl Platform {
    /// That of this computer; `None` if it is neither.
    #[must_use]
    pub fn of_this_computer() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// As engines write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "linux/amd64",
            Self::Arm64 => "linux/arm64",
        }
    }

    /// What an image's architecture is then.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Whether the program that looks after an agent inside its container exists for it.
    ///
    /// # Errors
    /// [`ImageError::NoHelper`].
    pub fn check_helper(self, helpers: &[Self]) -> Result<(), ImageError> {
        match helpers.contains(&self) {
            true => Ok(()),
            false => Err(ImageError::NoHelper {
                platform: self,
                helpers: helpers.to_vec(),
            }),
        }
    }
}

impl FromStr for Platform {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        [Self::Amd64, Self::Arm64]
            .into_iter()
            .find(|platform| platform.as_str() == text)
            .ok_or_else(|| ImageError::Setting {
                name: "AI_RUN_PLATFORM",
                value: text.to_owned(),
                expected: "linux/amd64 or linux/arm64",
            })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
