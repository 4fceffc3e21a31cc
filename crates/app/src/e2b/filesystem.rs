//! `filesystem.Filesystem`: files and folders of a sandbox, over Connect.

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::post,
};
use futures_util::{StreamExt, future, stream};
use sandbox::{FileErrorKind, Files, SandboxError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Facade,
    connect::{self, Code, ConnectError, Messages, message},
    dispatch::At,
    entries::{change, info},
    gone::CallError,
    keepalive::{kept_alive, wanted},
    paths::{absolute, check_user_of},
    process_events::limited,
};

pub(super) fn routes() -> Router<Facade> {
    Router::new()
        .route("/filesystem.Filesystem/Stat", post(stat))
        .route("/filesystem.Filesystem/ListDir", post(list_dir))
        .route("/filesystem.Filesystem/MakeDir", post(make_dir))
        .route("/filesystem.Filesystem/Move", post(rename))
        .route("/filesystem.Filesystem/Remove", post(remove))
        .route("/filesystem.Filesystem/WatchDir", post(watch_dir))
        .route("/filesystem.Filesystem/CreateWatcher", post(create_watcher))
        .route(
            "/filesystem.Filesystem/GetWatcherEvents",
            post(get_watcher_events),
        )
        .route("/filesystem.Filesystem/RemoveWatcher", post(remove_watcher))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfPath {
    path: String,
    depth: u32,
    recursive: bool,
}

#[derive(Deserialize)]
struct Move {
    source: String,
    destination: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfWatcher {
    watcher_id: String,
}

type Answer = Result<Json<Value>, CallError>;

impl Facade {
    async fn files(&self, at: &At, headers: &HeaderMap) -> Result<Files, CallError> {
        check_user_of(headers)?;
        Ok(self.0.service.sandboxes()?.files(&at.owner, &at.id).await?)
    }
}

async fn stat(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let OfPath { path, .. } = message(&body)?;
    let entry = facade
        .files(&at, &headers)
        .await?
        .stat(&absolute(&path))
        .await?;
    Ok(Json(json!({ "entry": info(&entry) })))
}

async fn list_dir(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let OfPath { path, depth, .. } = message(&body)?;
    let entries = facade
        .files(&at, &headers)
        .await?
        .list(&absolute(&path), depth.max(1))
        .await?;
    let entries: Vec<Value> = entries.iter().map(info).collect();
    Ok(Json(json!({ "entries": entries })))
}

async fn make_dir(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let OfPath { path, .. } = message(&body)?;
    let (files, path) = (facade.files(&at, &headers).await?, absolute(&path));
    if !files.make_dir(&path).await? {
        let words = format!("directory already exists: {path}");
        return Err(ConnectError::new(Code::AlreadyExists, words).into());
    }
    let entry = files.stat(&path).await?;
    Ok(Json(json!({ "entry": info(&entry) })))
}

async fn rename(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let Move {
        source,
        destination,
    } = message(&body)?;
    let files = facade.files(&at, &headers).await?;
    let entry = files
        .rename(&absolute(&source), &absolute(&destination))
        .await?;
    Ok(Json(json!({ "entry": info(&entry) })))
}

/// What isn't there is as good as removed.
async fn remove(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let OfPath { path, .. } = message(&body)?;
    match facade
        .files(&at, &headers)
        .await?
        .remove(&absolute(&path))
        .await
    {
        Ok(())
        | Err(SandboxError::File {
            kind: FileErrorKind::NotFound,
            ..
        }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Json(json!({})))
}

async fn watch_dir(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let changes = async {
        let limit = connect::timeout(&headers)?;
        let OfPath {
            path, recursive, ..
        } = Messages::of(body).only().await?;
        let files = facade.files(&at, &headers).await?;
        Ok::<_, CallError>((files.watch(&absolute(&path), recursive).await?, limit))
    };
    let (changes, limit) = match changes.await {
        Ok(changes) => changes,
        Err(error) => return error.into_stream(),
    };
    let start = stream::once(future::ready(Ok(json!({ "start": {} }))));
    let changes = changes.filter_map(|change| {
        future::ready(match change {
            Ok(change) => told(&change).map(|event| Ok(json!({ "filesystem": event }))),
            Err(error) => Some(Err(ended(error))),
        })
    });
    let sign = || Ok(json!({ "keepalive": {} }));
    connect::stream(limited(
        kept_alive(start.chain(changes), wanted(&headers), sign),
        limit,
    ))
}

/// `filesystem.FilesystemEvent`.
fn told(happened: &wire::sandbox::FileChange) -> Option<Value> {
    let kind = change(happened.kind)?;
    Some(json!({ "name": happened.name, "type": kind }))
}

fn ended(error: SandboxError) -> ConnectError {
    match CallError::from(error) {
        CallError::Gone => ConnectError::new(Code::Unavailable, super::gone::NOT_FOUND),
        CallError::Connect(error) => error,
    }
}

async fn create_watcher(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let OfPath {
        path, recursive, ..
    } = message(&body)?;
    let changes = facade
        .files(&at, &headers)
        .await?
        .watch(&absolute(&path), recursive)
        .await?;
    let id = facade.0.watchers.add(&at.id, changes)?;
    Ok(Json(json!({ "watcherId": id })))
}

async fn get_watcher_events(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Answer {
    let OfWatcher { watcher_id } = message(&body)?;
    let changes = facade.0.watchers.take_events(&at.id, &watcher_id)?;
    let events: Vec<Value> = changes.iter().filter_map(told).collect();
    Ok(Json(json!({ "events": events })))
}

async fn remove_watcher(
    State(facade): State<Facade>,
    Extension(at): Extension<At>,
    body: Bytes,
) -> Answer {
    let OfWatcher { watcher_id } = message(&body)?;
    facade.0.watchers.remove(&at.id, &watcher_id)?;
    Ok(Json(json!({})))
}
