//! Routes about the machine itself: whether it is well, its services, what changes.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;
use wire::body::{
    Change, Completed, CriuStatus, KernelChoice, LogPage, PingAnswer, ServiceList, StatusAnswer,
    Takeover, TakeoverRequest,
};
use wire::{error_code::ErrorCode, routes::LogQuery};

use super::{
    Parts,
    cells::named,
    error::ApiError,
    json::{Body, Name, Params},
    kernels::COMPLETED,
};
use crate::supervisor::logs;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A service has so long to end and be ready again.
const RESTART: Duration = Duration::from_secs(30);

/// Why no kernel's process is frozen.
const NO_CRIU: &str = "freezing a kernel's process is not supported yet; use POST /cryo/store and \
                       POST /cryo/reload to keep its variables";

/// `GET /ping`: `ok` only when the main kernel takes cells, and responds.
pub async fn ping(State(parts): State<Parts>) -> Result<Json<PingAnswer>, ApiError> {
    if let Some(problem) = parts.kernels.main().silence() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::KernelUnresponsive,
            problem,
        ));
    }
    if parts.kernels.main().is_ready() {
        Ok(Json(PingAnswer {
            status: "ok".to_owned(),
            version: wire::VERSION.to_owned(),
        }))
    } else {
        let message = "the main kernel is not accepting cells yet";
        Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::KernelStarting,
            message,
        ))
    }
}

/// `GET /status`.
pub async fn status(
    State(parts): State<Parts>,
    Params(choice): Params<KernelChoice>,
) -> Result<Json<StatusAnswer>, ApiError> {
    let kernel = parts.kernels.get(choice.kernel.as_deref())?;
    let asked = tokio::time::timeout(Duration::from_secs(1), kernel.status()).await;
    let status = asked.ok().flatten();
    Ok(Json(StatusAnswer {
        exec_count: status.as_ref().map_or(0, |status| status.exec_count),
        globals_count: status.as_ref().map_or(0, |status| status.globals_count),
        busy: kernel.waiting() > 0,
        ready: kernel.is_ready(),
        version: wire::VERSION.to_owned(),
    }))
}

/// `GET /services`.
pub async fn services(State(parts): State<Parts>) -> Json<ServiceList> {
    let mut services = parts.keeper.status();
    services.extend(parts.mcp.services());
    Json(ServiceList { services })
}

/// `POST /services/{name}/restart`.
pub async fn restart(
    State(parts): State<Parts>,
    Name(name): Name,
) -> Result<Json<Completed>, ApiError> {
    if let Some(restarted) = parts.mcp.restart_service(&name).await {
        return restarted.map(|()| COMPLETED).map_err(|error| {
            let (status, problem) = (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
            ApiError::new(status, ErrorCode::ServiceStarting, problem)
        });
    }
    let restarted = async {
        match parts.kernels.of_service(&name) {
            Some(kernel) => parts.kernels.restart(kernel).await.is_ok(),
            None => parts.keeper.restart(&name).await,
        }
    };
    match tokio::time::timeout(RESTART, restarted).await {
        Ok(true) => Ok(COMPLETED),
        Ok(false) => Err(no_service(&name)),
        Err(_) => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServiceStarting,
            format!("{name} is not ready yet; see its log"),
        )),
    }
}

/// `GET /services/{name}/logs?after=&follow=`.
pub async fn logs(
    State(parts): State<Parts>,
    Name(name): Name,
    Params(from): Params<LogQuery>,
) -> Result<Response, ApiError> {
    if !parts.keeper.has(&name) && !parts.mcp.has_service(&name) {
        return Err(no_service(&name));
    }
    if !from.follow {
        return Ok(Json(page(&name, from.after)?).into_response());
    }
    let pages = stream::unfold((name, from.after), |(name, after)| async move {
        loop {
            let page = page(&name, after).ok()?;
            if !page.text.is_empty() {
                let next = page.next;
                return Some((named("log", Some(next), &page), (name, next)));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    Ok(until_the_end(parts, pages).into_response())
}

/// `GET /events`.
pub async fn events(State(parts): State<Parts>) -> Response {
    let listener = parts.changes.listen();
    let changes = stream::unfold((listener, 1_u64), |(mut listener, seq)| async move {
        let change = match listener.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(count)) => Change::Missed { count },
            Err(RecvError::Closed) => return None,
        };
        Some((named("change", Some(seq), &change), (listener, seq + 1)))
    });
    until_the_end(parts, changes).into_response()
}

/// `GET /takeover`.
pub async fn takeover(State(parts): State<Parts>) -> Json<Takeover> {
    Json(parts.takeovers.get())
}

/// `POST /takeover`.
pub async fn take_over(
    State(parts): State<Parts>,
    Body(request): Body<TakeoverRequest>,
) -> Result<Json<Takeover>, ApiError> {
    let (takeover, changed) = parts.takeovers.set(request).map_err(|error| {
        let message = format!("it could not be saved: {error}");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            message,
        )
    })?;
    if changed {
        let takeover = takeover.clone();
        parts.changes.tell(|| Change::Takeover { takeover });
    }
    Ok(Json(takeover))
}

/// `GET /criu/status`.
pub async fn criu() -> Json<CriuStatus> {
    let asked = tokio::process::Command::new("criu")
        .arg("--version")
        .output()
        .await;
    let version = asked.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.lines().next()?.strip_prefix("Version: ")?.to_owned())
    });
    Json(CriuStatus {
        available: false,
        version,
        reason: Some(NO_CRIU.to_owned()),
    })
}

/// `POST /criu/checkpoint` and `POST /criu/restore`: which say why not, and what to use instead.
pub async fn no_criu() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, ErrorCode::CriuUnavailable, NO_CRIU)
}

/// An event stream that ends with the machine: else it would hold up its end.
fn until_the_end(
    parts: Parts,
    events: impl Stream<Item = Result<SseEvent, Infallible>> + Send + 'static,
) -> impl IntoResponse {
    use futures_util::StreamExt;
    let end = async move { parts.stop.cancelled().await };
    Sse::new(events.take_until(Box::pin(end))).keep_alive(KeepAlive::default())
}

fn page(name: &str, after: u64) -> Result<LogPage, ApiError> {
    logs::page(name, after).map_err(|error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            format!("could not read the log of {name}: {error}"),
        )
    })
}

fn no_service(name: &str) -> ApiError {
    ApiError::not_found(format!("service {name:?} not found"))
}
