//! The control routes: sandboxes are made, listed, found again, paused and removed.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post, put},
};
use sandbox::{Owner, SandboxError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::{
    error_code::ErrorCode,
    sandbox::{NetworkMode, SandboxId, SandboxState, SandboxView},
    tokens::Scope,
};

use super::{
    ENVD_VERSION, Facade,
    entries::time,
    gone::PlainError,
    listing::Query,
    new_sandbox::{NewSandbox, network},
};
use crate::{
    sandboxes::{Asking, Refusal, idempotency_key, json as read, seconds},
    serve::{Access, Caller},
};

/// How long a sandbox of `/v2/sandboxes` lives if its client doesn't say.
const TIMEOUT_S: u64 = 300;
/// The same of `/sandboxes`.
const OLD_TIMEOUT_S: u64 = 15;
/// The header that leads to the next page.
const NEXT: HeaderName = HeaderName::from_static("x-next-token");

type Answer = Result<Response, PlainError>;

/// Routes for those with a token, who are asked for it here.
pub(crate) fn routes(facade: Facade, access: Arc<Access>) -> Router {
    let missing = [
        "/templates",
        "/templates/{*rest}",
        "/v2/templates",
        "/v2/templates/{*rest}",
        "/v3/templates",
        "/volumes",
        "/volumes/{*rest}",
        "/snapshots",
        "/secrets",
        "/secrets/{*rest}",
        "/sandboxes/{id}/fork",
        "/sandboxes/{id}/snapshots",
        "/sandboxes/{id}/logs",
        "/v2/sandboxes/{id}/logs",
    ];
    let router = Router::new()
        .route("/v2/sandboxes", get(list).post(create))
        .route("/sandboxes", get(list).post(create_old))
        .route("/sandboxes/{id}", get(detail).delete(remove))
        .route("/sandboxes/{id}/timeout", post(timeout))
        .route("/sandboxes/{id}/refreshes", post(refresh))
        .route("/sandboxes/{id}/pause", post(pause))
        .route("/sandboxes/{id}/connect", post(connect))
        .route("/sandboxes/{id}/resume", post(connect))
        .route("/v2/sandboxes/{id}/connect", post(connect))
        .route("/sandboxes/{id}/metrics", get(metrics))
        .route("/sandboxes/{id}/network", put(set_network));
    let router = missing
        .iter()
        .fold(router, |router, path| router.route(path, any(not_there)));
    router
        .route_layer(middleware::from_fn_with_state(access, token))
        .with_state(facade)
}

/// Lets in who has a token for it: to look with `read`, for all else with `exec`.
async fn token(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = access.caller(request.headers()) else {
        let words = "missing or invalid API key: vivarium token create NAME --scope exec makes one";
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, words);
        return PlainError::from(refusal).into_response();
    };
    let needed = if request.method().is_safe() {
        Scope::Read
    } else {
        Scope::Exec
    };
    if let Err(failure) = caller.check(request.uri().path(), &needed, None) {
        return PlainError::from(Refusal::forbidden(failure)).into_response();
    }
    request.extensions_mut().insert(Asking::of(&caller).0);
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn not_there(uri: Uri) -> PlainError {
    PlainError::from(Refusal::not_supported(format!(
        "{} isn't supported: images take the place of templates (templateID is an image's name), and Vivarium has no volumes, stored snapshots or secrets of sandboxes",
        uri.path()
    )))
}

/// The words for a sandbox that isn't there.
fn missing(id: &str) -> PlainError {
    PlainError::from(Refusal::not_found(format!("sandbox {id} not found")))
}

fn id_of(text: &str) -> Result<SandboxId, PlainError> {
    text.parse().map_err(|_| missing(text))
}

/// What ended or was lost is not found.
fn of(error: SandboxError, id: &SandboxId) -> PlainError {
    match error {
        SandboxError::NotFound(_) | SandboxError::Ended { .. } | SandboxError::Lost { .. } => {
            missing(id.as_str())
        }
        error => error.into(),
    }
}

impl Facade {
    /// What a client needs to use a sandbox.
    fn opened(&self, view: &SandboxView) -> Value {
        json!({
            "sandboxID": view.sandbox_id,
            "templateID": self.template(view),
            "clientID": "vivarium",
            "envdVersion": ENVD_VERSION,
            "envdAccessToken": self.0.keys.envd_token(&view.sandbox_id),
            "trafficAccessToken": self.0.keys.traffic_token(&view.sandbox_id),
            "domain": null,
        })
    }

    /// The template by whose name a client knows an image.
    fn template(&self, view: &SandboxView) -> String {
        if view.image == self.0.service.default_image() {
            return "base".into();
        }
        view.image.clone()
    }

    /// What is seen of a sandbox.
    fn shown(&self, view: &SandboxView) -> Value {
        let state = if view.state == SandboxState::Paused {
            "paused"
        } else {
            "running"
        };
        json!({
            "sandboxID": view.sandbox_id,
            "templateID": self.template(view),
            "clientID": "vivarium",
            "startedAt": time(view.created_at_ms),
            "endAt": time(view.ends_at_ms),
            // Whole ones are all that these clients know.
            "cpuCount": view.limits.cpus.ceil().max(1.0) as u32,
            "memoryMB": view.limits.memory_mb,
            "diskSizeMB": view.limits.disk_mb,
            "state": state,
            "envdVersion": ENVD_VERSION,
            "metadata": view.metadata,
        })
    }

    /// A sandbox that is there.
    async fn living(&self, owner: &Owner, id: &SandboxId) -> Result<SandboxView, PlainError> {
        let view = self.0.service.sandboxes()?.get(owner, id).await;
        let view = view.map_err(|error| of(error, id))?;
        match view.state {
            SandboxState::Running | SandboxState::Paused => Ok(view),
            SandboxState::Lost | SandboxState::Ended => Err(missing(id.as_str())),
        }
    }

    /// Forgets what belongs to sandboxes that are gone.
    fn forget(&self, all: &[SandboxView]) {
        let is_there = |id: &SandboxId| {
            let view = all.iter().find(|view| view.sandbox_id == *id);
            view.is_some_and(|view| {
                matches!(view.state, SandboxState::Running | SandboxState::Paused)
            })
        };
        self.0.tags.keep(is_there);
        self.0.watchers.keep(is_there);
    }

    async fn create(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        body: &[u8],
        timeout_s: u64,
    ) -> Answer {
        let key = idempotency_key(headers)?;
        let mut asked: NewSandbox = read(body)?;
        asked.forget_what_its_client_adds(headers);
        let default = self.0.service.default_network(caller);
        let request = asked.request(default, timeout_s)?;
        let sandboxes = self.0.service.sandboxes()?;
        self.forget(&sandboxes.list(&Owner::Person));
        let Asking(owner) = Asking::of(caller);
        let view = self.0.service.create(&owner, request, key).await?;
        Ok((StatusCode::CREATED, Json(self.opened(&view))).into_response())
    }
}

async fn create(
    State(facade): State<Facade>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    facade.create(&caller, &headers, &body, TIMEOUT_S).await
}

async fn create_old(
    State(facade): State<Facade>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    facade.create(&caller, &headers, &body, OLD_TIMEOUT_S).await
}

async fn list(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    uri: Uri,
) -> Answer {
    let query = Query::read(uri.query().unwrap_or_default())?;
    let views = facade.0.service.sandboxes()?.list(&owner);
    let (page, next) = query.page(views, |view| facade.template(view));
    let page: Vec<Value> = page.iter().map(|view| facade.shown(view)).collect();
    Ok(match next {
        Some(next) => ([(NEXT, next)], Json(page)).into_response(),
        None => Json(page).into_response(),
    })
}

async fn detail(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let view = facade.living(&owner, &id_of(&id)?).await?;
    let mut shown = facade.shown(&view);
    shown["allowInternetAccess"] = Value::Bool(view.network == NetworkMode::Internet);
    shown["domain"] = Value::Null;
    // It opens the sandbox: nothing for those who may only look.
    if caller.check("sandboxes", &Scope::Exec, None).is_ok() {
        shown["envdAccessToken"] = Value::String(facade.0.keys.envd_token(&view.sandbox_id));
    }
    let on_timeout = serde_json::to_value(view.on_timeout).unwrap_or_default();
    shown["lifecycle"] = json!({ "onTimeout": on_timeout, "autoResume": view.auto_resume });
    Ok(Json(shown).into_response())
}

async fn remove(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
) -> Answer {
    let id = id_of(&id)?;
    let removed = facade.0.service.sandboxes()?.remove(&owner, &id).await;
    match removed.map_err(|error| of(error, &id))? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(missing(id.as_str())),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Timed {
    timeout: Option<f64>,
    duration: Option<f64>,
    memory: Option<bool>,
}

async fn timeout(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let id = id_of(&id)?;
    let Timed { timeout, .. } = read(&body)?;
    let timeout = timeout.ok_or_else(|| Refusal::invalid("missing timeout"))?;
    let ttl = seconds(timeout, "timeout")?;
    let set = facade
        .0
        .service
        .sandboxes()?
        .set_timeout(&owner, &id, ttl)
        .await;
    set.map_err(|error| of(error, &id))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lets it live at least so long from now on.
async fn longer(
    facade: &Facade,
    owner: &Owner,
    view: SandboxView,
    timeout_s: f64,
) -> Result<SandboxView, PlainError> {
    let ttl = seconds(timeout_s, "timeout")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let left_ms = u128::from(view.ends_at_ms).saturating_sub(now.unwrap_or_default().as_millis());
    if ttl.as_millis() <= left_ms {
        return Ok(view);
    }
    let set = facade
        .0
        .service
        .sandboxes()?
        .set_timeout(owner, &view.sandbox_id, ttl)
        .await;
    set.map_err(|error| of(error, &view.sandbox_id))
}

async fn refresh(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let view = facade.living(&owner, &id_of(&id)?).await?;
    let Timed { duration, .. } = read(&body)?;
    longer(
        &facade,
        &owner,
        view,
        duration.unwrap_or(OLD_TIMEOUT_S as f64),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn pause(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let id = id_of(&id)?;
    let Timed { memory, .. } = read(&body)?;
    if memory == Some(false) {
        let words = "a pause that keeps only files isn't supported: a pause keeps the memory, until the container engine stops";
        return Err(Refusal::not_supported(words).into());
    }
    let paused = facade.0.service.sandboxes()?.pause(&owner, &id).await;
    match paused.map_err(|error| of(error, &id))? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => {
            let words = format!("sandbox {id} is already paused");
            Err(Refusal::new(StatusCode::CONFLICT, ErrorCode::SandboxPaused, words).into())
        }
    }
}

/// Finds a sandbox again, and resumes it if it is paused: 201 then.
async fn connect(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let view = facade.living(&owner, &id_of(&id)?).await?;
    let Timed {
        timeout, memory, ..
    } = read(&body)?;
    if memory == Some(false) && view.state == SandboxState::Paused {
        let words = "a reboot of a paused sandbox isn't supported: its memory is kept";
        return Err(Refusal::not_supported(words).into());
    }
    let resumed = match view.state {
        SandboxState::Paused => {
            let resumed = facade
                .0
                .service
                .sandboxes()?
                .resume(&owner, &view.sandbox_id)
                .await;
            resumed.map_err(|error| of(error, &view.sandbox_id))?
        }
        _ => false,
    };
    let view = longer(&facade, &owner, view, timeout.unwrap_or(TIMEOUT_S as f64)).await?;
    let status = if resumed {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(facade.opened(&view))).into_response())
}

/// What it uses now: one point in time.
async fn metrics(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
) -> Answer {
    let view = facade.living(&owner, &id_of(&id)?).await?;
    let points: Vec<Value> = view.usage.iter().map(|usage| point(&view, usage)).collect();
    Ok(Json(points).into_response())
}

fn point(view: &SandboxView, usage: &wire::sandbox::SandboxUsage) -> Value {
    let now = jiff::Timestamp::now();
    let bytes = |mebibytes: u32| u64::from(mebibytes) << 20;
    json!({
        "timestamp": now.to_string(),
        "timestampUnix": now.as_second(),
        "cpuCount": view.limits.cpus.ceil().max(1.0) as u32,
        "cpuUsedPct": usage.cpu_percent.unwrap_or(0.0),
        "memUsed": usage.memory_bytes,
        "memTotal": bytes(view.limits.memory_mb),
        "memCache": 0,
        "diskUsed": usage.disk_bytes,
        "diskTotal": bytes(view.limits.disk_mb),
    })
}

/// Only what is so already.
async fn set_network(
    State(facade): State<Facade>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let view = facade.living(&owner, &id_of(&id)?).await?;
    let config: Map<String, Value> = read(&body)?;
    match network(Some(&config))? {
        Some(mode) if mode == view.network => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Err(Refusal::not_supported(
            "a sandbox keeps the network it was created with: network rules aren't supported yet",
        )
        .into()),
    }
}
