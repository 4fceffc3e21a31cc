//! `vivarium task` and `vivarium schedule`: tasks from the command line, through the API of `vivarium
//! serve`; if none runs, this program serves itself, and runs tasks, for as long as the command takes.

mod arguments;
mod lists;
mod run;
mod schedule;

use app::{App, ServeOptions};
use wire::failure::Failure;

use crate::sandbox::{Api, reach};
pub use arguments::{ScheduleCommand, TaskCommand};

/// Carries out a command about tasks; answers the exit code.
///
/// # Errors
/// The API's.
pub async fn carry_out(app: &App, command: TaskCommand, json: bool) -> Result<u8, Failure> {
    // Only who waits for a task's end needs somebody who runs it.
    let runs_tasks = matches!(&command, TaskCommand::Run(run) if !run.detach);
    reach(app, options(runs_tasks), async |api: &Api| match command {
        TaskCommand::Run(asked) => run::run(api, *asked, json).await,
        TaskCommand::Ls(asked) => lists::tasks(api, &asked, json).await,
        TaskCommand::Show { id } => lists::show(api, &id, json).await,
        TaskCommand::Logs { id, follow } => run::logs(api, &id, follow, json).await,
        TaskCommand::Retry(which) => {
            lists::change(api, "retry", "Queued again", &which, json).await
        }
        TaskCommand::Cancel(which) => lists::change(api, "cancel", "Cancelled", &which, json).await,
        TaskCommand::Queues => lists::queues(api, json).await,
        TaskCommand::Workers => lists::workers(api, json).await,
    })
    .await
}

/// Carries out a command about schedules; answers the exit code.
///
/// # Errors
/// The API's.
pub async fn carry_out_schedule(
    app: &App,
    command: ScheduleCommand,
    json: bool,
) -> Result<u8, Failure> {
    reach(app, options(false), async |api: &Api| {
        schedule::carry_out(api, command, json).await
    })
    .await
}

fn options(runs_tasks: bool) -> ServeOptions {
    ServeOptions {
        is_lasting: false,
        runs_tasks,
        ..ServeOptions::default()
    }
}
