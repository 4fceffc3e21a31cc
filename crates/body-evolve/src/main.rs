//! What carries out a machine's evolves inside it, through the mounted socket of the container
//! engine. `body` starts it, so that neither PID 1 nor the supervisor knows an engine.

use std::{os::unix::fs::MetadataExt, process::ExitCode};

use anyhow::{Context, bail};
use lifecycle::{
    CancellationToken, Engine, EngineChoice, LifecycleError, Machine, Reporter, RunRequest,
    RunWork, now_ms,
};
use wire::{
    evolve::{Asker, EvolveRequest, EvolveWish, GenerationState, RollbackRequest, RunState},
    failure::Failure,
};

const ENGINE: &str = "unix:///var/run/docker.sock";
const USAGE: &str = "usage: body-evolve run | rollback [NUMBER] | generations | sources FOLDER";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let level = std::env::var("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level.to_lowercase()))
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run"] => run().await,
        ["restart", container] => restart(container).await,
        ["rollback"] => rollback(None).await,
        ["rollback", number] => match number.parse() {
            Ok(number) => rollback(Some(number)).await,
            Err(_) => return usage(),
        },
        ["generations"] => generations().await,
        ["sources", folder] => sources(folder),
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("body-evolve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

async fn connect() -> anyhow::Result<Engine> {
    let owner = |path: &str| std::fs::metadata(path).map_or(0, |found| found.uid());
    // What root writes there the machine's user could not read any more.
    if owner("/proc/self") == 0 && owner("/data/evolve") != 0 {
        bail!("run this as the machine's user, not as root: use the machine's own terminal");
    }
    let choice = EngineChoice::new(Some(ENGINE.into()));
    choice.connect().await.map_err(|error| told(error.into()))
}

/// An error with its reason and what to do.
fn told(error: LifecycleError) -> anyhow::Error {
    anyhow::anyhow!(Failure::from(error).to_string())
}

/// Sees to what an earlier run left, then carries out what the machine asks for.
async fn run() -> anyhow::Result<()> {
    let engine = connect().await?;
    let machine = Machine::itself(&engine).await.map_err(told)?;
    loop {
        look_after(&machine, &engine).await?;
        let Some((run_id, wish)) = machine.wish(&engine).await.map_err(told)? else {
            return Ok(());
        };
        match carry_out_wish(&machine, &engine, run_id, wish).await {
            // Another one, started just before, has taken it up.
            Err(error) if matches!(error.downcast_ref(), Some(LifecycleError::Busy { .. })) => {}
            ended => return ended,
        }
    }
}

async fn carry_out_wish(
    machine: &Machine,
    engine: &Engine,
    run_id: String,
    wish: EvolveWish,
) -> anyhow::Result<()> {
    if machine.spec().evolve.needs_yes {
        let refused = machine.refuse_wish(engine, &run_id, LifecycleError::NoYes.into());
        return refused.await.map_err(told);
    }
    let order = RunRequest {
        run_id,
        asked_by: Asker::Machine,
        work: RunWork::Evolve(EvolveRequest {
            note: wish.note,
            running_cell: wish.running_cell.unwrap_or_default(),
            cell_limit_s: 0,
            tree: None,
        }),
    };
    carry_out(machine, engine, order).await
}

async fn look_after(machine: &Machine, engine: &Engine) -> anyhow::Result<()> {
    let reporter = Reporter::start(machine, engine);
    let looked = machine.look_after(engine, &mut reporter.hear()).await;
    reporter.end().await;
    looked.map_err(told)?;
    machine.tell_end(engine).await.map_err(told)
}

/// Carries a run out as far as this process lives, and sees that it goes on after that.
async fn carry_out(machine: &Machine, engine: &Engine, order: RunRequest) -> anyhow::Result<()> {
    let run_id = order.run_id.clone();
    let reporter = Reporter::start(machine, engine);
    let cancel = CancellationToken::new();
    let ended = machine
        .carry_out(engine, order, &cancel, &mut reporter.hear())
        .await;
    reporter.end().await;
    match ended {
        // The restarters end this machine, and this process with it.
        Ok(run) if run.state == RunState::Running => look_after(machine, engine).await,
        Ok(run) => match run.error {
            Some(error) => bail!(error),
            None => Ok(()),
        },
        Err(error @ LifecycleError::Busy { .. }) => Err(error.into()),
        Err(error) => {
            let words = Failure::from(error);
            tracing::error!(%words, "the run could not be carried out");
            let unended = machine.look_after(engine, &mut |_| {}).await;
            if let Err(error) = unended {
                tracing::error!(%error, "nor could it be undone yet");
            }
            machine
                .refuse_wish(engine, &run_id, words)
                .await
                .map_err(told)
        }
    }
}

/// The work of the container that replaces the machine.
async fn restart(container: &str) -> anyhow::Result<()> {
    let engine = connect().await?;
    let machine = Machine::to_restart().map_err(told)?;
    let reporter = Reporter::start(&machine, &engine);
    let worked = machine
        .work_as_restarter(&engine, container, &mut reporter.hear())
        .await;
    reporter.end().await;
    worked.map_err(told)
}

async fn rollback(number: Option<u32>) -> anyhow::Result<()> {
    let engine = connect().await?;
    let machine = Machine::itself(&engine).await.map_err(told)?;
    look_after(&machine, &engine).await?;
    let order = RunRequest {
        run_id: format!("rollback{}", now_ms()),
        asked_by: Asker::Machine,
        work: RunWork::Rollback(RollbackRequest {
            number,
            ..Default::default()
        }),
    };
    carry_out(&machine, &engine, order).await
}

async fn generations() -> anyhow::Result<()> {
    let engine = connect().await?;
    let machine = Machine::itself(&engine).await.map_err(told)?;
    let all = machine.generations(&engine).await.map_err(told)?;
    for one in all.generations {
        let mark = if one.current { "*" } else { " " };
        let note = one.note.unwrap_or_default();
        println!(
            "{mark} {:>4}  {:<24} {:<10}  {note}",
            one.number,
            one.image,
            state_words(one.state)
        );
    }
    Ok(())
}

/// The word for a generation's state, as `vivarium generations` has it.
fn state_words(state: GenerationState) -> &'static str {
    match state {
        GenerationState::Candidate => "candidate",
        GenerationState::Good => "successful",
        GenerationState::Failed => "failed",
    }
}

/// For the image's build: by it a later run knows whether the sources are still those.
fn sources(folder: &str) -> anyhow::Result<()> {
    let digest = lifecycle::context::sources_digest(std::path::Path::new(folder));
    println!("{}", digest.context("could not read the sources")?);
    Ok(())
}
