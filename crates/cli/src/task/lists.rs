//! What there is: tasks, queues, workers; and changes of many tasks at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use wire::{
    failure::{Failure, FailureCode},
    task::{Queues, TaskCount, TaskFilter, TaskPage, TaskState, TaskView, Workers},
};

use super::arguments::{Filter, ListTasks, Which};
use crate::{print, sandbox::Api};

impl From<&Filter> for TaskFilter {
    fn from(filter: &Filter) -> Self {
        Self {
            state: filter.state,
            kind: filter.kind,
            queue: filter.queue.clone(),
            text: filter.text.clone(),
        }
    }
}

/// A state as it is shown.
pub fn word(state: TaskState) -> &'static str {
    state.as_str()
}

fn ago(ms: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(ms)).as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `task ls`.
pub async fn tasks(api: &Api, asked: &ListTasks, json: bool) -> Result<u8, Failure> {
    let mut tasks: Vec<TaskView> = Vec::new();
    let mut after: Option<String> = None;
    while tasks.len() < asked.limit {
        let page: TaskPage = api
            .get(&path(asked, asked.limit - tasks.len(), after))
            .await?;
        tasks.extend(page.tasks);
        match page.next {
            None => break,
            next => after = next,
        }
    }
    if json {
        print::json(&tasks);
    } else if tasks.is_empty() {
        print::note("No tasks.");
    } else {
        tasks.iter().for_each(|task| print::row(&row(task)));
    }
    Ok(0)
}

fn path(asked: &ListTasks, limit: usize, after: Option<String>) -> String {
    let filter = &asked.filter;
    let mut path = format!("/tasks?limit={limit}");
    for (name, value) in [
        ("state", filter.state.map(|state| state.to_string())),
        ("kind", filter.kind.map(|kind| kind.to_string())),
        ("queue", filter.queue.clone()),
        ("text", filter.text.clone()),
        ("after", after),
    ] {
        if let Some(value) = value {
            path += &format!("&{name}={}", machine_client::segment(&value));
        }
    }
    path
}

fn row(task: &TaskView) -> String {
    format!(
        "{} {:<10} {:<6} {:<16} {}/{} {:>8}  {}",
        task.task_id,
        word(task.state),
        task.kind,
        task.queue,
        task.attempt,
        task.max_attempts,
        ago(task.created_at_ms),
        task.error.as_deref().unwrap_or_default(),
    )
}

/// `task show`.
pub async fn show(api: &Api, id: &str, json: bool) -> Result<u8, Failure> {
    let path = format!("/tasks/{}", machine_client::segment(id));
    let task: TaskView = api.get(&path).await?;
    if json {
        print::json(&task);
        return Ok(0);
    }
    print::row(&row(&task));
    for attempt in task.attempts.iter().flatten() {
        let outcome = attempt
            .outcome
            .map_or("running", |outcome| outcome.as_str());
        print::row(&format!(
            "  attempt {} {outcome:<10} {} {}",
            attempt.number,
            attempt.worker,
            attempt.error.as_deref().unwrap_or_default(),
        ));
    }
    if let Some(progress) = &task.progress {
        let total = progress.total.map(|total| format!(" of {total}"));
        print::row(&format!(
            "  progress {}{} {}",
            progress.done,
            total.unwrap_or_default(),
            progress.text.as_deref().unwrap_or_default()
        ));
    }
    for (name, value) in [("payload", &task.payload), ("result", &task.result)] {
        if let Some(value) = value {
            print::row(&format!("  {name} {value}"));
        }
    }
    Ok(0)
}

/// `task retry` and `task cancel`.
pub async fn change(
    api: &Api,
    verb: &str,
    done: &str,
    which: &Which,
    json: bool,
) -> Result<u8, Failure> {
    if which.ids.is_empty() {
        let filter = TaskFilter::from(&which.filter);
        if filter == TaskFilter::default() {
            return Err(
                Failure::new(FailureCode::Invalid, "No tasks given").because(
                    "ids, or at least one of --state, --kind, --queue and --text, are required",
                ),
            );
        }
        let count: TaskCount = api.post(&format!("/tasks/{verb}"), &filter).await?;
        if json {
            print::json(&count);
        } else {
            print::line(&format!("{done}: {}.", print::count(count.count, "task")));
        }
        return Ok(0);
    }
    for id in &which.ids {
        let path = format!("/tasks/{}/{verb}", machine_client::segment(id));
        let standing: Value = api.post(&path, &serde_json::json!({})).await?;
        if json {
            print::json(&standing);
        } else if standing["state"] == "running" {
            print::line(&format!("{id} is running and was asked to end."));
        } else {
            print::line(&format!("{done}: {id}."));
        }
    }
    Ok(0)
}

/// `task queues`.
pub async fn queues(api: &Api, json: bool) -> Result<u8, Failure> {
    let Queues { queues } = api.get("/queues").await?;
    if json {
        print::json(&queues);
    } else if queues.is_empty() {
        print::note("No queues. A queue is created with its first task.");
    }
    for queue in queues.iter().filter(|_| !json) {
        let paused = if queue.paused { ", paused" } else { "" };
        print::row(&format!(
            "{:<24} {} queued, {} scheduled, {} retrying, {} running, {} done, {} failed{paused}",
            queue.queue,
            queue.queued,
            queue.scheduled,
            queue.retrying,
            queue.running,
            queue.done,
            queue.failed,
        ));
    }
    Ok(0)
}

/// `task workers`.
pub async fn workers(api: &Api, json: bool) -> Result<u8, Failure> {
    let Workers { workers } = api.get("/workers").await?;
    if json {
        print::json(&workers);
    } else if workers.is_empty() {
        print::note("No workers. Start one with vivarium worker, or with vivarium serve.");
    }
    for worker in workers.iter().filter(|_| !json) {
        let state = match (worker.alive, worker.draining) {
            (false, _) => "not responding",
            (true, true) => "draining",
            (true, false) => "running",
        };
        print::row(&format!(
            "{:<32} {state:<14} {} of {} tasks, seen {} ago",
            worker.worker,
            worker.tasks.len(),
            worker.concurrency,
            ago(worker.seen_at_ms),
        ));
    }
    Ok(0)
}
