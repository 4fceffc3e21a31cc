//! `GET /metrics`: numbers in Prometheus' text format.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use wire::body::ServiceState;

use super::Parts;

/// `GET /metrics`.
pub async fn metrics(State(parts): State<Parts>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, text(&parts)).into_response()
}

fn text(parts: &Parts) -> String {
    let kernels = parts.kernels.all();
    let services = parts.keeper.status();
    let mut page = Page::default();
    page.metric("vivarium_info", "gauge", "Version of the supervisor.");
    page.line(&[("version", wire::VERSION)], 1);
    page.metric(
        "vivarium_kernel_ready",
        "gauge",
        "Whether a kernel accepts cells.",
    );
    let shown: Vec<_> = kernels
        .iter()
        .map(|kernel| (kernel, kernel.shown()))
        .collect();
    for (kernel, shown) in &shown {
        page.line(&[("kernel", &shown.name)], u64::from(kernel.is_ready()));
    }
    page.metric(
        "vivarium_kernel_cells_waiting",
        "gauge",
        "Number of queued and running cells.",
    );
    for (_, shown) in &shown {
        page.line(&[("kernel", &shown.name)], shown.waiting);
    }
    page.metric(
        "vivarium_cells_total",
        "counter",
        "Number of finished cells by status.",
    );
    for (kernel, shown) in &shown {
        for (status, count) in kernel.counts() {
            page.line(&[("kernel", &shown.name), ("status", status)], count);
        }
    }
    page.metric(
        "vivarium_service_ready",
        "gauge",
        "Whether a service is ready.",
    );
    for service in &services {
        let ready = matches!(service.state, ServiceState::Ready { .. });
        page.line(&[("service", &service.name)], u64::from(ready));
    }
    page.metric(
        "vivarium_service_restarts_total",
        "counter",
        "Number of restarts of a service.",
    );
    for service in &services {
        page.line(&[("service", &service.name)], service.restarts);
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // A string takes everything.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Names and words of ours need no escapes.
    fn line(&mut self, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let _ = writeln!(self.text, "{}{{{}}} {value}", self.name, labels.join(","));
    }
}
