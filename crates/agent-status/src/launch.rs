//! What is to run in an agent's terminal.

use serde::{Deserialize, Serialize};

/// Stands in an argument for the conversation's id.
pub const CONVERSATION: &str = "{conversation}";

/// What an agent runs, the first time and again. The helper keeps it in the agent's volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// Program and arguments the first time, with the prompt if there is one.
    pub first: Vec<String>,
    /// The same without the prompt, for when there is no conversation to go on with.
    pub again: Vec<String>,
    /// The same with the conversation, whose id stands for [`CONVERSATION`]; empty if the tool can't.
    pub resume: Vec<String>,
    /// The conversation's id, if the host chose it.
    pub conversation: Option<String>,
    /// Where it starts.
    pub folder: String,
    /// Variables, nothing secret.
    pub environment: Vec<(String, String)>,
    /// Whether it waits for keys, which the host brings each time.
    pub needs_keys: bool,
    /// Whether the tool's hooks tell what it does.
    pub reports: bool,
    /// What a person calls it.
    pub title: Option<String>,
}

/// What runs now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where.
    pub folder: String,
    /// Variables over those of the container.
    pub environment: Vec<(String, String)>,
    /// Whether keys are read.
    pub needs_keys: bool,
}

impl Launch {
    /// What runs now. `conversation` is what is known of an earlier run; none the first time.
    #[must_use]
    pub fn run(&self, is_first: bool, conversation: Option<&str>) -> Run {
        let command = match conversation {
            _ if is_first => self.with(&self.first, self.conversation.as_deref()),
            Some(id) if !self.resume.is_empty() => self.with(&self.resume, Some(id)),
            _ => self.with(&self.again, None),
        };
        Run {
            command,
            folder: self.folder.clone(),
            environment: self.environment.clone(),
            needs_keys: self.needs_keys,
        }
    }

    fn with(&self, words: &[String], conversation: Option<&str>) -> Vec<String> {
        let id = conversation.unwrap_or_default();
        let word = |word: &String| match word.as_str() {
            CONVERSATION => id.to_owned(),
            // As `--session-id={conversation}`; never within a prompt.
            text if text.starts_with('-') => text.replace(CONVERSATION, id),
            text => text.to_owned(),
        };
        words.iter().map(word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_same_conversation_goes_on() {
        let launch = Launch {
            first: words("tool --session-id {conversation} -p do-it"),
            again: words("tool"),
            resume: words("tool --resume={conversation}"),
            conversation: Some("own".into()),
            ..Launch::default()
        };
        let run = |is_first, id| launch.run(is_first, id).command.join(" ");
        assert_eq!(run(true, None), "tool --session-id own -p do-it");
        assert_eq!(run(false, Some("c-1")), "tool --resume=c-1");
        assert_eq!(run(false, None), "tool");
    }

    #[test]
    fn a_tool_that_cannot_resume_starts_without_its_prompt() {
        let launch = Launch {
            first: words("tool prompt"),
            again: words("tool"),
            ..Launch::default()
        };
        assert_eq!(launch.run(false, Some("c-1")).command, ["tool"]);
    }
}
