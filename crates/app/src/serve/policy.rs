//! What a browser may do with an answer of ours, on every answer: errors are pages too.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// For what is no page of the UI: nothing is loaded by it, and nobody frames it.
const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// The middleware.
pub(super) async fn apply(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // The pages' own has all of it.
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(NOTHING),
        );
    }
    for (name, value) in [
        ("cross-origin-opener-policy", SAME_ORIGIN),
        ("cross-origin-resource-policy", SAME_ORIGIN),
        (
            "x-content-type-options",
            HeaderValue::from_static("nosniff"),
        ),
        ("referrer-policy", HeaderValue::from_static("no-referrer")),
    ] {
        headers.insert(HeaderName::from_static(name), value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
