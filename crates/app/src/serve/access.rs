//! Who is let in: our own name in `Host` and `Origin`, which stops other pages and DNS rebinding,
//! then the token.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

/// What is compared against.
#[derive(Debug)]
pub(super) struct Access {
    hosts: [String; 2],
    token: String,
}

impl Access {
    /// For a server on this loopback port.
    pub(super) fn new(port: u16, token: String) -> Self {
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        Self { hosts, token }
    }

    /// Of what decides here nothing stands there twice: whoever is in between may have read another
    /// of them than we do.
    fn is_plain(headers: &HeaderMap) -> bool {
        let deciding = [header::HOST, header::ORIGIN, header::AUTHORIZATION];
        deciding
            .iter()
            .all(|name| headers.get_all(name).iter().count() <= 1)
    }

    /// An address in the request line counts more than Host.
    fn is_own_address(&self, uri: &Uri) -> bool {
        uri.authority()
            .is_none_or(|name| self.hosts.iter().any(|host| host == name.as_str()))
    }

    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let text = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        let own = |host: &str| self.hosts.iter().any(|one| one == host);
        text(header::HOST).is_some_and(own)
            && text(header::ORIGIN)
                .is_none_or(|origin| origin.strip_prefix("http://").is_some_and(own))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .is_some_and(|token| bool::from(token.as_bytes().ct_eq(self.token.as_bytes())))
    }
}

pub(super) async fn own_page(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if !Access::is_plain(request.headers()) {
        let words = "Host, Origin or Authorization is set more than once.\n";
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    if access.is_own_page(request.headers()) && access.is_own_address(request.uri()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "Host or Origin not allowed.\n").into_response()
    }
}

pub(super) async fn token(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if access.has_token(request.headers()) {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        (
            StatusCode::UNAUTHORIZED,
            challenge,
            "Token missing or expired. Open the address that vivarium serve prints. Each address works once: press Enter there for a new one.\n",
        )
            .into_response()
    }
}
