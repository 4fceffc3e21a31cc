//! The code interpreter: code in contexts whose variables stay, its outputs line by line.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use sandbox::{CodeEnd, CodeEvent, CodeRun};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{
    kernel::ExecStatus,
    sandbox::{CodeContext, CodeContextRequest, CodeRequest},
};

use super::{
    Facade, HOME,
    dispatch::At,
    gone::{PlainError, plain},
    keepalive::kept_alive,
    outputs,
    paths::absolute,
};
use crate::sandboxes::Refusal;

/// Code may be silent for long, and clients give up on a connection that is.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Router<Facade> {
    Router::new()
        .route("/health", get(|| async { StatusCode::OK }))
        .route("/execute", post(execute))
        .route("/contexts", get(contexts).post(create))
        .route("/contexts/{context}", axum::routing::delete(remove))
        .route("/contexts/{context}/restart", post(restart))
}

#[derive(Deserialize)]
struct Execute {
    code: String,
    #[serde(default)]
    context_id: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    env_vars: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewContext {
    cwd: Option<String>,
    language: Option<String>,
}

/// Reads a body.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, PlainError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()).into())
}

/// Refuses other languages before anything is started for them.
fn python(language: Option<&str>) -> Result<(), PlainError> {
    match language {
        None | Some("" | "python" | "python3") => Ok(()),
        Some(_) => {
            let words = "only Python is supported here; other languages run as commands, such as node -e or bash -c";
            Err(Refusal::not_supported(words).into())
        }
    }
}

impl Facade {
    /// The context of a client that names none: the first one at home, where its files lie too.
    async fn own_context(&self, at: &At) -> Result<String, PlainError> {
        let sandboxes = self.0.service.sandboxes()?;
        let find = || {
            let contexts = sandboxes.contexts(&at.owner, &at.id).map_err(plain)?;
            let first = contexts.into_iter().find(|context| context.cwd == HOME);
            Ok::<_, PlainError>(first.map(|context| context.id))
        };
        if let Some(found) = find()? {
            return Ok(found);
        }
        let _making = self.0.making_context.lock().await;
        if let Some(found) = find()? {
            return Ok(found);
        }
        let request = CodeContextRequest {
            language: None,
            cwd: Some(HOME.into()),
        };
        let made = sandboxes.create_context(&at.owner, &at.id, request).await;
        Ok(made.map_err(plain)?.id)
    }
}

async fn execute(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Response, PlainError> {
    let asked: Execute = read(&body)?;
    python(asked.language.as_deref())?;
    let named = asked
        .context_id
        .filter(|id| !id.is_empty() && id != "default");
    let context = match named {
        Some(context) => context,
        None => facade.own_context(&at).await?,
    };
    let request = CodeRequest {
        code: asked.code,
        language: None,
        context: Some(context),
        // The client's own limit ends the request, which interrupts the code.
        timeout_s: Some(0.0),
        env: asked.env_vars.unwrap_or_default(),
    };
    let sandboxes = facade.0.service.sandboxes()?;
    let run = sandboxes.code(&at.owner, &at.id, request).await;
    Ok(lines(run.map_err(plain)?))
}

fn lines(run: CodeRun) -> Response {
    let mut told_error = false;
    let lines = run.events().flat_map(move |event| {
        let lines = told(event, &mut told_error, now_ns());
        stream::iter(lines)
    });
    let lines = kept_alive(lines, Some(KEEP_ALIVE), || json!({ "type": "keepalive" }));
    let bytes = lines.map(|line| Ok::<_, Infallible>(outputs::line(&line)));
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(bytes)).into_response()
}

