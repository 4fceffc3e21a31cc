//! `/images`: an image is fetched or built before sandboxes are made of it.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use containers::CancellationToken;
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use wire::{
    failure::{Failure, FailureCode},
    machine::Progress,
};

use super::{
    Asking, Refusal, Service,
    output::{event, sse, wants_events},
    request::Given,
};

/// How much progress waits for a slow client. What is more is left out.
const WAITING: usize = 64;
/// How long an image may take.
const LONGEST: Duration = Duration::from_secs(3600);

/// `POST /images`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Pull {
    /// Name of the image; the sandboxes' own if it is left out.
    #[serde(default)]
    image: Option<String>,
}

/// Makes an image available; a client that goes away ends that.
pub(super) async fn pull(
    State(service): State<Service>,
    Asking(owner): Asking,
    headers: HeaderMap,
    Given(Pull { image }): Given<Pull>,
) -> Result<Response, Refusal> {
    let cancel = CancellationToken::new();
    let guard = cancel.clone().drop_guard();
    let (sender, receiver) = mpsc::channel(WAITING);
    let work = async move {
        // Progress that nobody reads in time is missed by nobody.
        let mut tell = |progress: Progress| drop(sender.try_send(progress));
        let made = service.make_available(&owner, image, &cancel, &mut tell);
        tokio::time::timeout(LONGEST, made)
            .await
            .unwrap_or_else(|_| {
                let words = "The image wasn't available within an hour";
                Err(Failure::new(FailureCode::Internal, words))
            })
    };
    if !wants_events(&headers) {
        let pulled = work.await;
        drop(guard);
        return match pulled {
            Ok(()) => Ok(Json(json!({ "status": "completed" })).into_response()),
            Err(failure) => Err(Refusal::failed(failure)),
        };
    }
    let progress = stream::unfold(receiver, |mut receiver| async {
        let progress = receiver.recv().await?;
        Some((event("progress", None, &json!(progress)), receiver))
    });
    let done = stream::once(work).map(move |pulled| {
        let _guard = &guard;
        let failure = pulled.err();
        event("done", None, &json!({ "failure": failure }))
    });
    Ok(sse(stream::select(progress, done)).into_response())
}
