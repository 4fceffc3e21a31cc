//! Cells, commands and terminals as one list of jobs. Each of them has its own store; nothing is kept
//! here.

use std::time::Duration;

use serde_json::Value;
use wire::{
    body::CellState,
    job::{Job, JobKind, JobList, JobLog, JobState},
    kernel::ExecStatus,
};

use crate::{
    kernel::{Event, Execution, Kernels, What},
    shell::Shell,
    terminal::Terminals,
};

/// All of them, at this time in Unix milliseconds.
pub fn list(kernels: &Kernels, shell: &Shell, terminals: &Terminals, now_ms: u64) -> JobList {
    let mut jobs = shell.commands.jobs();
    jobs.extend(terminals.jobs());
    for kernel in kernels.all() {
        let cells = kernel.executions();
        jobs.extend(cells.iter().map(|cell| of_cell(cell, now_ms)));
    }
    JobList::of(jobs)
}

/// Ends one as its kind is ended; false if there is none of this id, or if it is over.
pub async fn cancel(kernels: &Kernels, shell: &Shell, terminals: &Terminals, id: &str) -> bool {
    if let Some((kernel, execution)) = kernels.execution(id) {
        kernel.cancel(&execution).await;
        return true;
    }
    shell.commands.cancel(id) || terminals.cancel(id)
}

/// What a cell printed after the event of this number; `None` if there is no such cell. What commands
/// and terminals print is not kept for others than their clients.
pub fn log(kernels: &Kernels, id: &str, after: u64) -> Option<JobLog> {
    let (_, execution) = kernels.execution(id)?;
    Some(log_of(execution.since(after).0, after))
}

fn of_cell(cell: &Execution, now_ms: u64) -> Job {
    let at = |ago: Duration| {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        now_ms.saturating_sub(ago)
    };
    let state = match (cell.state(), cell.ending()) {
        (CellState::Queued, _) => JobState::Queued,
        (CellState::Over, Some((status, error))) => {
            let why = error.map(|error| format!("{}: {}", error.kind, error.message));
            ended(status, &why.unwrap_or_default())
        }
        _ => JobState::Running,
    };
    let order = &cell.order;
    let id = order.execution_id.clone();
    Job {
        // Ids begin with the time.
        created_at: id
            .parse::<ulid::Ulid>()
            .map_or(now_ms, |id| id.timestamp_ms()),
        id,
        kind: JobKind::Cell,
        owner: order.owner.clone(),
        machine: None,
        title: match order.comm {
            Some(_) => "Message to a widget".to_owned(),
            None => Job::line_of(&order.request.code),
        },
        started_at: cell.began_ago().map(at),
        ended_at: cell.ended_ago().map(at),
        exit: None,
        has_log: true,
        can_cancel: !state.is_over(),
        state,
    }
}

fn ended(status: ExecStatus, why: &str) -> JobState {
    let why = Job::line_of(why);
    match status {
        ExecStatus::Completed => JobState::Succeeded,
        ExecStatus::Failed | ExecStatus::Timeout => JobState::Failed { why },
        ExecStatus::Interrupted => JobState::Cancelled,
        ExecStatus::Died => JobState::Interrupted,
    }
}

fn log_of(events: Vec<Event>, after: u64) -> JobLog {
    let mut log = JobLog {
        text: String::new(),
        next: after,
    };
    for event in events {
        if let What::Output(output) = &event.what {
            let mut text = printed(output);
            if log.text.len() + text.len() > Job::LOG_PAGE {
                if !log.text.is_empty() {
                    break;
                }
                text.truncate(text.floor_char_boundary(Job::LOG_PAGE));
                text.push_str("\n[output truncated]\n");
            }
            log.text.push_str(&text);
        }
        log.next = event.seq;
    }
    log
}

/// An output as a terminal would show it; what has no text is nothing.
fn printed(output: &Value) -> String {
    match output["output_type"].as_str() {
        Some("stream") => joined(&output["text"], ""),
        Some("error") => joined(&output["traceback"], "\n") + "\n",
        Some("execute_result" | "display_data") => joined(&output["data"]["text/plain"], "") + "\n",
        _ => String::new(),
    }
}

/// nbformat keeps texts as one string or as a list.
fn joined(value: &Value, between: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            parts.join(between)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events(outputs: Vec<Value>) -> Vec<Event> {
        let what = outputs
            .into_iter()
            .map(|output| What::Output(output.into()));
        what.zip(1..)
            .map(|(what, seq)| Event { seq, what })
            .collect()
    }

    #[test]
    fn a_log_is_what_was_printed_in_pages() {
        let outputs = vec![
            json!({"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]}),
            json!({"output_type": "update_display_data", "data": {"text/plain": "no"}}),
            json!({"output_type": "execute_result", "data": {"text/plain": "7"}}),
            json!({"output_type": "error", "traceback": ["one", "two"]}),
        ];
        let log = log_of(events(outputs), 0);
        assert_eq!(log.text, "a\nb7\none\ntwo\n");
        assert_eq!(log.next, 4);
        assert_eq!(log_of(Vec::new(), 9).next, 9);
        let piece = json!({"output_type": "stream", "text": "ä".repeat(Job::LOG_PAGE / 4)});
        let page = log_of(events(vec![piece; 3]), 0);
        assert_eq!((page.text.len(), page.next), (Job::LOG_PAGE, 2));
        // One that is larger than a page is cut, and the next read goes on behind it.
        let long = json!({"output_type": "stream", "text": "ä".repeat(Job::LOG_PAGE)});
        let page = log_of(events(vec![long]), 0);
        assert!(page.text.ends_with("[output truncated]\n"));
        assert!(page.text.len() < Job::LOG_PAGE + 100);
        assert_eq!(page.next, 1);
    }

    #[test]
    fn a_cells_end_says_whose_fault_it_was() {
        assert_eq!(ended(ExecStatus::Completed, ""), JobState::Succeeded);
        assert_eq!(ended(ExecStatus::Interrupted, "x"), JobState::Cancelled);
        assert_eq!(ended(ExecStatus::Died, "x"), JobState::Interrupted);
        for status in [ExecStatus::Failed, ExecStatus::Timeout] {
            let why = "E: one".to_owned();
            assert_eq!(ended(status, "E: one\ntwo"), JobState::Failed { why });
        }
    }
}
