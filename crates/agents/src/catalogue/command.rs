//! The command that a tool is started with.

use super::{ConversationId, Mode, SessionArguments, Tool, Word, Words};

/// Which conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Conversation {
    /// A new one, whose id the tool chooses.
    #[default]
    New,
    /// A new one of this id; the tool chooses one if it takes none.
    NewOf(ConversationId),
    /// Goes on with this one.
    Resume(ConversationId),
    /// Goes on with the newest.
    Last,
}

/// With what a tool is started.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    /// The permission mode; the tool's own default if there is none.
    pub mode: Option<&'a Mode>,
    /// Which conversation.
    pub conversation: Conversation,
    /// What the person wrote.
    pub prompt: Option<&'a str>,
}

impl Tool {
    /// Program and arguments in a terminal; `None` if the tool can't be started so.
    #[must_use]
    pub fn interactive_command(&self, start: &Start<'_>) -> Option<Vec<String>> {
        if start.mode.is_some_and(|mode| mode.unattended_only) {
            return None;
        }
        self.command(self.interactive.as_ref()?, &self.session, start)
    }

    /// Program and arguments for one prompt, after which it ends; `None` if the tool can't be started so.
    #[must_use]
    pub fn unattended_command(&self, start: &Start<'_>) -> Option<Vec<String>> {
        start.prompt?;
        let session = self.unattended_session.as_ref().unwrap_or(&self.session);
        self.command(self.unattended.as_ref()?, session, start)
    }

    fn command(
        &self,
        words: &Words,
        session: &SessionArguments,
        start: &Start<'_>,
    ) -> Option<Vec<String>> {
        let (session, id) = match &start.conversation {
            Conversation::New => (None, None),
            Conversation::NewOf(id) => (session.new.as_ref(), Some(id)),
            Conversation::Resume(id) => (Some(session.resume.as_ref()?), Some(id)),
            Conversation::Last => (Some(session.last.as_ref()?), None),
        };
        let mut command = vec![self.binary.clone()];
        let filled = Filled {
            session,
            id,
            mode: start.mode.map(|mode| &mode.arguments),
            output: self.output.as_ref().map(|output| &output.arguments),
            prompt: start.prompt.map(|text| (&self.prompt, as_argument(text))),
        };
        filled.push(words, &mut command);
        Some(command)
    }
}

/// What stands for the placeholders.
struct Filled<'a> {
    session: Option<&'a Words>,
    id: Option<&'a ConversationId>,
    mode: Option<&'a Words>,
    output: Option<&'a Words>,
    prompt: Option<(&'a Words, String)>,
}

impl Filled<'_> {
    fn push(&self, words: &Words, command: &mut Vec<String>) {
        for word in words {
            match word {
                Word::Literal(text) => command.push(text.clone()),
                // What the check lets be in these is literal, or an id or a text.
                Word::Session => self.push_all(self.session, command),
                Word::Mode => self.push_all(self.mode, command),
                Word::Output => self.push_all(self.output, command),
                Word::Prompt => {
                    self.push_all(self.prompt.as_ref().map(|(words, _)| *words), command)
                }
                Word::Id => command.extend(self.id.map(|id| id.as_str().to_owned())),
                Word::Text => command.extend(self.prompt.as_ref().map(|(_, text)| text.clone())),
            }
        }
    }

    fn push_all(&self, words: Option<&Words>, command: &mut Vec<String>) {
        if let Some(words) = words {
            self.push(words, command);
        }
    }
}

/// A text that no tool takes for an option, and that can be an argument at all.
fn as_argument(text: &str) -> String {
    let text = text.replace('\0', "");
    match text.starts_with('-') {
        true => format!(" {text}"),
        false => text,
    }
}
