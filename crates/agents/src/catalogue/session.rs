//! Conversations: their ids, and the arguments that name one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Invalid, Words};

/// The most characters of an id.
const LONGEST: usize = 128;

/// Arguments that begin or go on with a conversation. What a tool can't do is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionArguments {
    /// Begins one of that id.
    pub new: Option<Words>,
    /// Goes on with the one of that id.
    pub resume: Option<Words>,
    /// Goes on with the newest.
    pub last: Option<Words>,
}

/// A conversation's id. The tool says it, which runs among other people's code: an id that could be an
/// option, a path or two words is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConversationId(String);

impl ConversationId {
    /// Stands for an id that isn't known yet.
    pub(crate) fn placeholder() -> Self {
        Self(agent_status::CONVERSATION.to_owned())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConversationId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = text.len() <= LONGEST
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid::new("invalid conversation id")),
        }
    }
}

impl TryFrom<String> for ConversationId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ConversationId> for String {
    fn from(id: ConversationId) -> Self {
        id.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
