//! What agents made: shown, merged, as a patch, discarded.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use app::App;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use wire::{
    advice::Advice,
    agent::{
        AgentDiff, AgentFileContent, AgentFileDiff, AgentFileStatus, AgentId, AgentMergeOutcome,
        AgentMergeRequest, AgentPatch,
    },
    failure::{Failure, FailureCode},
};

use crate::{ask, commands::call, print};

/// `agent diff`.
pub async fn diff(app: &App, id: &AgentId, stat: bool, json: bool) -> Result<u8, Failure> {
    let diff: AgentDiff = call(app, "agent_diff", json!({ "id": id })).await?;
    if json {
        print::json(&diff);
        return Ok(0);
    }
    summary(&diff);
    if !stat {
        diff.files.iter().for_each(patch_of);
    }
    print::note(&reviewed_words(id, &diff));
    Ok(0)
}

fn reviewed_words(id: &AgentId, diff: &AgentDiff) -> String {
    match (diff.files.is_empty(), diff.can_merge) {
        (true, _) => "The agent has changed nothing.".into(),
        (false, true) => format!(
            "To merge exactly this: vivarium agent merge {id} --into BRANCH --reviewed {}",
            diff.reviewed
        ),
        (false, false) => format!(
            "The folder has no repository. To take this over: vivarium agent patch {id} | git apply"
        ),
    }
}

/// The files, with what should be looked at.
fn summary(diff: &AgentDiff) {
    for file in &diff.files {
        let status = match file.status {
            AgentFileStatus::Added => "added",
            AgentFileStatus::Removed => "removed",
            AgentFileStatus::Modified => "modified",
            AgentFileStatus::Retyped => "retyped",
            AgentFileStatus::Renamed => "renamed",
        };
        let from = file.old_path.as_deref().map(|old| format!(" (was {old})"));
        print::row(&format!(
            "{status:<9} +{:<6} -{:<6} {}{}",
            file.added,
            file.removed,
            file.path,
            from.unwrap_or_default()
        ));
        for risk in &file.risks {
            print::row(&format!("          look at this: {risk}"));
        }
    }
    if diff.more_files > 0 {
        print::note(&format!(
            "{} changed that aren't listed.",
            print::count(diff.more_files, "more file")
        ));
    }
}

fn patch_of(file: &AgentFileDiff) {
    print::line("");
    print::line(&format!(
        "--- {}",
        file.old_path.as_deref().unwrap_or(&file.path)
    ));
    print::line(&format!("+++ {}", file.path));
    match &file.content {
        AgentFileContent::Patch { text } => text.lines().for_each(print::line),
        AgentFileContent::Binary { .. } => print::line("(not text)"),
        AgentFileContent::Truncated { .. } => print::line("(too many lines to show here)"),
    }
}

/// `agent merge`.
pub async fn merge(
    app: &App,
    request: AgentMergeRequest,
    yes: bool,
    json: bool,
) -> Result<u8, Failure> {
    let id = request.id.clone();
    let mut request = request;
    if request.reviewed.is_empty() {
        // What is merged is what is shown here, whatever the agent does meanwhile.
        let diff: AgentDiff = call(app, "agent_diff", json!({ "id": id })).await?;
        request.reviewed.clone_from(&diff.reviewed);
        if !json {
            summary(&diff);
        }
        if !yes {
            agreed(&request, &diff).await?;
        }
    }
    let outcome: AgentMergeOutcome = call(app, "agent_merge", json!(request)).await?;
    if json {
        print::json(&outcome);
    }
    let failed = |message: String| Failure::new(FailureCode::Invalid, message);
    match outcome {
        AgentMergeOutcome::UpToDate => {
            if !json {
                print::line("Already up to date.");
            }
            Ok(0)
        }
        AgentMergeOutcome::Merged { merge } => {
            if !json {
                print::line(&format!("{} is at {} now.", merge.into, merge.new));
                if let Some(old) = &merge.old {
                    print::note(&format!(
                        "To undo it: git branch --force {} {old}",
                        merge.into
                    ));
                }
            }
            Ok(0)
        }
        AgentMergeOutcome::Conflicts { .. } if json => Ok(1),
        AgentMergeOutcome::CheckedOut { .. } if json => Ok(1),
        AgentMergeOutcome::Conflicts { files } => {
            for file in &files {
                print::row(&file.path);
                for message in &file.messages {
                    print::row(&format!("  {message}"));
                }
            }
            Err(
                failed("The branch conflicts with the agent's changes".into())
                    .because("both changed the same lines; nothing was merged")
                    .next(Advice::text(format!(
                        "Merge it by hand in a work tree: git merge refs/vivarium/{id}"
                    ))),
            )
        }
        AgentMergeOutcome::CheckedOut { branch, path, work } => {
            Err(failed(format!("{branch} is checked out in {path}"))
                .because("merging would leave the files there out of step with the branch")
                .next(Advice::text(format!(
                    "Merge into another branch, or run git merge {work} there."
                ))))
        }
    }
}

