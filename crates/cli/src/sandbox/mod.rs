//! `vivarium sandbox`: sandboxes from the command line. What uses them goes through the API of
//! `vivarium serve`; if none runs, this program serves itself for as long as the command takes.

mod access;
mod api;
mod arguments;
mod attach;
mod copy;
mod lists;
mod run;

use app::{App, ServeOptions};
use wire::{failure::Failure, sandbox_call::SandboxAccess};

pub use api::{Api, reach};
use arguments::UseCommand;
pub use arguments::{SandboxCommand, network, variable};
pub use attach::Output;

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The API's.
pub async fn carry_out(app: &App, command: SandboxCommand, json: bool) -> Result<u8, Failure> {
    let access = match command {
        SandboxCommand::Use(command) => return of_api(app, command, json).await,
        SandboxCommand::Allow { network } => SandboxAccess {
            allowed: true,
            network,
        },
        SandboxCommand::Deny => SandboxAccess::default(),
    };
    access::set(app, access, json).await
}

async fn of_api(app: &App, command: UseCommand, json: bool) -> Result<u8, Failure> {
    let options = ServeOptions {
        is_lasting: false,
        runs_tasks: false,
        ..ServeOptions::default()
    };
    api::reach(app, options, async |api| match command {
        UseCommand::Run(asked) => run::run(api, asked, json).await,
        UseCommand::Exec(asked) => run::exec(api, asked, json).await,
        UseCommand::Ls { all } => lists::sandboxes(api, all, json).await,
        UseCommand::Pool => lists::pool(api, json).await,
        UseCommand::Logs { id, exec, follow } => {
            lists::logs(api, &id, exec.as_deref(), follow, json).await
        }
        UseCommand::Cp { from, to } => copy::copy(api, &from, &to).await,
        UseCommand::Rm { ids } => lists::remove(api, &ids, json).await,
    })
    .await
}
