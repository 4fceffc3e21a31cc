//! `/health`, `/pool`, `/metrics` and `/openapi.json`.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox::Owner;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use wire::sandbox::{PoolView, SandboxState, SandboxView};

use super::{Asking, Refusal, Service, operation, routes};

/// Answer of `GET /health`.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct HealthAnswer {
    /// `ok` if everything works, else `degraded`.
    status: &'static str,
    /// `ok`, or `unreachable`.
    engine: &'static str,
    /// `ok`, or `failed`.
    store: &'static str,
    /// What is wrong, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

fn answer(engine: Option<String>, store: Option<String>) -> HealthAnswer {
    let is_ok = engine.is_none() && store.is_none();
    HealthAnswer {
        status: if is_ok { "ok" } else { "degraded" },
        engine: if engine.is_none() {
            "ok"
        } else {
            "unreachable"
        },
        store: if store.is_none() { "ok" } else { "failed" },
        reasons: engine.into_iter().chain(store).collect(),
    }
}

/// Asked for by whoever watches over the process, without a token.
pub(super) async fn health(State(service): State<Service>) -> Response {
    let answer = match service.sandboxes() {
        Ok(sandboxes) => {
            let health = sandboxes.health().await;
            let queue = match service.queue() {
                Ok(queue) => queue.trouble().await,
                Err(refusal) => Some(refusal.message),
            };
            answer(health.engine, health.store.or(queue))
        }
        Err(refusal) => answer(None, Some(refusal.message)),
    };
    let status = match answer.status {
        "ok" => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(answer)).into_response()
}

pub(super) async fn pool(
    State(service): State<Service>,
    _: Asking,
) -> Result<Json<PoolView>, Refusal> {
    Ok(Json(service.sandboxes()?.pool()))
}

pub(super) async fn openapi(_: Asking) -> Json<Value> {
    Json(operation::document(&routes::operations()))
}

pub(super) async fn metrics(
    State(service): State<Service>,
    _: Asking,
) -> Result<Response, Refusal> {
    let sandboxes = service.sandboxes()?;
    let mut text = prometheus(&sandboxes.list(&Owner::Person), &sandboxes.pool());
    if let Ok(queue) = service.queue() {
        text += &queue.metrics().await?;
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, text).into_response())
}

