//! Each command over the app; answers the exit code.

use app::{App, ServeOptions, Verdict};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::{
    commands::{EngineList, RunStarted, UpRequest},
    failure::{Failure, FailureCode},
    log::LogsRequest,
    machine::{EngineInfo, MachineState, MachineStatus},
    stream::Event,
};

use crate::{
    arguments::{Command, MachineCommand},
    ask, evolve,
    exec::{self, Source},
    mcp,
    print::{self, ProgressPrinter},
    run,
};

/// Carries out one command.
pub async fn carry_out(app: &App, command: Command, json: bool) -> Result<u8, Failure> {
    match command {
        Command::Build { rebuild } => {
            let after = app.last_seq();
            let run = app.machine(None)?.build(rebuild)?;
            follow(app, run, after, json).await?;
            let status: MachineStatus = call(app, "machine_status", Value::Null).await?;
            if json {
                print::json(&status);
            } else {
                print::line(&format!("The image {} is up to date.", status.image));
            }
            Ok(0)
        }
        Command::Up { rebuild, recreate } => {
            let request = UpRequest { rebuild, recreate };
            up(app, request, json).await
        }
        Command::Down => status(app, "machine_down", Value::Null, json).await,
        Command::Restart => status(app, "machine_restart", Value::Null, json).await,
        Command::Rm { home_volume } => {
            status(app, "machine_remove", json!({ "home": home_volume }), json).await
        }
        Command::Status => {
            let status: MachineStatus = call(app, "machine_status", Value::Null).await?;
            show(&status, json);
            Ok(if status.state == MachineState::Running {
                0
            } else {
                3
            })
        }
        Command::Ls => crate::machines::carry_out(app, MachineCommand::Ls, json).await,
        Command::Logs {
            tail,
            follow,
            since,
        } => {
            let request = LogsRequest {
                tail,
                since_s: since.map(|since| since.as_second()),
            };
            crate::logs::print(app, request, follow, json).await
        }
        Command::Exec {
            code,
            file,
            timeout,
        } => exec::run(app, Source::of(code, file), timeout, json).await,
        Command::Shell { command } => crate::shell::run(app, command, json).await,
        Command::Serve {
            ui,
            port,
            listen,
            ui_port,
            allowed_hosts,
            no_token,
        } => {
            let options = ServeOptions {
                runs_tasks: true,
                listen,
                port,
                ui,
                ui_port,
                allowed_hosts: ServeOptions::allowed_hosts(&allowed_hosts),
                no_token,
                is_lasting: true,
            };
            crate::serve::serve(app, options, json).await
        }
        command @ (Command::Evolve { .. }
        | Command::Generations { .. }
        | Command::Rollback { .. }) => evolve::carry_out(app, command, json).await,
        Command::Mcp(command) => mcp::carry_out(app, command, json).await,
        Command::Job(command) => crate::jobs::carry_out(app, command, json).await,
        Command::Machine(command) => crate::machines::carry_out(app, command, json).await,
        Command::Secret(command) => crate::secrets::carry_out(app, command, json).await,
        Command::Token(command) => crate::tokens::carry_out(app, command, json).await,
        Command::Agent(command) => crate::agent::carry_out(app, command, json).await,
        Command::Sandbox(command) => crate::sandbox::carry_out(app, command, json).await,
        Command::Task(command) => crate::task::carry_out(app, command, json).await,
        Command::Schedule(command) => crate::task::carry_out_schedule(app, command, json).await,
        Command::Worker(arguments) => crate::worker::work(app, arguments).await,
        Command::Completion { .. } | Command::Man => {
            unreachable!("they are printed before there is an app")
        }
        Command::Engines => engines(app, json).await,
        Command::Doctor => {
            let checks = app.doctor().await;
            if json {
                print::checks_json(&checks);
            } else {
                print::checks(&checks);
            }
            let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad);
            let codes = bad.map(|check| check.code.map_or(1, print::exit_code));
            Ok(codes.max().unwrap_or(0))
        }
    }
}

