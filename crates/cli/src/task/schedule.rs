//! `vivarium schedule`: tasks at the times of a cron expression.

use jiff::Timestamp;
use serde_json::{Value, json};
use wire::{
    failure::{Failure, FailureCode},
    task::{ScheduleRequest, ScheduleView, Schedules, TaskCreated},
};

use super::{
    arguments::{CreateSchedule, ScheduleCommand},
    run::request,
};
use crate::{print, sandbox::Api};

/// Carries one of them out; answers the exit code.
pub async fn carry_out(api: &Api, command: ScheduleCommand, json: bool) -> Result<u8, Failure> {
    match command {
        ScheduleCommand::Ls => list(api, json).await,
        ScheduleCommand::Create(asked) => create(api, *asked, json).await,
        ScheduleCommand::Pause { id } => set_paused(api, &id, true, json).await,
        ScheduleCommand::Resume { id } => set_paused(api, &id, false, json).await,
        ScheduleCommand::Run { id } => {
            let path = format!("/schedules/{}/run", machine_client::segment(&id));
            let created: TaskCreated = api.post(&path, &json!({})).await?;
            if json {
                print::json(&created);
            } else {
                print::line(created.task_id.as_str());
            }
            Ok(0)
        }
        ScheduleCommand::Rm { ids } => {
            for id in &ids {
                let path = format!("/schedules/{}", machine_client::segment(id));
                let answer: Value = api.delete(&path).await?;
                if json {
                    print::json(&answer);
                } else {
                    print::line(&format!("The schedule {id} was removed."));
                }
            }
            Ok(0)
        }
    }
}

async fn list(api: &Api, json: bool) -> Result<u8, Failure> {
    let Schedules { schedules } = api.get("/schedules").await?;
    if json {
        print::json(&schedules);
    } else if schedules.is_empty() {
        print::note("No schedules.");
    } else {
        schedules.iter().for_each(|one| print::row(&row(one)));
    }
    Ok(0)
}

fn row(view: &ScheduleView) -> String {
    let schedule = &view.schedule;
    let next = match view.next_at_ms {
        _ if schedule.paused => "paused".to_owned(),
        None => "no further time".to_owned(),
        Some(ms) => {
            let at = i64::try_from(ms).ok();
            let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            format!("next {}", at.map(|at| at.to_string()).unwrap_or_default())
        }
    };
    format!(
        "{} {:<20} {:<16} {:<6} {next}  {}",
        view.schedule_id,
        schedule.cron,
        schedule.time_zone.as_deref().unwrap_or("UTC"),
        schedule.task.kind,
        view.error.as_deref().unwrap_or_default(),
    )
}

fn shown(view: &ScheduleView, json: bool) {
    if json {
        print::json(view);
    } else {
        print::row(&row(view));
    }
}

async fn create(api: &Api, asked: CreateSchedule, json: bool) -> Result<u8, Failure> {
    let schedule = ScheduleRequest {
        cron: asked.cron,
        time_zone: Some(asked.time_zone),
        missed: asked.missed,
        paused: false,
        task: request(asked.what, asked.command)?,
    };
    let view: ScheduleView = api.post("/schedules", &schedule).await?;
    shown(&view, json);
    Ok(0)
}

async fn set_paused(api: &Api, id: &str, paused: bool, json: bool) -> Result<u8, Failure> {
    let Schedules { schedules } = api.get("/schedules").await?;
    let found = schedules
        .into_iter()
        .find(|one| one.schedule_id.as_str() == id);
    let found = found
        .ok_or_else(|| Failure::new(FailureCode::NotFound, format!("Schedule {id} not found")))?;
    let schedule = ScheduleRequest {
        paused,
        ..found.schedule
    };
    let path = format!("/schedules/{}", machine_client::segment(id));
    let view: ScheduleView = api.put(&path, &schedule).await?;
    shown(&view, json);
    Ok(0)
}
