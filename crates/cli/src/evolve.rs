//! `vivarium evolve`, `generations` and `rollback`.

use app::App;
use serde_json::{Value, json};
use wire::{
    advice::Advice,
    commands::RunStarted,
    evolve::{
        EvolveRun, FileChange, Generation, GenerationList, GenerationState, RepoDiff, RunState,
        RunningCell, SavedFiles, StepState,
    },
    failure::{Failure, FailureCode},
    stream::Event,
};

use crate::{
    arguments::Command,
    commands::{call, terminated},
    print, run,
};

/// Carries out one of the three.
pub async fn carry_out(app: &App, command: Command, json: bool) -> Result<u8, Failure> {
    app.machine(None)?.recover().await?;
    match command {
        Command::Evolve { watch: true, .. } => watch(app, json).await,
        Command::Evolve { diff: true, .. } => {
            let diff: RepoDiff = call(app, "evolve_preview", Value::Null).await?;
            show_diff(&diff, json);
            Ok(0)
        }
        Command::Evolve {
            note,
            tree,
            interrupt_cells,
            refuse_cells,
            cell_limit,
            ..
        } => {
            let running_cell = match (interrupt_cells, refuse_cells) {
                (true, _) => RunningCell::Interrupt,
                (_, true) => RunningCell::Refuse,
                _ => RunningCell::Wait,
            };
            let request = json!({
                "note": note, "running_cell": running_cell, "cell_limit_s": cell_limit,
                "tree": tree,
            });
            follow(app, "evolve_start", request, json).await
        }
        Command::Rollback {
            number,
            keep_repo,
            state,
            interrupt_cells,
        } => {
            let running_cell = match interrupt_cells {
                true => RunningCell::Interrupt,
                false => RunningCell::Wait,
            };
            let request = json!({
                "number": number, "keep_repo": keep_repo, "state": state, "running_cell": running_cell,
            });
            follow(app, "generation_rollback", request, json).await
        }
        Command::Generations {
            keep,
            release,
            name,
            remove,
        } => {
            let change = |command, request| call::<GenerationList>(app, command, request);
            if let Some(number) = keep {
                change("generation_keep", json!({ "number": number, "kept": true })).await?;
            }
            if let Some(number) = release {
                change(
                    "generation_keep",
                    json!({ "number": number, "kept": false }),
                )
                .await?;
            }
            if let Some([number, name]) = name.as_deref() {
                let number: u32 = number.parse().map_err(|_| {
                    Failure::new(
                        FailureCode::Invalid,
                        format!("invalid generation: {number}"),
                    )
                    .next(Advice::text("Run vivarium generations to list them."))
                })?;
                change("generation_name", json!({ "number": number, "name": name })).await?;
            }
            if let Some(number) = remove {
                change("generation_remove", json!({ "number": number })).await?;
            }
            let list: GenerationList = call(app, "generation_list", Value::Null).await?;
            if json {
                print::json(&list);
            } else if list.generations.is_empty() {
                print::line("No generations yet. vivarium evolve creates the first one.");
            } else {
                list.generations.iter().for_each(show_generation);
                list.saved.iter().for_each(show_saved);
            }
            Ok(0)
        }
        _ => Ok(2),
    }
}

/// Prints a run until it ends; Ctrl-C gives it up.
async fn follow(app: &App, command: &str, request: Value, json: bool) -> Result<u8, Failure> {
    let after = app.last_seq();
    let run: RunStarted = call(app, command, request).await?;
    let mut last: Option<EvolveRun> = None;
    let ended = run::follow(app, &run, after, "evolve_cancel", |event| match event {
        Event::Evolve { run: told } if told.run_id == run.run_id => {
            if json {
                print::json(&told);
            }
            last = Some(told);
        }
        Event::EvolveLog { run_id, lines } if run_id == run.run_id && !json => {
            lines.iter().for_each(|line| print::note(line));
        }
        _ => {}
    })
    .await;
    if let (Some(run), false) = (&last, json) {
        show_end(run);
    }
    ended.map(|()| 0)
}

/// Carries out what the machine asks for, until Ctrl-C or SIGTERM.
async fn watch(app: &App, json: bool) -> Result<u8, Failure> {
    app.machine(None)?.carry_out_wishes();
    let mut events = app.subscribe(app.last_seq());
    if !json {
        print::line("Waiting for evolves requested from inside the machine. Press Ctrl-C to stop.");
    }
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => return Ok(0),
            () = terminated() => return Ok(0),
        };
        match event.map(|event| event.event) {
            Some(Event::Evolve { run }) if json => print::json(&run),
            Some(Event::Evolve { run }) if run.ended_at.is_some() => show_end(&run),
            Some(Event::Evolve { run }) if run.state == RunState::AwaitsYes => {
                let note = run.note.as_deref().unwrap_or("no note");
                print::row(&format!(
                    "Evolve requested from inside the machine ({note}). Approve {} in the app.",
                    run.run_id
                ));
            }
            Some(Event::EvolveLog { lines, .. }) if !json => {
                lines.iter().for_each(|line| print::note(line));
            }
            Some(_) => {}
            None => return Ok(0),
        }
    }
}

