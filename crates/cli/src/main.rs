//! `vivarium`: the app without a window.
//!
//! Start reading at `arguments`, its shape, and `commands`, where each command begins. `agent`, `exec`, `evolve`,
//! `jobs`, `machines`, `mcp`, `sandbox`, `secrets`, `serve`, `task`, `tokens` and `worker` are commands of that
//! name.
//!
//! - `run`, `ask`: a run that the terminal follows, and questions to a person
//! - `print`, `shown`, `advice`: how answers and failures look, and what to do next
//! - `template`: where the machine's template is

mod advice;
mod agent;
mod arguments;
mod ask;
mod commands;
mod evolve;
mod exec;
mod generate;
mod jobs;
mod logs;
mod machines;
mod mcp;
mod print;
mod run;
mod sandbox;
mod secrets;
mod serve;
mod shell;
mod shown;
mod since;
mod task;
mod template;
mod terminal;
mod tokens;
mod worker;

use std::process::ExitCode;

use app::{App, AppOptions};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Nothing else is needed for them: packages are made where there is no engine and no home.
    if let Some(written) = generate::printed(&arguments.command) {
        return written;
    }
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(app::untrusted::LogWriter::default)
        .with_env_filter(
            EnvFilter::try_from_env("VIVARIUM_LOG").unwrap_or_else(|_| EnvFilter::new("error")),
        )
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("vivarium: could not start threads: {error}");
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(run(arguments));
    // A read of stdin that nobody waits for any more must not hold up the exit.
    runtime.shutdown_background();
    code
}

async fn run(arguments: Arguments) -> ExitCode {
    let json = arguments.global.json;
    let options = AppOptions {
        instance: arguments.global.instance.clone(),
        home: arguments.global.home.clone(),
        machine: arguments.global.machine.clone(),
        template: template::find(arguments.global.template.clone()),
        repo: arguments.global.repo.clone(),
        engine: arguments.global.engine.clone(),
    };
    let ended = match App::start_with(options, arguments.global.overrides()).await {
        Ok(app) => {
            if let Some(trouble) = app.settings().trouble {
                // Told beside what the command prints, also where that is JSON.
                print::failure(&trouble, false);
            }
            let ended = commands::carry_out(&app, arguments.command, json).await;
            app.stop().await;
            ended
        }
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            print::failure(&failure, json);
            ExitCode::from(print::exit_code(failure.code))
        }
    }
}
