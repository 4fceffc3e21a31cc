//! Agents for the person at this computer: the commands about them, carried out in whichever process is
//! asked. Several may follow the same agents at once, since what they are is at the engine.
//!
//! - `commands`: a method for each command
//! - `terminal`: an agent's terminal, for a face that has one
//! - `stream`: the same for pages, over the bridge's WebSocket

mod commands;
mod stream;
mod terminal;

use std::sync::Arc;

use ::agents::{Agents, NoKeys, Options, ToolSpec};
use tokio::sync::OnceCell;
use wire::failure::{Failure, FailureCode};

pub(crate) use self::stream::{TerminalPlace, carry};
pub use self::terminal::AgentTerminal;
use crate::{App, sandboxes::init_binary};

/// The tool that every installation has.
const SHELL: &str = "shell";
/// Its image, as docker/agents builds it.
const SHELL_IMAGE: &str = "ai-shell:latest";

/// The agents, once somebody asks for them.
#[derive(Default)]
pub(crate) struct Slot(OnceCell<Agents>);

impl App {
    /// The agents.
    pub(crate) async fn agents(&self) -> Result<&Agents, Failure> {
        let starting = || async {
            let shared = &self.inner.shared;
            let Some(init_binary) = init_binary(&shared.options.template) else {
                let failure = Failure::new(FailureCode::Internal, "The agents' helper is missing");
                return Err(failure.because(
                    "the static program sandbox-init is neither in the template nor beside this program",
                ));
            };
            let options = Options {
                engine: shared.options.engine.clone(),
                instance: shared.options.instance.clone(),
                init_binary,
                workspaces: Vec::new(),
                keys: Arc::new(NoKeys),
            };
            let (agents, task) = Agents::start(options).await;
            agents.settled().await;
            let (stop, stopped) = (shared.stop.clone(), agents.clone());
            shared.tasks.spawn(async move {
                stop.cancelled().await;
                stopped.close();
                // It ends once it has let go of all of them.
                let _ = task.await;
            });
            Ok(agents)
        };
        self.inner.agents.0.get_or_try_init(starting).await
    }
}

/// The tool of that name.
fn tool(name: &str) -> Result<ToolSpec, Failure> {
    match name {
        SHELL => Ok(ToolSpec::shell(SHELL_IMAGE)),
        _ => {
            let failure = Failure::new(FailureCode::NotFound, format!("Tool not found: {name}"));
            Err(failure.because(format!("this version has {SHELL}")))
        }
    }
}