/// The lines of one event.
fn told(event: CodeEvent, told_error: &mut bool, now_ns: u64) -> Vec<Value> {
    match event {
        CodeEvent::Output(output) => {
            *told_error |= output["output_type"] == "error";
            outputs::of(&output, now_ns).into_iter().collect()
        }
        CodeEvent::Clear { .. } => Vec::new(),
        CodeEvent::Ended(end) => {
            let failure = failure(&end).filter(|_| !*told_error);
            failure
                .into_iter()
                .chain([outputs::count(end.execution_count)])
                .collect()
        }
    }
}

/// Why code did not come to its end, if no output says it.
fn failure(end: &CodeEnd) -> Option<Value> {
    if let Some(error) = &end.error {
        return Some(json!({
            "type": "error", "name": error.kind, "value": error.message, "traceback": error.traceback,
        }));
    }
    let (name, value) = match end.status {
        ExecStatus::Completed => return None,
        ExecStatus::Failed => ("Error", "the code failed"),
        ExecStatus::Interrupted => ("KeyboardInterrupt", "the code was interrupted"),
        ExecStatus::Timeout => ("TimeoutError", "the code timed out"),
        ExecStatus::Died => (
            "KernelDied",
            "the kernel ended under the code: it may have used too much memory",
        ),
    };
    Some(outputs::failure(name, value))
}

fn now_ns() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn shown(context: CodeContext) -> Value {
    let CodeContext { id, language, cwd } = context;
    json!({ "id": id, "language": language, "cwd": cwd })
}

async fn contexts(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
) -> Result<Json<Vec<Value>>, PlainError> {
    let sandboxes = facade.0.service.sandboxes()?;
    let contexts = sandboxes.contexts(&at.owner, &at.id).map_err(plain)?;
    Ok(Json(contexts.into_iter().map(shown).collect()))
}

async fn create(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Result<Json<Value>, PlainError> {
    let NewContext { cwd, language } = read(&body)?;
    python(language.as_deref())?;
    let request = CodeContextRequest {
        language: None,
        cwd: Some(absolute(&cwd.unwrap_or_default())),
    };
    let sandboxes = facade.0.service.sandboxes()?;
    let made = sandboxes.create_context(&at.owner, &at.id, request).await;
    Ok(Json(shown(made.map_err(plain)?)))
}

async fn remove(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    Path(context): Path<String>,
) -> Result<StatusCode, PlainError> {
    let sandboxes = facade.0.service.sandboxes()?;
    let removed = sandboxes.remove_context(&at.owner, &at.id, &context).await;
    removed.map_err(plain)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    Path(context): Path<String>,
) -> Result<StatusCode, PlainError> {
    let sandboxes = facade.0.service.sandboxes()?;
    let restarted = sandboxes.restart_context(&at.owner, &at.id, &context).await;
    restarted.map_err(plain)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(status: ExecStatus) -> CodeEvent {
        CodeEvent::Ended(CodeEnd {
            status,
            result: None,
            error: None,
            execution_count: Some(3),
            timing_ms: 1,
        })
    }

    #[test]
    fn an_error_is_told_once() {
        let mut told_error = false;
        let output = json!({"output_type": "error", "ename": "E", "evalue": "v", "traceback": []});
        assert_eq!(told(CodeEvent::Output(output), &mut told_error, 1).len(), 1);
        let last = told(end(ExecStatus::Failed), &mut told_error, 1);
        assert_eq!(
            last,
            [json!({"type": "number_of_executions", "execution_count": 3})]
        );
    }

    #[test]
    fn a_kernel_that_dies_is_an_error() {
        let lines = told(end(ExecStatus::Died), &mut false, 1);
        assert_eq!(lines[0]["name"], "KernelDied");
        assert_eq!(lines[1]["type"], "number_of_executions");
        assert_eq!(told(end(ExecStatus::Completed), &mut false, 1).len(), 1);
    }

    #[test]
    fn other_languages_are_refused_with_words() {
        assert!(python(None).is_ok() && python(Some("python")).is_ok());
        let refused = python(Some("r")).unwrap_err().into_response();
        assert_eq!(refused.status(), 501);
    }
}
