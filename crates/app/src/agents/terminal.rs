//! An agent's terminal.

use ::agents::{Look, Viewer};
use futures_util::future::BoxFuture;
use wire::{agent::AgentId, failure::Failure};

use crate::App;

/// A terminal that shows an agent's. Dropping it ends it; the agent goes on.
#[derive(Debug)]
pub struct AgentTerminal(Viewer);

impl App {
    /// Opens a terminal that shows an agent's.
    ///
    /// # Errors
    /// The agent isn't there, or doesn't run.
    pub fn agent_terminal<'a>(
        &'a self,
        id: &'a AgentId,
        cols: u16,
        rows: u16,
        read_only: bool,
    ) -> BoxFuture<'a, Result<AgentTerminal, Failure>> {
        Box::pin(async move {
            let look = Look {
                cols,
                rows,
                read_only,
            };
            let viewer = self.agents().await?.attach(id, look).await?;
            Ok(AgentTerminal(viewer))
        })
    }
}

impl AgentTerminal {
    /// What it shows next; `None` at its end.
    ///
    /// # Errors
    /// The connection ended.
    pub fn next(&self) -> BoxFuture<'_, Result<Option<bytes::Bytes>, Failure>> {
        Box::pin(async move { Ok(self.0.next().await?) })
    }

    /// Types; false if nothing can be typed.
    pub fn write<'a>(&'a self, typed: &'a [u8]) -> BoxFuture<'a, bool> {
        Box::pin(self.0.write(typed))
    }

    /// It has another size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.0.resize(cols, rows);
    }
}
