//! Sandboxes without containers, against the real first process: `answers`, `commands`, `files`,
//! `connections` and `hostile`.

mod answers;
mod commands;
mod connections;
mod files;
mod hostile;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use wire::sandbox::{ExecAnswer, ExecRequest};

use crate::{exec::Exec, sandbox::Sandbox, start_exec};

fn line(line: &str) -> ExecRequest {
    ExecRequest {
        command: line.into(),
        ..ExecRequest::default()
    }
}

async fn start(sandbox: &Arc<Sandbox>, request: ExecRequest) -> Exec {
    let started = start_exec::start(sandbox, request, false).await;
    Exec(started.expect("it runs"))
}

async fn run(sandbox: &Arc<Sandbox>, request: ExecRequest) -> ExecAnswer {
    start(sandbox, request).await.wait().await
}

/// A deadline for what must not hang.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(600), work).await;
    done.expect("done within ten minutes")
}

/// Output of a command as it comes, until it has this.
async fn until(exec: &Exec, wanted: &str) -> String {
    let mut text = String::new();
    let mut events = exec.events(0);
    while !text.contains(wanted) {
        let event = soon(events.next()).await.expect("more output");
        if let Some(data) = event.kind.data() {
            text.push_str(&String::from_utf8_lossy(data));
        }
    }
    text
}
