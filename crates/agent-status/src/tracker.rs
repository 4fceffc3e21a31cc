//! From what a tool's hooks tell to where the agent stands.
//!
//! The schema is the one that claude's hooks have and others took over. Three things about it decide what
//! is done here: no event says that a permission was given or refused in the terminal, so waiting ends
//! with whatever comes next, or with a key of the person's; a `Notification` comes seconds late, so it
//! counts only for tools that have no `PermissionRequest`; and what a subagent's end says is not about
//! the agent.

use wire::agent::{AgentAsk, AgentState, WaitingFor};

use crate::{HookEvent, asks::Asks};

/// Where an agent stands.
#[derive(Debug)]
pub struct Tracker {
    state: AgentState,
    asks: Asks,
    /// Whether the tool tells of permissions before they are given.
    requests_permission: bool,
    conversation: Option<String>,
}

/// What an event came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The ask that it began.
    pub asked: Option<u64>,
    /// Asks that it ended, whose hooks need wait no longer.
    pub released: Vec<u64>,
}

impl Tracker {
    /// Of an agent that starts, whose earlier conversation was this one.
    #[must_use]
    pub fn new(conversation: Option<String>) -> Self {
        Self {
            state: AgentState::Starting,
            asks: Asks::default(),
            requests_permission: false,
            conversation,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &AgentState {
        &self.state
    }

    /// What it asks for, oldest first.
    #[must_use]
    pub fn asks(&self) -> &[AgentAsk] {
        self.asks.open()
    }

    /// The tool's id of the conversation.
    #[must_use]
    pub fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// The host chose the conversation's id.
    pub fn choose_conversation(&mut self, id: Option<String>) {
        self.conversation = id;
    }

    /// The tool runs; whether its hooks will tell what it does.
    pub fn started(&mut self, reports: bool) {
        if !reports {
            self.state = AgentState::Unknown;
        }
    }

    /// It can't go on, or ended.
    pub fn ended(&mut self, state: AgentState) -> Vec<u64> {
        self.state = state;
        self.asks.clear()
    }

    /// A prompt was sent to it.
    pub fn sent(&mut self) -> Vec<u64> {
        let told = !matches!(self.state, AgentState::Unknown);
        if told && self.state.is_live() {
            self.state = AgentState::Working;
        }
        self.asks.clear()
    }

    /// Somebody typed in the terminal: whatever it waited for is answered there.
    pub fn typed(&mut self) -> Vec<u64> {
        match self.state {
            AgentState::Waiting { .. } => {
                self.state = AgentState::Working;
                self.asks.clear()
            }
            _ => Vec::new(),
        }
    }

    /// Somebody looked at it.
    pub fn seen(&mut self) {
        if self.state == AgentState::YourTurn {
            self.state = AgentState::Idle;
        }
    }

    /// An ask was answered in the window; whether it was open.
    pub fn answered(&mut self, id: u64) -> bool {
        let was_open = self.asks.remove(id);
        let waits = AgentState::Waiting {
            on: WaitingFor::Permission,
        };
        if was_open && self.asks.open().is_empty() && self.state == waits {
            self.state = AgentState::Working;
        }
        was_open
    }

    /// An ask that nobody waits for any more: its hook ended.
    pub fn abandoned(&mut self, id: u64) {
        // The prompt may stand in the terminal all the same, so the state stays.
        self.asks.remove(id);
    }

    /// A hook told something.
    pub fn hook(&mut self, event: &HookEvent) -> Outcome {
        if !self.state.is_live() {
            return Outcome::default();
        }
        if let Some(id) = &event.conversation
            && !is_about_subagent(&event.name)
        {
            self.conversation = Some(id.clone());
        }
        let mut outcome = Outcome::default();
        match event.name.as_str() {
            "SessionStart" if !matches!(self.state, AgentState::Working) => {
                self.go(AgentState::Idle, event, &mut outcome);
            }
            "PreToolUse" if asks_person(event) => self.wait(WaitingFor::Answer),
            "UserPromptSubmit" | "PromptSubmit" | "PreToolUse" | "PostToolUse"
            | "PostToolUseFailure" | "PermissionDenied" | "ElicitationResult" => {
                self.go(AgentState::Working, event, &mut outcome);
            }
            "PermissionRequest" => {
                self.requests_permission = true;
                if asks_person(event) {
                    self.wait(WaitingFor::Answer);
                } else {
                    self.wait(WaitingFor::Permission);
                    outcome.asked = self.asks.add(event);
                }
            }
            "Elicitation" => self.wait(WaitingFor::Answer),
            "Notification" => self.notified(event),
            "Stop" => {
                outcome.released = self.asks.clear();
                self.state = AgentState::YourTurn;
            }
            "StopFailure" => {
                outcome.released = self.asks.clear();
                self.state = failure(event);
            }
            // Subagents, compaction, files, worktrees: nothing about where it stands.
            _ => {}
        }
        outcome
    }

    fn wait(&mut self, on: WaitingFor) {
        self.state = AgentState::Waiting { on };
    }

    /// It goes on. Asks that stay open keep it waiting.
    fn go(&mut self, state: AgentState, event: &HookEvent, outcome: &mut Outcome) {
        outcome.released = self.asks.settle(event);
        let waits = !self.asks.open().is_empty();
        if !waits {
            self.state = state;
        }
    }

    fn notified(&mut self, event: &HookEvent) {
        let words = event.message.as_deref().unwrap_or_default().to_lowercase();
        match event.kind.as_deref() {
            Some("permission_prompt") => self.late_permission(),
            Some("elicitation_dialog") => self.wait(WaitingFor::Answer),
            Some("idle_prompt") => self.rests(),
            Some(_) => {}
            // Older ones and other tools have only words.
            None if words.contains("permission") => self.late_permission(),
            None if words.contains("waiting for your input") => self.rests(),
            None => {}
        }
    }

    fn late_permission(&mut self) {
        if !self.requests_permission {
            self.wait(WaitingFor::Permission);
        }
    }

    /// It has waited for a prompt for a while.
    fn rests(&mut self) {
        if matches!(self.state, AgentState::Working | AgentState::Starting) {
            self.state = AgentState::YourTurn;
        }
    }
}

/// Whether the tool's own tool is a question to the person.
fn asks_person(event: &HookEvent) -> bool {
    let tool = event.tool.as_deref().unwrap_or_default();
    matches!(
        tool,
        "AskUserQuestion" | "ask_user_question" | "ExitPlanMode"
    )
}

fn is_about_subagent(name: &str) -> bool {
    matches!(name, "SubagentStart" | "SubagentStop")
}

/// A turn ended with an error: the tool shows it, and takes another prompt.
fn failure(event: &HookEvent) -> AgentState {
    let kind = event.kind.as_deref().unwrap_or_default();
    match kind.contains("auth") {
        true => AgentState::Waiting {
            on: WaitingFor::LogIn,
        },
        false => AgentState::YourTurn,
    }
}

#[cfg(test)]
#[path = "tracker/tests.rs"]
mod tests;
