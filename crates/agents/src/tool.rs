//! A tool as an agent runs it: command lines, and files that it needs. The catalogue says what they are.

use std::collections::BTreeMap;

use agent_status::{CONVERSATION, Launch, ToHelper, write_line};
use wire::agent::AgentMode;

use crate::{catalogue::FirstRunFile, container::WORKSPACE, error::AgentError};

/// Stands in an argument for the prompt.
pub const PROMPT: &str = "{prompt}";
/// The most of a prompt that is an argument: Linux takes 128 KiB for one.
const MOST_PROMPT_BYTES: usize = 120 << 10;
/// The most arguments and variables.
const MOST_WORDS: usize = 256;

/// A tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name, as a label has it.
    pub name: String,
    /// Its image.
    pub image: String,
    /// The id that the image has to have; any if none.
    pub image_id: Option<String>,
    /// Program and arguments without a prompt; empty if it can't start without one. [`CONVERSATION`] stands
    /// for an id that we choose.
    pub start: Vec<String>,
    /// The same with a prompt, for which [`PROMPT`] stands; empty if it takes none.
    pub start_with_prompt: Vec<String>,
    /// The same again, when no conversation is known to go on with; `start` without the id if empty.
    pub again: Vec<String>,
    /// The same to go on with a conversation, for which [`CONVERSATION`] stands; empty if it can't.
    pub resume: Vec<String>,
    /// Variables, nothing secret.
    pub environment: BTreeMap<String, String>,
    /// Names of the keys that it needs, which become its variables.
    pub keys: Vec<String>,
    /// Whether its hooks tell what it does.
    pub reports: bool,
    /// How much it asks; none if it has no modes.
    pub mode: Option<AgentMode>,
    /// Files of its home that are there before it starts for the first time.
    pub files: Vec<FirstRunFile>,
}

impl ToolSpec {
    /// Plain bash, in an image that has it.
    #[must_use]
    pub fn shell(image: &str) -> Self {
        let start = ["bash", "--login"].map(str::to_owned).to_vec();
        Self {
            name: "shell".into(),
            image: image.into(),
            start,
            ..Self::default()
        }
    }

    /// What is to run.
    pub(crate) fn launch(
        &self,
        prompt: Option<&str>,
        title: Option<&str>,
        conversation: impl FnOnce() -> String,
    ) -> Result<Launch, AgentError> {
        self.check()?;
        let invalid = |field, reason: &str| AgentError::Invalid {
            field,
            reason: reason.into(),
        };
        let first = match prompt {
            None if self.start.is_empty() => {
                return Err(invalid("prompt", "this tool only runs with a prompt"));
            }
            None => self.start.clone(),
            Some(_) if self.start_with_prompt.is_empty() => {
                let words = format!("{} takes no prompt at its start: send it", self.name);
                return Err(invalid("prompt", &words));
            }
            Some(prompt) if prompt.len() > MOST_PROMPT_BYTES || prompt.contains('\0') => {
                let most_kb = MOST_PROMPT_BYTES >> 10;
                let words = format!("up to {most_kb} KiB of text are expected, without NUL");
                return Err(invalid("prompt", &words));
            }
            Some(prompt) => {
                let word = |word: &String| match word.as_str() {
                    // No tool takes it for an option.
                    PROMPT if prompt.starts_with('-') => format!(" {prompt}"),
                    PROMPT => prompt.to_owned(),
                    _ => word.clone(),
                };
                self.start_with_prompt.iter().map(word).collect()
            }
        };
        let has_id = |words: &[String]| words.iter().any(|word| word.contains(CONVERSATION));
        let template = match prompt {
            None => &self.start,
            Some(_) => &self.start_with_prompt,
        };
        let launch = Launch {
            conversation: has_id(template).then(conversation),
            first,
            // The id of a conversation that began can't be chosen again.
            again: match &self.again {
                again if !again.is_empty() => again.clone(),
                _ if has_id(&self.start) => without_id(&self.start),
                _ => self.start.clone(),
            },
            resume: self.resume.clone(),
            folder: WORKSPACE.into(),
            environment: self.environment.clone().into_iter().collect(),
            needs_keys: !self.keys.is_empty(),
            reports: self.reports,
            title: title.map(|title| agent_status::shown(title, 200)),
        };
        // What can't be said to the helper is refused here, not tried again and again.
        match write_line(&ToHelper::Launch(Box::new(launch.clone()))) {
            Ok(_) => Ok(launch),
            Err(error) => Err(invalid("prompt", &error.to_string())),
        }
    }

