//! What the tool asks permission for, until it is answered in the window or in the terminal.

use wire::agent::AgentAsk;

use crate::HookEvent;

/// The most that are open at once; what is asked beyond them is answered in the terminal alone.
pub const MOST_ASKS: usize = 16;

/// All that are open, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    open: Vec<AgentAsk>,
    last: u64,
}

impl Asks {
    /// Adds what an event asks for; none if there are too many.
    pub(crate) fn add(&mut self, event: &HookEvent) -> Option<u64> {
        if self.open.len() >= MOST_ASKS {
            return None;
        }
        self.last += 1;
        self.open.push(AgentAsk {
            id: self.last,
            tool: event.tool.clone().unwrap_or_default(),
            detail: event.detail.clone().unwrap_or_default(),
        });
        Some(self.last)
    }

    /// Removes one that was answered; whether it was open.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.open.len();
        self.open.retain(|ask| ask.id != id);
        self.open.len() < before
    }

    /// Removes those that an event shows to be answered: those about the same, or all if none is.
    pub(crate) fn settle(&mut self, event: &HookEvent) -> Vec<u64> {
        let is_same = |ask: &AgentAsk| {
            Some(&ask.tool) == event.tool.as_ref()
                && ask.detail == event.detail.as_deref().unwrap_or_default()
        };
        match self.open.iter().any(is_same) {
            true => {
                let settled = self.open.extract_if(.., |ask| is_same(ask));
                settled.map(|ask| ask.id).collect()
            }
            false => self.clear(),
        }
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) -> Vec<u64> {
        self.open.drain(..).map(|ask| ask.id).collect()
    }

    /// Those that are open.
    pub(crate) fn open(&self) -> &[AgentAsk] {
        &self.open
    }
}
