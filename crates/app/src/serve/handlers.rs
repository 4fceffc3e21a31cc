//! `/rpc` and `/events`: the command list and the stream of events over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::Value;
use wire::{
    command_scopes::command_scope,
    failure::{Failure, FailureCode},
    stream::{Event, StreamEvent},
    tokens::Scope,
};

use super::access::{Access, Caller};
use crate::{App, MACHINE_COMMANDS};

/// Shows a client behind a sleeping network that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A failure as an answer.
pub(super) struct Refusal(pub(super) Failure);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            FailureCode::Invalid => StatusCode::BAD_REQUEST,
            FailureCode::NotFound => StatusCode::NOT_FOUND,
            FailureCode::Busy
            | FailureCode::Changed
            | FailureCode::NotRunning
            | FailureCode::WouldRecreate
            | FailureCode::PortTaken
            | FailureCode::Cancelled => StatusCode::CONFLICT,
            FailureCode::EngineMissing | FailureCode::EngineDenied | FailureCode::Unhealthy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            FailureCode::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

/// What the handlers work with.
pub(super) type Shared = State<(App, Arc<Access>)>;

/// A command about the app.
pub(super) async fn app_rpc(
    State((app, _)): Shared,
    Extension(caller): Extension<Caller>,
    Path(command): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, &caller, None, &command, &body).await
}

/// A command about a machine.
pub(super) async fn machine_rpc(
    State((app, _)): Shared,
    Extension(caller): Extension<Caller>,
    Path((machine, command)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refusal> {
    answer(&app, &caller, Some(&machine), &command, &body).await
}

async fn answer(
    app: &App,
    caller: &Caller,
    machine: Option<&str>,
    command: &str,
    body: &[u8],
) -> Result<Json<Value>, Refusal> {
    // A command about the app is one wherever it is called.
    let about = machine.filter(|_| MACHINE_COMMANDS.contains(&command));
    caller
        .check(command, command_scope(command), about)
        .map_err(Refusal)?;
    let params = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Refusal(
                Failure::new(FailureCode::Invalid, "The request is not valid JSON")
                    .because(error.to_string()),
            )
        })?
    };
    app.rpc(machine, command, params)
        .await
        .map(Json)
        .map_err(Refusal)
}

/// Which events.
#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
    /// Only events of this kind.
    #[serde(default)]
    kind: Option<String>,
}

/// The app's one stream of events.
pub(super) async fn events(
    State((app, access)): Shared,
    Extension(caller): Extension<Caller>,
    Query(query): Query<After>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>, Refusal> {
    if let Caller::Bearer(bearer, _) = &caller {
        // One for certain machines hears those.
        let machine = bearer
            .machines
            .as_ref()
            .and_then(|machines| machines.first());
        caller
            .check("events", &Scope::Read, machine.map(String::as_str))
            .map_err(Refusal)?;
    }
    let events = app.subscribe(query.after);
    let stop = app.inner.shared.stop.clone();
    let state = (events, stop, access, caller, query.kind);
    let stream = stream::unfold(
        state,
        |(mut events, stop, access, caller, kind)| async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => None,
                    event = events.next() => event,
                }?;
                if !access.still_knows(&caller) {
                    return None;
                }
                if hears(&caller, &event) && is_of(kind.as_deref(), &event) {
                    let event = sse::Event::default().json_data(event);
                    return Some((event, (events, stop, access, caller, kind)));
                }
            }
        },
    );
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn hears(caller: &Caller, event: &StreamEvent) -> bool {
    match caller {
        Caller::Owner | Caller::Anybody => true,
        Caller::Bearer(bearer, _) => {
            let is_its_own = match &event.event {
                Event::Sandbox { happened } => happened.owner.as_ref() == Some(&bearer.name),
                Event::SandboxImage { owner, .. } => owner.as_ref() == Some(&bearer.name),
                _ => true,
            };
            is_its_own && bearer.reaches(event.machine.as_deref())
        }
    }
}

/// Whether an event is of the kind that is asked for.
fn is_of(kind: Option<&str>, event: &StreamEvent) -> bool {
    kind.is_none_or(|kind| {
        serde_json::to_value(&event.event).is_ok_and(|event| event["kind"] == kind)
    })
}

/// What no route is for.
pub(super) async fn nowhere() -> Refusal {
    Refusal(Failure::new(FailureCode::NotFound, "Not found"))
}