    fn check(&self) -> Result<(), AgentError> {
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            (1..=64).contains(&name.len()) && name.bytes().all(plain)
        };
        let lines = [
            &self.start,
            &self.start_with_prompt,
            &self.again,
            &self.resume,
        ];
        let words = lines.into_iter().flatten().count() + self.environment.len();
        let text = || {
            let variables = self.environment.iter();
            let variables = variables.flat_map(|(name, value)| [name, value]);
            lines.into_iter().flatten().chain(variables)
        };
        let reason = if !is_name(&self.name) {
            "its name has letters, digits, _ and - alone"
        } else if self.start.is_empty() && self.start_with_prompt.is_empty() {
            "it has nothing to start"
        } else if words > MOST_WORDS || text().any(|word| word.contains('\0')) {
            "it has too many arguments and variables, or one with NUL"
        } else if !self.keys.iter().all(|key| is_name(key)) {
            "a key's name has letters, digits, _ and - alone"
        } else {
            return Ok(());
        };
        Err(AgentError::Invalid {
            field: "tool",
            reason: reason.into(),
        })
    }
}

/// The arguments without the conversation's id and the option before it.
fn without_id(words: &[String]) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for word in words {
        if !word.contains(CONVERSATION) {
            left.push(word.clone());
        } else if word == CONVERSATION && left.len() > 1 {
            left.pop();
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn claude() -> ToolSpec {
        ToolSpec {
            name: "claude".into(),
            start: words("claude --session-id {conversation}"),
            start_with_prompt: words("claude --session-id {conversation} {prompt}"),
            resume: words("claude --resume {conversation}"),
            ..ToolSpec::default()
        }
    }

    #[test]
    fn a_prompt_is_one_argument_whatever_is_in_it() {
        let prompt = "--yolo {conversation}\n$(x)";
        let launch = claude().launch(Some(prompt), None, || "c-1".into());
        let launch = launch.unwrap();
        let run = launch.run(true, None).command;
        assert_eq!(run[..3], ["claude", "--session-id", "c-1"]);
        let argument = format!(" {prompt}");
        assert_eq!(launch.first.last(), Some(&argument));
        assert_eq!(launch.again, ["claude"]);
        let resumed = launch.run(false, Some("c-1")).command;
        assert_eq!(resumed, ["claude", "--resume", "c-1"]);
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let refused = |tool: ToolSpec, prompt: Option<&str>| {
            let launch = tool.launch(prompt, None, String::new);
            launch.unwrap_err().to_string()
        };
        assert!(refused(ToolSpec::shell("a"), Some("hi")).contains("takes no prompt"));
        let long = "x".repeat(MOST_PROMPT_BYTES + 1);
        assert!(refused(claude(), Some(&long)).contains("KiB"));
        assert!(refused(claude(), Some("a\0b")).contains("NUL"));
        let escapes = "\x1b".repeat(MOST_PROMPT_BYTES);
        assert!(refused(claude(), Some(&escapes)).contains("bytes at most"));
        let nothing = ToolSpec {
            name: "a".into(),
            ..ToolSpec::default()
        };
        assert!(refused(nothing, None).contains("nothing to start"));
        let name = ToolSpec {
            name: "a b".into(),
            ..claude()
        };
        assert!(refused(name, None).contains("name"));
    }
}
