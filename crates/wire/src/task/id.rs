//! What names a task.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Characters of an id: those of a ULID.
const LENGTH: usize = 26;

/// Names a task: a ULID, so that ids sort by when their tasks were accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct TaskId(String);

/// A text isn't a task's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskIdError;

impl fmt::Display for TaskIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task's id has 26 capital letters and digits")
    }
}

impl std::error::Error for TaskIdError {}

impl TaskId {
    /// The id that is a ULID of these bits.
    #[must_use]
    pub fn of(bits: u128) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let digit = |place: u32| {
            let digit = (bits >> (5 * place)) & 31;
            char::from(DIGITS[usize::try_from(digit).unwrap_or_default()])
        };
        Self((0..26).rev().map(digit).collect())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        let is_one = text.len() == LENGTH
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        is_one.then(|| Self(text.to_owned())).ok_or(TaskIdError)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ulid_is_an_id() {
        let id: TaskId = "01JDZ0000000000000000000AB".parse().unwrap();
        assert_eq!(serde_json::to_value(&id).unwrap(), id.as_str());
        for text in [
            "",
            "01jdz0000000000000000000ab",
            "../../../etc/passwd/aaaaaa",
        ] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }
}
