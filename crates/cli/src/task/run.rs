//! `task run` and `task logs`: a task, and its output as it comes.

use std::{collections::BTreeMap, io::Read};

use serde_json::{Value, json};
use wire::{
    failure::{Failure, FailureCode},
    sandbox::{CreateRequest, NetworkRequest},
    task::{LogStream, TaskCreated, TaskKind, TaskLog, TaskRequest, TaskState, TaskView},
};

use super::{
    arguments::{RunTask, What},
    lists,
};
use crate::{
    print,
    sandbox::{Api, Output},
};

/// Seconds that one request waits for output.
const WAIT_S: u32 = 20;

/// The request for a task.
pub fn request(what: What, command: Vec<String>) -> Result<TaskRequest, Failure> {
    let sandbox = CreateRequest {
        image: what.image,
        memory_mb: what.memory,
        network: what.network.map(NetworkRequest::Mode),
        ..CreateRequest::default()
    };
    let env: BTreeMap<String, String> = what.env.into_iter().collect();
    // What isn't said is decided by who runs it.
    let mut sandbox = json!(sandbox);
    if let Some(fields) = sandbox.as_object_mut() {
        fields.retain(|name, value| {
            matches!(name.as_str(), "image" | "memory_mb" | "network") && !value.is_null()
        });
    }
    let (kind, mut payload) = match (&what.python, command.as_slice()) {
        (Some(path), _) => (TaskKind::Code, json!({ "code": source(path)? })),
        (None, []) => {
            return Err(Failure::new(FailureCode::Invalid, "No command given")
                .because("a command or --python FILE is required"));
        }
        (None, [line]) => (TaskKind::Exec, json!({ "command": line })),
        (None, words) => (TaskKind::Exec, json!({ "command": words })),
    };
    payload["env"] = json!(env);
    payload["sandbox"] = sandbox;
    Ok(TaskRequest {
        kind,
        payload,
        queue: Some(what.queue),
        priority: Some(what.priority),
        max_attempts: Some(what.attempts),
        timeout_s: Some(what.timeout),
        grace_s: None,
        run_at: None,
        expires_at: None,
        idempotency_key: None,
        files: what.files,
    })
}

fn source(path: &std::path::Path) -> Result<String, Failure> {
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        let message = format!("{} could not be read", path.display());
        Failure::new(FailureCode::Invalid, message).because(error.to_string())
    })
}

/// Queues a task, and follows it unless it is detached.
pub async fn run(api: &Api, asked: RunTask, json: bool) -> Result<u8, Failure> {
    let request = TaskRequest {
        run_at: asked.at.map(Value::from),
        expires_at: asked.expires.map(Value::from),
        idempotency_key: asked.key,
        ..request(asked.what, asked.command)?
    };
    let created: TaskCreated = api.post("/tasks", &request).await?;
    let id = created.task_id.as_str();
    if asked.detach {
        if json {
            print::json(&created);
        } else {
            print::line(id);
        }
        return Ok(0);
    }
    let mut is_cancelled = false;
    let following = follow(api, id, !json);
    tokio::pin!(following);
    loop {
        tokio::select! {
            ended = &mut following => break ended?,
            _ = tokio::signal::ctrl_c() => {
                if is_cancelled {
                    return Err(Failure::new(FailureCode::Cancelled, "Interrupted"));
                }
                is_cancelled = true;
                print::note("Cancelling the task. Press Ctrl-C again to leave without waiting for its end.");
                let _: Result<Value, Failure> = api.post(&format!("/tasks/{id}/cancel"), &json!({})).await;
            }
        }
    }
    let view: TaskView = api.get(&format!("/tasks/{id}")).await?;
    if json {
        print::json(&view);
    } else if view.state != TaskState::Done {
        let why = view.error.as_deref().unwrap_or_default();
        print::note(&format!("Task {id} {}: {why}", lists::word(view.state)));
    }
    Ok(exit_code(&view))
}

/// The command's own, if it ran; else whether the task is done.
fn exit_code(view: &TaskView) -> u8 {
    let code = view
        .result
        .as_ref()
        .and_then(|result| result["exit_code"].as_i64());
    match (view.state, code.and_then(|code| u8::try_from(code).ok())) {
        (TaskState::Done, code) => code.unwrap_or(0),
        (_, Some(code @ 1..)) => code,
        _ => 1,
    }
}

/// `task logs`.
pub async fn logs(api: &Api, id: &str, follows: bool, json: bool) -> Result<u8, Failure> {
    if json || !follows {
        let mut after = 0;
        loop {
            let log: TaskLog = api.get(&path(id, after, 0)).await?;
            if json {
                log.lines.iter().for_each(print::json);
            } else {
                show(&log, &mut Output::new(false));
            }
            match log.lines.last() {
                Some(last) if log.more => after = last.number,
                _ => return Ok(0),
            }
        }
    }
    follow(api, id, true).await.map(|()| 0)
}

fn path(id: &str, after: u64, wait_s: u32) -> String {
    let id = machine_client::segment(id);
    format!("/tasks/{id}/log?after={after}&limit=1000&wait_s={wait_s}")
}

/// Prints a task's log until it ends.
async fn follow(api: &Api, id: &str, prints: bool) -> Result<(), Failure> {
    let (mut after, mut output) = (0, Output::new(false));
    loop {
        let log: TaskLog = api.get(&path(id, after, WAIT_S)).await?;
        if prints {
            show(&log, &mut output);
        }
        if let Some(last) = log.lines.last() {
            after = last.number;
        } else if log.state.is_end() {
            return Ok(());
        }
    }
}

fn show(log: &TaskLog, output: &mut Output) {
    for line in &log.lines {
        match line.stream {
            LogStream::Stdout => output.out(line.text.as_bytes()),
            LogStream::Stderr | LogStream::System => output.err(line.text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_exit_code_is_the_programs() {
        let view = |state: &str, result: Value| -> TaskView {
            let view = json!({
                "task_id": "01JDZ0000000000000000000AB", "kind": "exec", "queue": "default",
                "priority": 0, "state": state, "owner": null, "cancelling": false, "attempt": 1,
                "max_attempts": 3, "timeout_s": 1.0, "grace_s": 1.0, "created_at_ms": 0,
                "due_at_ms": 0, "expires_at_ms": null, "started_at_ms": null, "ended_at_ms": null,
                "worker": null, "progress": null, "error": null, "result": result,
            });
            serde_json::from_value(view).unwrap()
        };
        assert_eq!(exit_code(&view("done", json!({"exit_code": 0}))), 0);
        assert_eq!(exit_code(&view("done", json!({"status": "completed"}))), 0);
        assert_eq!(exit_code(&view("failed", json!({"exit_code": 3}))), 3);
        assert_eq!(exit_code(&view("failed", json!({"exit_code": 0}))), 1);
        assert_eq!(exit_code(&view("cancelled", Value::Null)), 1);
    }
}