/// Text for Prometheus. Sandboxes come and go, so that none has a series of its own.
fn prometheus(views: &[SandboxView], pool: &PoolView) -> String {
    let mut counts: BTreeMap<&str, usize> = ["running", "paused", "lost", "ended"]
        .into_iter()
        .map(|state| (state, 0))
        .collect();
    for view in views {
        let state = match view.state {
            SandboxState::Running => "running",
            SandboxState::Paused => "paused",
            SandboxState::Lost => "lost",
            SandboxState::Ended => "ended",
        };
        *counts.entry(state).or_default() += 1;
    }
    let used = |of: fn(&wire::sandbox::SandboxUsage) -> u64| {
        views
            .iter()
            .filter_map(|view| view.usage.as_ref())
            .map(of)
            .sum::<u64>()
    };
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let states: Vec<_> = counts
        .iter()
        .map(|(state, count)| (format!("{{state=\"{state}\"}}"), *count as u64))
        .collect();
    let alone = |value: u64| [(String::new(), value)];
    family(
        "vivarium_sandboxes",
        "gauge",
        "Sandboxes by state; ended and lost ones of the last hour.",
        &states,
    );
    family(
        "vivarium_sandbox_memory_bytes",
        "gauge",
        "Memory that sandboxes use, as last seen.",
        &alone(used(|usage| usage.memory_bytes)),
    );
    family(
        "vivarium_sandbox_disk_bytes",
        "gauge",
        "Files in sandboxes, as last seen.",
        &alone(used(|usage| usage.disk_bytes)),
    );
    family(
        "vivarium_sandbox_pids",
        "gauge",
        "Processes and threads in sandboxes, as last seen.",
        &alone(used(|usage| u64::from(usage.pids))),
    );
    family(
        "vivarium_sandbox_network_received_bytes",
        "gauge",
        "Bytes that sandboxes received over their networks, as last seen; of those counted above.",
        &alone(used(|usage| {
            usage.network_received_bytes.unwrap_or_default()
        })),
    );
    family(
        "vivarium_sandbox_network_sent_bytes",
        "gauge",
        "Bytes that sandboxes sent over their networks, as last seen; of those counted above.",
        &alone(used(|usage| usage.network_sent_bytes.unwrap_or_default())),
    );
    family(
        "vivarium_sandboxes_not_responding",
        "gauge",
        "Sandboxes whose first process is not responding.",
        &alone(views.iter().filter(|view| !view.responding).count() as u64),
    );
    family(
        "vivarium_sandbox_pool_hits_total",
        "counter",
        "Sandboxes that were ready when they were asked for.",
        &alone(pool.hits),
    );
    family(
        "vivarium_sandbox_pool_misses_total",
        "counter",
        "Sandboxes that had to be started first.",
        &alone(pool.misses),
    );
    let shapes = |of: fn(&wire::sandbox::PoolShape) -> u32| -> Vec<(String, u64)> {
        let series = pool.shapes.iter().map(|shape| {
            let image = shape
                .image
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let limits = &shape.limits;
            let network = serde_json::to_value(shape.network).unwrap_or_default();
            let labels = format!(
                "{{image=\"{image}\",memory_mb=\"{}\",cpus=\"{}\",network=\"{}\"}}",
                limits.memory_mb,
                limits.cpus,
                network.as_str().unwrap_or_default(),
            );
            (labels, u64::from(of(shape)))
        });
        series.collect()
    };
    family(
        "vivarium_sandbox_pool_ready",
        "gauge",
        "Started sandboxes that wait.",
        &shapes(|shape| shape.ready),
    );
    family(
        "vivarium_sandbox_pool_size",
        "gauge",
        "Started sandboxes that are to wait.",
        &shapes(|shape| shape.size),
    );
    text
}

#[cfg(test)]
mod tests {
    use wire::sandbox::{NetworkMode, PoolShape, SandboxLimits};

    use super::*;

    #[test]
    fn one_thing_that_fails_is_told() {
        let well = answer(None, None);
        assert_eq!((well.status, well.engine, well.store), ("ok", "ok", "ok"));
        let ill = answer(Some("no engine".into()), None);
        assert_eq!(
            (ill.status, ill.engine, ill.store),
            ("degraded", "unreachable", "ok")
        );
        assert_eq!(ill.reasons, ["no engine"]);
    }

    #[test]
    fn a_label_can_t_end_its_line() {
        let limits = SandboxLimits {
            memory_mb: 512,
            cpus: 1.5,
            pids: 1,
            disk_mb: 1,
        };
        let shape = PoolShape {
            image: "a\"b\\c\nd".into(),
            limits,
            network: NetworkMode::None,
            size: 2,
            ready: 1,
            starting: 0,
            hits: 0,
            misses: 0,
            failure: None,
        };
        let pool = PoolView {
            shapes: vec![shape],
            hits: 3,
            misses: 4,
            under_pressure: false,
        };
        let mut view = crate::e2b::tests::view("s1", 0);
        view.responding = false;
        view.usage = Some(wire::sandbox::SandboxUsage {
            network_received_bytes: Some(1500),
            network_sent_bytes: Some(700),
            ..Default::default()
        });
        let text = prometheus(&[view], &pool);
        for line in [
            "vivarium_sandbox_network_received_bytes 1500\n",
            "vivarium_sandbox_network_sent_bytes 700\n",
            "vivarium_sandboxes_not_responding 1\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let labels = r#"{image="a\"b\\c\nd",memory_mb="512",cpus="1.5",network="none"}"#;
        assert!(
            text.contains(&format!("vivarium_sandbox_pool_ready{labels} 1\n")),
            "{text}"
        );
        assert!(
            text.contains("vivarium_sandboxes{state=\"running\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("vivarium_sandbox_pool_hits_total 3\n"),
            "{text}"
        );
    }
}
