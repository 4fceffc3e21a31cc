//! Uploads: one file as the body, perhaps compressed, or several as parts of a form.

use axum::{
    extract::{FromRequest, Multipart, Request, multipart::Field},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sandbox::{ByteStream, Files, SandboxError};
use serde_json::Value;
use tokio::sync::mpsc;
use wire::sandbox::FileEntry;

use super::{
    entries::written,
    gone::{PlainError, plain},
    gzip::unpacked,
    paths::absolute,
};
use crate::sandboxes::{Refusal, pieces};

/// How many pieces of a part wait for the sandbox.
const WAITING: usize = 4;

/// Writes what a request brings; answers what was written.
pub(super) async fn take(
    files: &Files,
    path: Option<String>,
    headers: &HeaderMap,
    request: Request,
) -> Result<Vec<Value>, PlainError> {
    let text = |name: header::HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if text(header::CONTENT_TYPE).starts_with("multipart/") {
        return parts(files, path, request).await;
    }
    let path = path.ok_or_else(|| refused("missing path"))?;
    let body = pieces(request.into_body());
    let content: ByteStream = match text(header::CONTENT_ENCODING) {
        "" | "identity" => body.boxed(),
        "gzip" => unpacked(body)
            .map(|piece| piece.map_err(|error| broken(&error)))
            .boxed(),
        _ => {
            return Err(refused(
                "unknown Content-Encoding: gzip or none was expected",
            ));
        }
    };
    let entry = files.write(&path, content).await.map_err(plain)?;
    Ok(vec![written(&entry)])
}

fn refused(message: &str) -> PlainError {
    Refusal::invalid(message).into()
}

fn broken(error: &dyn std::error::Error) -> SandboxError {
    let reason = error.to_string();
    SandboxError::Invalid {
        field: "content",
        reason,
    }
}

/// Each part that has a file's name; a path of the query is that of the only one.
async fn parts(
    files: &Files,
    path: Option<String>,
    request: Request,
) -> Result<Vec<Value>, PlainError> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| refused(&error.body_text()))?;
    let mut all = Vec::new();
    loop {
        let field = form
            .next_field()
            .await
            .map_err(|error| refused(&error.body_text()))?;
        let Some(field) = field else { break };
        let Some(named) = field.file_name().map(absolute) else {
            continue;
        };
        if path.is_some() && !all.is_empty() {
            return Err(refused("a path was given for more than one file"));
        }
        let path = path.clone().unwrap_or(named);
        let entry = part(files, &path, field).await.map_err(plain)?;
        all.push(written(&entry));
    }
    if all.is_empty() {
        return Err(refused("the form has no file"));
    }
    Ok(all)
}

/// Hands a part on as it comes: it can only be read while its form is held.
async fn part(files: &Files, path: &str, mut field: Field<'_>) -> Result<FileEntry, SandboxError> {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, SandboxError>>(WAITING);
    let content = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    let handing = async move {
        loop {
            let piece = match field.chunk().await {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => return,
                Err(error) => Err(broken(&error)),
            };
            let is_last = piece.is_err();
            // Nobody takes more: the writer's own error says why.
            if sender.send(piece).await.is_err() || is_last {
                return;
            }
        }
    };
    let (entry, ()) = tokio::join!(files.write(path, content.boxed()), handing);
    entry
}
