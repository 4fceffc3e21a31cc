//! Agents for the person at this computer: the commands about them, carried out in whichever process is
//! asked. Several may follow the same agents at once, since what they are is at the engine.
//!
//! - `commands`: a method for each command that is about one agent, or all
//! - `tools`, `image_runs`: the tools, their images, and the runs that build or fetch those
//! - `folders`, `keys`: which folders agents may be given, and where their keys come from
//! - `work`: what an agent made, as a page shows it
//! - `terminal`, `stream`: an agent's terminal, for a face that has one, and for a page
//! - `news`: tells views that the list is another

mod commands;
mod folders;
mod image_runs;
mod keys;
mod news;
mod stream;
mod terminal;
mod tools;
mod work;

use std::sync::Arc;

use ::agents::{Agents, Options};
use tokio::sync::OnceCell;
use wire::failure::{Failure, FailureCode};

pub(crate) use self::stream::{TerminalPlace, carry};
pub use self::terminal::AgentTerminal;
use self::{folders::Folders, image_runs::ImageRuns, keys::StoredKeys};
use crate::{App, sandboxes::init_binary};

/// The agents, once somebody asks for them.
#[derive(Default)]
pub(crate) struct Slot {
    agents: OnceCell<Agents>,
    image_runs: ImageRuns,
}

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
                workspaces: Arc::new(Folders::of(self.config_dir())),
                work_folder: self.data_dir().join("agents/work"),
                keys: Arc::new(StoredKeys(self.inner.secrets.clone())),
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
            let (stop, journal) = (shared.stop.clone(), shared.journal.clone());
            let changes = agents.subscribe();
            shared.tasks.spawn(news::tell(changes, journal, stop));
            Ok(agents)
        };
        self.inner.agents.agents.get_or_try_init(starting).await
    }
}
