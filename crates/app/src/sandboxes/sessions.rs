//! `/sessions`: sandboxes are made, listed, paused, copied and removed.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::sandbox::{CreateRequest, NetworkRequest, SandboxCreated, SandboxView, TimeoutRequest};

use super::{
    Asking, Refusal, Service, pieces,
    request::{Asked, Given, Session},
};

/// Longest `Idempotency-Key`.
const KEY_BYTES: usize = 255;

/// Answer of `GET /sessions`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Sessions {
    /// Newest first.
    sessions: Vec<SandboxView>,
}

/// A sentence for a person.
#[derive(Serialize, JsonSchema)]
pub(super) struct Message {
    message: String,
}

/// Answer of what may have been so before.
#[derive(Serialize, JsonSchema)]
pub(super) struct Changed {
    /// Whether it is different now.
    changed: bool,
    message: String,
}

/// `POST /sessions/{id}/fork`.
#[derive(Deserialize, JsonSchema, Default)]
pub(super) struct Fork {
    /// Seconds until the copy ends; as for a new sandbox if it is left out.
    #[serde(default)]
    ttl_s: Option<f64>,
}

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if (1..=KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::invalid(format!(
            "Idempotency-Key has 1 to {KEY_BYTES} printable characters"
        ))),
    }
}

pub(super) async fn create(
    State(service): State<Service>,
    Asking(owner): Asking,
    network: super::service::DefaultNetwork,
    headers: HeaderMap,
    Given(mut request): Given<CreateRequest>,
) -> Result<Response, Refusal> {
    let key = idempotency_key(&headers)?;
    if request.network.is_none() {
        request.network = network.0.map(NetworkRequest::Mode);
    }
    let made = service.create(&owner, request, key).await?;
    let sandbox_id = made.sandbox_id;
    let place = [(header::LOCATION, format!("/sessions/{sandbox_id}"))];
    let answer = Json(SandboxCreated { sandbox_id });
    Ok((StatusCode::CREATED, place, answer).into_response())
}

pub(super) async fn list(
    State(service): State<Service>,
    Asking(owner): Asking,
) -> Result<Json<Sessions>, Refusal> {
    let sessions = service.sandboxes()?.list(&owner);
    Ok(Json(Sessions { sessions }))
}

pub(super) async fn get(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<SandboxView>, Refusal> {
    Ok(Json(service.sandboxes()?.get(&owner, &id).await?))
}

/// One that is gone is no error.
pub(super) async fn remove(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<Message>, Refusal> {
    let removed = match service.sandboxes()?.remove(&owner, &id).await {
        Err(sandbox::SandboxError::NotFound(_)) => false,
        removed => removed?,
    };
    let message = if removed {
        format!("Sandbox {id} was removed.")
    } else {
        format!("There is no sandbox {id}.")
    };
    Ok(Json(Message { message }))
}

pub(super) async fn pause(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<Changed>, Refusal> {
    let changed = service.sandboxes()?.pause(&owner, &id).await?;
    let message = "Paused. Its memory is kept until the container engine stops.".into();
    Ok(Json(Changed { changed, message }))
}

pub(super) async fn resume(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Json<Changed>, Refusal> {
    let changed = service.sandboxes()?.resume(&owner, &id).await?;
    let message = "Running.".into();
    Ok(Json(Changed { changed, message }))
}

pub(super) async fn timeout(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Given(TimeoutRequest { ttl_s }): Given<TimeoutRequest>,
) -> Result<Json<SandboxView>, Refusal> {
    let ttl = seconds(ttl_s, "ttl_s")?;
    Ok(Json(
        service.sandboxes()?.set_timeout(&owner, &id, ttl).await?,
    ))
}

/// Seconds of a request.
pub(crate) fn seconds(seconds: f64, field: &str) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Refusal::invalid(format!("invalid {field}: {error}")))
}

pub(super) async fn snapshot(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
) -> Result<Response, Refusal> {
    let archive = service.sandboxes()?.snapshot(&owner, &id).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"sandbox-{id}.tar\""),
        ),
    ];
    Ok((headers, Body::from_stream(archive)).into_response())
}

pub(super) async fn restore(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    body: Body,
) -> Result<Json<Message>, Refusal> {
    let archive = pieces(body).boxed();
    service.sandboxes()?.restore(&owner, &id, archive).await?;
    let message = "The archive was unpacked.".into();
    Ok(Json(Message { message }))
}

pub(super) async fn fork(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Given(Fork { ttl_s }): Given<Fork>,
) -> Result<Response, Refusal> {
    let ttl = ttl_s.map(|ttl_s| seconds(ttl_s, "ttl_s")).transpose()?;
    let sandboxes = service.sandboxes()?;
    let made = sandboxes.fork(&owner, &id).await?;
    if let Some(ttl) = ttl
        && let Err(error) = sandboxes.set_timeout(&owner, &made.sandbox_id, ttl).await
    {
        sandboxes.remove(&owner, &made.sandbox_id).await?;
        return Err(error.into());
    }
    let sandbox_id = made.sandbox_id;
    Ok((StatusCode::CREATED, Json(SandboxCreated { sandbox_id })).into_response())
}

/// `PUT …/network` and `GET …/network/log` come with network rules.
pub(super) async fn network() -> Refusal {
    Refusal::not_supported(
        "network rules aren't supported yet: a sandbox keeps the network it was created with (none, isolated or internet)",
    )
}

/// Which events.
#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    pub(super) after: u64,
    /// `base64` for bytes as they are.
    #[serde(default)]
    pub(super) encoding: Option<String>,
}

impl Which {
    pub(super) fn encoding(&self) -> Result<super::output::Encoding, Refusal> {
        super::output::Encoding::of(self.encoding.as_deref())
    }
}

pub(super) type Events = Asked<Which>;
