//! Words with placeholders.

use serde::Deserialize;

use super::Invalid;

/// A list of words.
pub type Words = Vec<Word>;

/// An argument, or what stands for some.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Word {
    /// Itself.
    Literal(String),
    /// The arguments that begin or go on with a conversation.
    Session,
    /// The arguments of the permission mode.
    Mode,
    /// The arguments that carry the prompt.
    Prompt,
    /// The arguments of the output for programs.
    Output,
    /// The conversation's id.
    Id,
    /// What the person wrote.
    Text,
}

impl Word {
    /// As the catalogue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Session => "{session}",
            Self::Mode => "{mode}",
            Self::Prompt => "{prompt}",
            Self::Output => "{output}",
            Self::Id => "{id}",
            Self::Text => "{text}",
        }
    }
}

impl TryFrom<String> for Word {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Ok(match text.as_str() {
            "{session}" => Self::Session,
            "{mode}" => Self::Mode,
            "{prompt}" => Self::Prompt,
            "{output}" => Self::Output,
            "{id}" => Self::Id,
            "{text}" => Self::Text,
            other if other.contains(['{', '}', '\0']) => {
                return Err(Invalid(format!(
                    "invalid argument: {other:?} (a placeholder is an argument of its own: {{session}}, {{mode}}, {{prompt}}, {{output}}, {{id}} or {{text}})"
                )));
            }
            _ => Self::Literal(text),
        })
    }
}