/// The one in use first, then the others; exit code 4 where that one does not answer.
async fn engines(app: &App, json: bool) -> Result<u8, Failure> {
    let used: Result<EngineInfo, Failure> = call(app, "engine_info", Value::Null).await;
    let list: EngineList = call(app, "engine_list", Value::Null).await?;
    let mut others = Vec::new();
    for candidate in list.engines {
        if used
            .as_ref()
            .is_ok_and(|info| info.endpoint == candidate.endpoint)
        {
            continue;
        }
        let request = json!({ "engine": candidate.engine });
        let info: Result<EngineInfo, Failure> = call(app, "engine_test", request).await;
        others.push((candidate, info));
    }
    if json {
        let line = |engine: &str, info: &Result<EngineInfo, Failure>| match info {
            Ok(info) => json!({ "engine": engine, "info": info }),
            Err(failure) => json!({ "engine": engine, "failure": failure }),
        };
        print::json(&line("", &used));
        for (candidate, info) in &others {
            print::json(&line(&candidate.engine, info));
        }
    } else {
        print::engines(&used, &others);
    }
    match used {
        Ok(_) => Ok(0),
        // With --json it stands in the list.
        Err(failure) if json => Ok(print::exit_code(failure.code)),
        Err(failure) => Err(failure),
    }
}

async fn up(app: &App, request: UpRequest, json: bool) -> Result<u8, Failure> {
    crate::secrets::take_from_environment(app).await?;
    match begin_up(app, request, json).await {
        Err(failure) if failure.code == FailureCode::WouldRecreate && !json => {
            if !ask::recreate(&failure).await? {
                return Err(failure);
            }
            let request = UpRequest {
                recreate: true,
                // It was built just now, if that was asked for.
                rebuild: false,
            };
            begin_up(app, request, json).await?;
        }
        ended => ended?,
    }
    let status: MachineStatus = call(app, "machine_status", Value::Null).await?;
    show(&status, json);
    if !json {
        print::line(&format!(
            "  token   {}",
            app.machine(None)?.token_file()?.display()
        ));
    }
    Ok(0)
}

async fn begin_up(app: &App, request: UpRequest, json: bool) -> Result<(), Failure> {
    let after = app.last_seq();
    let request = json!({ "rebuild": request.rebuild, "recreate": request.recreate });
    let run: RunStarted = call(app, "machine_up", request).await?;
    follow(app, run, after, json).await
}

/// Prints a run's progress until it ends; Ctrl-C cancels it.
pub async fn follow(app: &App, run: RunStarted, after: u64, json: bool) -> Result<(), Failure> {
    let printer = Mutex::new(ProgressPrinter::new());
    let printing = || printer.lock();
    let following = run::follow(app, &run, after, "run_cancel", |event| match event {
        Event::RunProgress { run_id, progress } if run_id == run.run_id => {
            if json {
                print::json(&progress);
            } else {
                printing().tell(&progress);
            }
        }
        _ => {}
    });
    tokio::pin!(following);
    let ended = loop {
        tokio::select! {
            ended = &mut following => break ended,
            () = tokio::time::sleep(print::SILENCE / 3) => printing().still_there(),
        }
    };
    printing().end();
    ended
}

/// Ends when the process is asked to end; never where that can't be heard.
pub async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut signal) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        signal.recv().await;
        return;
    }
    std::future::pending().await
}

async fn status(app: &App, command: &str, params: Value, json: bool) -> Result<u8, Failure> {
    show(&call(app, command, params).await?, json);
    Ok(0)
}

fn show(status: &MachineStatus, json: bool) {
    if json {
        print::json(status);
    } else {
        print::status(status);
    }
}

pub async fn call<T: DeserializeOwned>(
    app: &App,
    command: &str,
    params: Value,
) -> Result<T, Failure> {
    let answer = app.rpc(None, command, params).await?;
    serde_json::from_value(answer).map_err(|error| {
        Failure::new(FailureCode::Internal, "The response could not be read")
            .because(error.to_string())
    })
}
