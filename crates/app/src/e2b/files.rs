//! `/health` and `/files` of a sandbox: a file's bytes, without Connect.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
    routing::get,
};
use sandbox::Files;
use serde_json::Value;
use wire::{error_code::ErrorCode, sandbox::SandboxState};

use super::{
    Facade,
    dispatch::At,
    gone::{PlainError, plain},
    listing::pairs,
    paths::{absolute, check_user, check_user_of},
    uploads,
};
use crate::sandboxes::{Refusal, attachment};

pub(super) fn routes() -> Router<Facade> {
    // An upload may be of any length: it is never held as a whole.
    let files = get(read).post(write).layer(DefaultBodyLimit::disable());
    Router::new()
        .route("/health", get(health))
        .route("/files", files)
}

async fn health(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
) -> Result<StatusCode, PlainError> {
    let sandboxes = facade.0.service.sandboxes()?;
    let view = sandboxes.get(&at.owner, &at.id).await.map_err(plain)?;
    match view.state {
        SandboxState::Running => Ok(StatusCode::NO_CONTENT),
        _ => Err(PlainError::Gone),
    }
}

/// The path of a query, if its user is the sandbox's own.
fn path(query: Option<&str>, headers: &HeaderMap) -> Result<Option<String>, PlainError> {
    let pairs = pairs(query.unwrap_or_default());
    let given = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let checked = check_user(given("username")).and_then(|()| check_user_of(headers));
    checked.map_err(|error| {
        let code = ErrorCode::Unauthorized;
        Refusal::new(StatusCode::UNAUTHORIZED, code, error.message)
    })?;
    let path = given("path");
    Ok((!path.is_empty()).then(|| absolute(path)))
}

async fn files(facade: &Facade, at: &At) -> Result<Files, PlainError> {
    let sandboxes = facade.0.service.sandboxes()?;
    sandboxes.files(&at.owner, &at.id).await.map_err(plain)
}

async fn read(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, PlainError> {
    let path = path(uri.query(), &headers)?.ok_or_else(|| Refusal::invalid("missing path"))?;
    let files = files(&facade, &at).await?;
    let (entry, content) = files.read(&path).await.map_err(plain)?;
    Ok(attachment(&entry, content))
}

async fn write(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Vec<Value>>, PlainError> {
    let path = path(request.uri().query(), &headers)?;
    let files = files(&facade, &at).await?;
    Ok(Json(uploads::take(&files, path, &headers, request).await?))
}
