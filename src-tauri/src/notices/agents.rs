//! Agents that wait for the person: told once for each thing that one waits for.

use std::collections::BTreeSet;

use wire::agent::{AgentList, AgentState, AgentView, WaitingFor};

use super::notice::Notice;

/// What agents waited for when they were looked at last.
#[derive(Debug, Default)]
pub struct Waiting {
    /// What waits, by agent, kind and ask.
    known: BTreeSet<(String, String, u64)>,
    /// Whether anybody looked yet: what waited before is on the page.
    has_looked: bool,
}

impl Waiting {
    /// The words for those that wait since the last look.
    pub fn take(&mut self, list: &AgentList) -> Vec<Notice> {
        let waiting = list.agents.iter().filter_map(|agent| {
            let AgentState::Waiting { on } = agent.state else {
                return None;
            };
            let ask = agent.asks.first().map_or(0, |ask| ask.id);
            let key = (agent.id.to_string(), on.word().to_owned(), ask);
            Some((key, agent, on))
        });
        let mut now = BTreeSet::new();
        let mut notices = Vec::new();
        for (key, agent, on) in waiting {
            if self.has_looked && !self.known.contains(&key) {
                notices.push(notice(agent, on));
            }
            now.insert(key);
        }
        self.known = now;
        self.has_looked = true;
        notices
    }
}

/// What is quoted comes from inside the agent.
fn notice(agent: &AgentView, on: WaitingFor) -> Notice {
    let title = match on {
        WaitingFor::Permission => "An agent asks for permission",
        WaitingFor::Answer => "An agent asks you a question",
        WaitingFor::LogIn => "An agent needs you to log in",
    };
    let called = agent
        .title
        .as_deref()
        .filter(|title| !title.trim().is_empty());
    let called = called.map_or_else(|| format!("{} {}", agent.tool, agent.id), str::to_owned);
    let body = match agent.asks.first() {
        Some(ask) => format!("{called}: {} {}", ask.tool, ask.detail),
        None => called,
    };
    Notice::new(title, &body)
}

#[cfg(test)]
mod tests {
    use app::untrusted;

    use super::*;

    fn list(state: serde_json::Value, asks: serde_json::Value, title: &str) -> AgentList {
        let agent = serde_json::json!({
            "id": "a1", "container": "tmux-agent-a1", "tool": "claude", "image": "ai-claude:latest",
            "title": title, "mode": null, "state": state, "asks": asks, "conversation": null,
            "workspace": {"kind": "volume"}, "limits": {"memory_mb": 1, "cpus": 1.0, "pids": 1},
            "created_at_ms": 1, "resumable": false,
        });
        AgentList {
            agents: vec![serde_json::from_value(agent).unwrap()],
            odd: Vec::new(),
        }
    }

    fn asks(id: u64, detail: &str) -> AgentList {
        let asks = serde_json::json!([{"id": id, "tool": "Bash", "detail": detail}]);
        let state = serde_json::json!({"name": "waiting", "on": "permission"});
        list(state, asks, "Mend it")
    }

    #[test]
    fn each_thing_that_an_agent_waits_for_is_told_once() {
        let mut waiting = Waiting::default();
        assert!(waiting.take(&AgentList::default()).is_empty());
        let told = waiting.take(&asks(1, "make test"));
        assert_eq!(told[0].title, "An agent asks for permission");
        assert_eq!(told[0].body, "Mend it: Bash make test");
        assert!(waiting.take(&asks(1, "make test")).is_empty());
        assert_eq!(waiting.take(&asks(2, "make")).len(), 1);
        let working = list(
            serde_json::json!({"name": "working"}),
            serde_json::json!([]),
            "",
        );
        assert!(waiting.take(&working).is_empty());
        let question = list(
            serde_json::json!({"name": "waiting", "on": "answer"}),
            serde_json::json!([]),
            " ",
        );
        let told = waiting.take(&question);
        assert_eq!(told[0].title, "An agent asks you a question");
        assert_eq!(told[0].body, "claude a1");
    }

    #[test]
    fn what_waited_before_the_window_opened_is_not_told() {
        let mut waiting = Waiting::default();
        assert!(waiting.take(&asks(1, "make")).is_empty());
    }

    #[test]
    fn what_an_agent_says_is_one_short_line() {
        let mut waiting = Waiting::default();
        waiting.take(&AgentList::default());
        let told = waiting.take(&asks(1, &"two\nlines \u{202e}\x1b]0;x\x07 ".repeat(10_000)));
        assert!(told[0].body.chars().count() <= super::super::notice::LONGEST);
        assert!(!told[0].body.chars().any(untrusted::is_unseen));
    }
}