async fn agreed(request: &AgentMergeRequest, diff: &AgentDiff) -> Result<(), Failure> {
    let into = request
        .into
        .clone()
        .unwrap_or_else(|| format!("agent/{}", request.id));
    let question = Failure::new(
        FailureCode::Cancelled,
        format!("This will be merged into {into}"),
    )
    .because(match diff.has_uncommitted {
        true => "the agent hasn't committed all of it: a commit of the rest is made",
        false => "the agent has committed all of it",
    });
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !can_ask {
        return Err(Failure::new(FailureCode::Invalid, question.message)
            .because("there is no terminal to ask for confirmation")
            .next(Advice::text(
                "Name what you reviewed with --reviewed, or use --yes to merge without asking.",
            )));
    }
    ask::whether(&question, "Merge it?").await.map(drop)
}

/// `agent patch`.
pub async fn patch(
    app: &App,
    id: &AgentId,
    output: Option<PathBuf>,
    json: bool,
) -> Result<u8, Failure> {
    let patch: AgentPatch = call(app, "agent_patch", json!({ "id": id })).await?;
    if json {
        print::json(&patch);
        return Ok(0);
    }
    let bytes = BASE64.decode(&patch.base64).map_err(|error| {
        Failure::new(FailureCode::Internal, "The patch could not be read")
            .because(error.to_string())
    })?;
    let written = match &output {
        Some(path) => std::fs::write(path, &bytes),
        None if std::io::stdout().is_terminal() => {
            // It has whatever the agent wrote: a terminal gets it as text.
            String::from_utf8_lossy(&bytes)
                .lines()
                .for_each(print::line);
            Ok(())
        }
        None => std::io::stdout().lock().write_all(&bytes),
    };
    written.map_err(|error| {
        Failure::new(FailureCode::Internal, "The patch could not be written")
            .because(error.to_string())
            .next(Advice::CheckPermissions)
    })?;
    Ok(0)
}

/// `agent discard`.
pub async fn discard(app: &App, ids: &[AgentId], yes: bool, json: bool) -> Result<u8, Failure> {
    if !yes {
        let names: Vec<&str> = ids.iter().map(AgentId::as_str).collect();
        let question = Failure::new(
            FailureCode::Cancelled,
            format!("The work of {} will be deleted", names.join(", ")),
        )
        .because("what was merged stays");
        if !ask::whether(&question, "Discard it?").await? {
            return Err(Failure::new(FailureCode::Invalid, question.message)
                .because("there is no terminal to ask for confirmation")
                .next(Advice::text(
                    "Use --yes to discard it without confirmation.",
                )));
        }
    }
    for id in ids {
        call::<Value>(app, "agent_discard", json!({ "id": id })).await?;
        super::lists::done(id.as_str(), json);
    }
    Ok(0)
}
