//! From an entry of the catalogue to a tool as an agent runs it.

use wire::agent::{AgentMode, AgentPolicy};

use crate::{
    catalogue::{Conversation, ConversationId, Mode, Policy, Start, Tool, ToolId},
    error::AgentError,
    hook_files::{hook_files, reports},
    tool::{PROMPT, ToolSpec},
};

impl ToolSpec {
    /// The tool of an entry, in the mode of that id or else its usual one. Image and keys are whoever
    /// starts it to say.
    ///
    /// # Errors
    /// [`AgentError::Invalid`] for a mode that it doesn't have in a terminal.
    pub fn of_catalogue(id: &ToolId, tool: &Tool, mode: Option<&str>) -> Result<Self, AgentError> {
        let mode = chosen(tool, mode)?;
        let command = |conversation: Conversation, prompt: Option<&str>| {
            let start = Start {
                mode,
                conversation,
                prompt,
            };
            let interactive = tool.interactive_command(&start);
            // One without a face in a terminal does what it is asked and ends.
            interactive.or_else(|| tool.unattended_command(&start))
        };
        let new = || match tool.session.new.is_some() {
            true => Conversation::NewOf(ConversationId::placeholder()),
            false => Conversation::New,
        };
        let resume = Conversation::Resume(ConversationId::placeholder());
        let resume = command(resume, None).unwrap_or_default();
        let with_prompt = command(new(), Some(PROMPT)).unwrap_or_default();
        // All conversations in the agent's home are its own, so that the newest one is meant.
        let again = match resume.is_empty() {
            true => command(Conversation::Last, None),
            false => command(Conversation::New, None),
        };
        let mut files = tool.first_run.clone();
        files.extend(tool.hooks.iter().flat_map(hook_files));
        Ok(Self {
            name: id.to_string(),
            start: command(new(), None).unwrap_or_default(),
            start_with_prompt: match with_prompt.iter().any(|word| word == PROMPT) {
                true => with_prompt,
                false => Vec::new(),
            },
            again: again.unwrap_or_default(),
            resume,
            environment: tool.environment.clone(),
            reports: tool.hooks.as_ref().is_some_and(reports),
            mode: mode.map(shown_mode),
            files,
            ..Self::default()
        })
    }
}

/// The modes that an agent can run a tool in, from careful to careless as the catalogue has them.
#[must_use]
pub fn modes(tool: &Tool) -> Vec<AgentMode> {
    let modes = tool.modes.iter();
    modes
        .filter(|mode| fits(tool, mode))
        .map(shown_mode)
        .collect()
}

/// Whether an agent can start a tool with a prompt. One without a face in a terminal can't start otherwise.
#[must_use]
pub fn takes_prompt(id: &ToolId, tool: &Tool) -> bool {
    let spec = ToolSpec::of_catalogue(id, tool, None);
    spec.is_ok_and(|spec| !spec.start_with_prompt.is_empty())
}

fn fits(tool: &Tool, mode: &Mode) -> bool {
    tool.interactive.is_none() || !mode.unattended_only
}

fn chosen<'a>(tool: &'a Tool, mode: Option<&str>) -> Result<Option<&'a Mode>, AgentError> {
    let Some(id) = mode else {
        return Ok(tool.default_mode.as_deref().and_then(|id| tool.mode(id)));
    };
    let found = tool.mode(id).filter(|mode| fits(tool, mode));
    let invalid = || {
        let names: Vec<String> = modes(tool).into_iter().map(|mode| mode.id).collect();
        AgentError::Invalid {
            field: "mode",
            reason: match names.as_slice() {
                [] => format!("{} has no modes", tool.title),
                names => format!("{} has {}", tool.title, names.join(", ")),
            },
        }
    };
    found.map(Some).ok_or_else(invalid)
}

fn shown_mode(mode: &Mode) -> AgentMode {
    AgentMode {
        id: mode.id.clone(),
        title: mode.title.clone(),
        policy: match mode.policy {
            Policy::Plan => AgentPolicy::Plan,
            Policy::Ask => AgentPolicy::Ask,
            Policy::Edits => AgentPolicy::Edits,
            Policy::Auto => AgentPolicy::Auto,
            Policy::All => AgentPolicy::All,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn spec(name: &str, mode: Option<&str>) -> Result<ToolSpec, AgentError> {
        let id: ToolId = name.parse().unwrap();
        ToolSpec::of_catalogue(&id, Catalogue::built_in().tool(&id).unwrap(), mode)
    }

    #[test]
    fn command_lines_are_those_of_the_catalogue() {
        let claude = spec("claude", Some("plan")).unwrap();
        let words = |words: &[String]| words.join(" ");
        assert_eq!(
            words(&claude.start_with_prompt),
            "claude --session-id {conversation} --permission-mode plan {prompt}"
        );
        assert_eq!(
            words(&claude.resume),
            "claude --resume {conversation} --permission-mode plan"
        );
        assert_eq!(words(&claude.again), "claude --permission-mode plan");
        assert!(claude.reports);
        assert_eq!(claude.mode.unwrap().policy, AgentPolicy::Plan);
        // Nothing is allowed that the person didn't choose.
        let usual = spec("claude", None).unwrap().mode.unwrap();
        assert_eq!(usual.policy, AgentPolicy::Ask);
        let aider = spec("aider", None).unwrap();
        assert!(aider.start_with_prompt.is_empty() && aider.resume.is_empty());
        assert_eq!(aider.again, ["aider", "--restore-chat-history"]);
        let codebuddy = spec("codebuddy", None).unwrap();
        assert!(codebuddy.start.is_empty() && !codebuddy.start_with_prompt.is_empty());
        assert_eq!(spec("shell", None).unwrap().start[0], "bash");
    }

    #[test]
    fn every_tool_with_an_image_can_be_started() {
        let catalogue = Catalogue::built_in();
        for (id, tool) in catalogue
            .tools()
            .filter(|(_, tool)| tool.not_built.is_none())
        {
            let spec = ToolSpec::of_catalogue(id, tool, None).unwrap();
            let prompt = (!spec.start_with_prompt.is_empty()).then_some("Do it.");
            let launch = spec.launch(prompt, None, || "c-1".into()).unwrap();
            let has_prompt = launch.first.iter().any(|word| word == "Do it.");
            assert_eq!(has_prompt, prompt.is_some(), "{id}");
        }
    }

    #[test]
    fn a_mode_that_is_not_there_is_refused_with_those_that_are() {
        let refused = spec("claude", Some("yolo")).unwrap_err().to_string();
        assert!(refused.contains("manual, plan"), "{refused}");
        // It can't be chosen in a terminal.
        assert!(spec("opencode", Some("auto")).is_err());
        assert!(spec("shell", Some("ask")).is_err());
    }
}