fn show_end(run: &EvolveRun) {
    let took = run
        .ended_at
        .unwrap_or(run.started_at)
        .saturating_sub(run.started_at);
    let steps = run
        .steps
        .iter()
        .filter(|step| step.state == StepState::Done);
    let seconds = took as f64 / 1000.0;
    match run.state {
        RunState::Good => {
            let number = run.generation.unwrap_or_default();
            print::line(&format!(
                "Generation {number} is current after {seconds:.1} s, {}.",
                print::count(steps.count() as u64, "step")
            ));
            if let Some(ms) = run.report.downtime_ms {
                print::line(&format!("  downtime {:.1} s", ms as f64 / 1000.0));
            }
        }
        state => print::line(&format!("{} after {seconds:.1} s.", verdict(state))),
    }
    for kernel in &run.report.kernels {
        let lost = kernel.skipped.iter().map(|skipped| skipped.name.as_str());
        let lost: Vec<&str> = lost
            .chain(kernel.failed.iter().map(|failed| failed.name.as_str()))
            .collect();
        if !lost.is_empty() {
            print::row(&format!(
                "  lost     {}: {}",
                kernel.kernel,
                lost.join(", ")
            ));
        }
    }
    if run.state == RunState::Good && run.report.lost_files_count > 0 {
        print::line(&format!(
            "  lost     {} outside the volumes; see the run's log",
            print::count(u64::from(run.report.lost_files_count), "file")
        ));
    }
    for warning in &run.report.warnings {
        print::row(&format!("  note     {warning}"));
    }
}

/// How a run that made no generation ended.
fn verdict(state: RunState) -> &'static str {
    match state {
        RunState::Asked => "Requested",
        RunState::AwaitsYes => "Awaiting approval",
        RunState::Running => "Running",
        RunState::Good => "Successful",
        RunState::Undone => "Failed. The old machine was kept",
        RunState::Failed => "Failed. Nothing was changed",
        RunState::Refused => "Declined",
        RunState::Cancelled => "Cancelled. The old machine was kept",
    }
}

fn show_generation(generation: &Generation) {
    let mark = if generation.current { "*" } else { " " };
    let state = match generation.state {
        GenerationState::Candidate => "candidate",
        GenerationState::Good => "successful",
        GenerationState::Failed => "failed",
    };
    let mut words = vec![format!("{mark} {:>4}  {state:<10}", generation.number)];
    words.push(if generation.image_present {
        format!("{:>6} MB", generation.size_bytes / 1_000_000)
    } else {
        "  deleted".to_owned()
    });
    if generation.kept {
        words.push("pinned".into());
    }
    words.extend(generation.name.iter().map(|name| format!("\"{name}\"")));
    words.extend(generation.note.clone());
    print::row(&words.join("  "));
}

fn show_saved(saved: &SavedFiles) {
    let back = saved.to_generation.map_or_else(String::new, |number| {
        format!(" before the rollback to generation {number}")
    });
    print::line(&format!(
        "The repo as it was{back} is kept on {}:",
        saved.branch
    ));
    print::line(&format!(
        "  git --git-dir='{}' archive {} | tar -x -C FOLDER",
        saved.history, saved.branch
    ));
}

fn show_diff(diff: &RepoDiff, json: bool) {
    if json {
        print::json(diff);
        return;
    }
    if diff.files.is_empty() {
        print::line("No changes in the repo since the machine's generation.");
    }
    for file in &diff.files {
        let letter = match file.change {
            FileChange::Added => 'A',
            FileChange::Changed => 'M',
            FileChange::Removed => 'D',
        };
        let count = |count: Option<u32>| count.map_or("-".into(), |count| count.to_string());
        let lines = format!("+{} -{}", count(file.added), count(file.removed));
        print::row(&format!("{letter}  {}  {lines}", file.path));
    }
    if diff.more_files > 0 {
        print::line(&format!(
            "and {}",
            print::count(u64::from(diff.more_files), "more file")
        ));
    }
    if diff.compiles {
        print::line("Rust sources changed: compiling takes a few minutes.");
    }
    print::line("");
    print::text(&diff.patch);
    if diff.cut {
        print::line("The change is too long to be shown completely.");
    }
    print::line(&format!("tree {}", diff.tree));
}
