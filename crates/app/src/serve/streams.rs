//! Streams that end with the server: a client that listens to one must not hold up its stop.

use axum::{
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::Response,
};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

/// Content types of answers that have no end of their own.
const ENDLESS: [&str; 3] = [
    "text/event-stream",
    "application/connect+json",
    "application/x-ndjson",
];

/// The middleware.
pub(super) async fn end(
    State(stop): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !ENDLESS.iter().any(|endless| kind.starts_with(endless)) {
        return response;
    }
    response.map(|body| {
        let pieces = body.into_data_stream();
        Body::from_stream(pieces.take_until(stop.cancelled_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{Router, middleware, routing::get};
    use bytes::Bytes;
    use futures_util::stream;
    use tower_service::Service as _;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_when_the_server_stops_and_a_file_doesn_t() {
        let answer = |kind: &'static str| async move {
            let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
            let body = Body::from_stream(first.chain(stream::pending()));
            ([(header::CONTENT_TYPE, kind)], body)
        };
        let stop = CancellationToken::new();
        let mut router = Router::new()
            .route("/stream", get(move || answer("application/connect+json")))
            .route("/file", get(|| async { "whole" }))
            .layer(middleware::from_fn_with_state(stop.clone(), end));
        let ask = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let streaming = router.call(ask("/stream")).await.unwrap();
        stop.cancel();
        let all = axum::body::to_bytes(streaming.into_body(), 100).await;
        assert!(all.unwrap().len() <= 5);
        let file = router.call(ask("/file")).await.unwrap();
        let file = axum::body::to_bytes(file.into_body(), 100).await.unwrap();
        assert_eq!(file, "whole");
    }
}
