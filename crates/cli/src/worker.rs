//! `vivarium worker`: a process that runs tasks and serves nothing.

use app::{App, WorkOptions};
use clap::Args;
use tokio_util::sync::CancellationToken;
use wire::failure::Failure;

use crate::{commands::terminated, print};

/// `vivarium worker`.
#[derive(Args, Debug)]
pub struct WorkerArguments {
    /// How many tasks it runs at once; defaults to tasks.concurrency of the settings
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Queues that it takes tasks from, comma-separated; defaults to all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    queues: Vec<String>,
}

/// Runs tasks until SIGTERM or Ctrl-C, then finishes those that it has; the second one returns them to
/// their queue.
pub async fn work(app: &App, arguments: WorkerArguments) -> Result<u8, Failure> {
    let options = WorkOptions {
        concurrency: arguments.concurrency,
        queues: arguments.queues,
    };
    let drained = CancellationToken::new();
    let working = app.work(options, drained.clone()).await?;
    print::note("Running tasks. Press Ctrl-C to finish the running ones and exit.");
    tokio::pin!(working);
    tokio::select! {
        () = &mut working => return Ok(0),
        () = asked_to_end() => drained.cancel(),
    }
    print::note("Finishing the running tasks. Press Ctrl-C again to return them to their queue.");
    tokio::select! {
        () = &mut working => {}
        () = asked_to_end() => {}
    }
    Ok(0)
}

async fn asked_to_end() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}
