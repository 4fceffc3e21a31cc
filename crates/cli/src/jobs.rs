//! `vivarium job`: long work of all kinds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app::App;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::{
    failure::{Failure, FailureCode},
    job::{Job, JobKind, JobList, JobLog, JobOwner, JobState},
    machines::MachineList,
};

use crate::{arguments::JobCommand, commands::call, print};

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(500);

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The app's.
pub async fn carry_out(app: &App, command: JobCommand, json: bool) -> Result<u8, Failure> {
    match command {
        JobCommand::Ls {
            running,
            all_machines,
        } => ls(app, running, all_machines, json).await,
        JobCommand::Cancel { ids } => {
            for id in ids {
                let _: Value = call(app, "job_cancel", json!({ "id": id })).await?;
                if json {
                    print::json(&json!({ "cancelled": id }));
                } else {
                    print::row(&format!("Cancelled {id}."));
                }
            }
            Ok(0)
        }
        JobCommand::Logs { id, follow } => {
            tokio::select! {
                printed = logs(app, &id, follow, json) => printed?,
                _ = tokio::signal::ctrl_c() => {}
            }
            Ok(0)
        }
    }
}

async fn ls(app: &App, running: bool, all_machines: bool, json: bool) -> Result<u8, Failure> {
    let mut lists = Vec::new();
    if all_machines {
        let machines: MachineList = call(app, "machine_list", Value::Null).await?;
        for machine in machines.machines {
            lists.push(of_machine::<JobList>(app, &machine.name, "job_list").await?);
        }
    } else {
        lists.push(call(app, "job_list", Value::Null).await?);
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = u64::try_from(now_ms.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    for mut list in lists {
        list.jobs.retain(|job| !running || !job.state.is_over());
        if json {
            print::json(&list);
            continue;
        }
        for job in &list.jobs {
            print::row(row(job, all_machines, now_ms).trim_end());
        }
        if list.left_out > 0 {
            let more = print::count(u64::from(list.left_out), "more job");
            print::note(&format!("{more} not shown."));
        }
        if let Some(missing) = &list.missing {
            print::note(&format!(
                "Cells, commands and terminals are missing from this list: {missing}."
            ));
        }
    }
    Ok(0)
}

async fn of_machine<T: DeserializeOwned>(
    app: &App,
    machine: &str,
    command: &str,
) -> Result<T, Failure> {
    let answer = app.rpc(Some(machine), command, Value::Null).await?;
    serde_json::from_value(answer).map_err(|error| {
        Failure::new(FailureCode::Internal, "The response could not be read")
            .because(error.to_string())
    })
}

async fn logs(app: &App, id: &str, follow: bool, json: bool) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        // Before the log: what is printed until the job ends is in it.
        let list: JobList = call(app, "job_list", Value::Null).await?;
        let goes_on = |job: &Job| job.id == id && !job.state.is_over();
        let is_over = !list.jobs.iter().any(goes_on);
        let log: JobLog = call(app, "job_log", json!({ "id": id, "after": after })).await?;
        let is_read = log.next == after;
        after = log.next;
        if json && !log.text.is_empty() {
            print::json(&log);
        } else {
            print::text(&log.text);
        }
        match (is_read, is_over || !follow) {
            (true, true) => return Ok(()),
            (true, false) => tokio::time::sleep(LOOK).await,
            (false, _) => {}
        }
    }
}

/// A job as a line of a list.
fn row(job: &Job, with_machine: bool, now_ms: u64) -> String {
    let kind = match job.kind {
        JobKind::Build => "build",
        JobKind::Start => "start",
        JobKind::Evolve => "evolve",
        JobKind::Rollback => "rollback",
        JobKind::Cell => "cell",
        JobKind::Command => "command",
        JobKind::Terminal => "terminal",
    };
    let state = match &job.state {
        JobState::Queued => "queued",
        JobState::AwaitsApproval => "awaits approval",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed { .. } => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Interrupted => "interrupted",
    };
    let machine = match &job.machine {
        Some(machine) if with_machine => format!("{machine:<16}  "),
        _ => String::new(),
    };
    let owner = match &job.owner {
        JobOwner::Machine => "inside",
        JobOwner::Person => "you",
        JobOwner::Token { name } => name,
    };
    let began = job.started_at.unwrap_or(job.created_at);
    let lasts = job.ended_at.unwrap_or(now_ms).saturating_sub(began);
    let about = match &job.state {
        JobState::Failed { why } if !why.is_empty() => format!("{}  ({why})", job.title),
        _ => job.title.clone(),
    };
    format!(
        "{:<26}  {machine}{kind:<8}  {state:<15}  {:>12}  {owner:<12}  {about}",
        job.id,
        lasted(lasts),
    )
}

/// `2 s`, `3 min 4 s`, `5 h 6 min`.
fn lasted(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_line_with_all_that_a_person_asks_for() {
        let mut job = Job {
            id: "01J".into(),
            kind: JobKind::Command,
            owner: JobOwner::Token { name: "ci".into() },
            machine: Some("work".into()),
            title: "make test".into(),
            state: JobState::Running,
            created_at: 1_000,
            started_at: Some(2_000),
            ended_at: None,
            exit: None,
            has_log: false,
            can_cancel: true,
        };
        let words = |job: &Job, with_machine| -> Vec<String> {
            let row = row(job, with_machine, 65_000);
            row.split_whitespace().map(str::to_owned).collect()
        };
        let expected = "01J command running 1 min 3 s ci make test";
        assert_eq!(words(&job, false).join(" "), expected);
        (job.state, job.ended_at) = (
            JobState::Failed {
                why: "exit code 2".into(),
            },
            Some(4_500),
        );
        let expected = "01J work command failed 2 s ci make test (exit code 2)";
        assert_eq!(words(&job, true).join(" "), expected);
    }

    #[test]
    fn long_times_are_told_in_two_units() {
        let all = [0, 59_999, 60_000, 3_599_000, 3_600_000, 90_061_000];
        let expected = [
            "0 s",
            "59 s",
            "1 min 0 s",
            "59 min 59 s",
            "1 h 0 min",
            "25 h 1 min",
        ];
        assert_eq!(all.map(lasted), expected);
    }
}
