//! Who is let in: our own name in `Host` and `Origin`, which stops other pages and DNS rebinding,
//! then a token.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use wire::{
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
    kernel::{ErrorAnswer, ErrorBody},
    tokens::Scope,
};

use crate::tokens::{Bearer, KnownTokens};

/// The header in which clients of E2B send their token.
const API_KEY: &str = "x-api-key";

/// What is compared against.
#[derive(Debug)]
pub(crate) struct Access {
    /// Names with ports.
    hosts: Vec<String>,
    /// Names at any port: another server may pass requests on under them.
    names: Vec<String>,
    tokens: Accepted,
}

/// Which tokens are accepted.
#[derive(Debug)]
pub(super) enum Accepted {
    /// None is asked for.
    Nobody,
    /// The one of this server's life.
    Own(String),
    /// That one, and those that were made.
    Known(String, KnownTokens),
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Somebody who may do everything.
    Owner,
    /// Somebody of whom no token is asked; may do everything too.
    Anybody,
    /// The bearer of a token that was made, and the token.
    Bearer(Bearer, String),
}

impl Caller {
    /// Refuses what the token may not do, at a machine or at the app itself.
    pub(crate) fn check(
        &self,
        what: &str,
        needed: &Scope,
        machine: Option<&str>,
    ) -> Result<(), Failure> {
        let Self::Bearer(bearer, _) = self else {
            return Ok(());
        };
        if bearer.may(needed, machine) {
            return Ok(());
        }
        let refused = |cause: String| {
            let message = format!(
                "Permission denied: the token {} doesn't allow {what}",
                bearer.name
            );
            Err(Failure::new(FailureCode::Forbidden, message).because(cause))
        };
        if bearer.reaches(machine) {
            refused(format!(
                "it doesn't have the scope {needed}, which {what} needs"
            ))
        } else {
            refused(
                "the token is limited to certain machines, and the request must name one: /machines/NAME/…".into(),
            )
        }
    }
}

impl Access {
    /// For a server at this address, which is also called by these names.
    pub(super) fn new(address: SocketAddr, names: Vec<String>, tokens: Accepted) -> Self {
        let port = address.port();
        let mut hosts = Vec::new();
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
        }
        if !address.ip().is_unspecified() {
            hosts.push(address.to_string());
        }
        Self {
            hosts,
            names,
            tokens,
        }
    }

    /// Of what decides here nothing stands there twice: whoever is in between may have read another
    /// of them than we do.
    fn is_plain(headers: &HeaderMap) -> bool {
        let deciding = [
            header::HOST,
            header::ORIGIN,
            header::AUTHORIZATION,
            header::HeaderName::from_static(API_KEY),
        ];
        deciding
            .iter()
            .all(|name| headers.get_all(name).iter().count() <= 1)
    }

    fn is_own(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &host,
        };
        self.hosts.contains(&host) || self.names.iter().any(|own| own == name || *own == host)
    }

    /// An address in the request line counts more than Host.
    fn is_own_address(&self, uri: &Uri) -> bool {
        uri.authority()
            .is_none_or(|name| self.is_own(name.as_str()))
    }

    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let text = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        text(header::HOST).is_some_and(|host| self.is_own(host))
            && text(header::ORIGIN).is_none_or(|origin| {
                // A page of another of our names is another page.
                origin
                    .strip_prefix("http://")
                    .is_some_and(|host| self.hosts.iter().any(|own| own == host))
            })
    }

    /// Who asks; `None` without a token that counts.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let (own, known) = match &self.tokens {
            Accepted::Nobody => return Some(Caller::Anybody),
            Accepted::Own(own) => (own, None),
            Accepted::Known(own, known) => (own, Some(known)),
        };
        let given = given(headers)?;
        if bool::from(given.as_bytes().ct_eq(own.as_bytes())) {
            return Some(Caller::Owner);
        }
        let bearer = known?.find(given)?;
        Some(Caller::Bearer(bearer, given.to_owned()))
    }

    /// Whether a caller may still hear what a stream of it says.
    pub(super) fn still_knows(&self, caller: &Caller) -> bool {
        match (caller, &self.tokens) {
            (Caller::Bearer(_, token), Accepted::Known(_, known)) => known.find(token).is_some(),
            _ => true,
        }
    }
}

/// The token of a request. Another scheme of `Authorization` is none: clients of E2B name a user of
/// the sandbox in one.
fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|given| given.strip_prefix("Bearer "));
    bearer.or_else(|| text(API_KEY))
}

/// A refusal, as every API of ours words it.
fn refused(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let answer = ErrorAnswer {
        error: ErrorBody {
            code,
            message: message.into(),
        },
        request_id: ulid::Ulid::generate().to_string(),
    };
    (status, Json(answer)).into_response()
}

pub(super) async fn own_page(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if !Access::is_plain(request.headers()) {
        let words = "Host, Origin, Authorization or X-API-KEY is set more than once";
        return refused(StatusCode::BAD_REQUEST, ErrorCode::RepeatedHeader, words);
    }
    if access.is_own_page(request.headers()) && access.is_own_address(request.uri()) {
        next.run(request).await
    } else {
        let words = "Host or Origin not allowed; VIVARIUM_ALLOWED_HOSTS allows more names";
        refused(StatusCode::FORBIDDEN, ErrorCode::ForeignHost, words)
    }
}

pub(super) async fn token(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(caller) = access.caller(request.headers()) {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let words = match access.tokens {
        Accepted::Own(_) => {
            "this page has no token, or an old one: open an address that vivarium serve prints (each opens one page; press Enter there for another)"
        }
        _ => {
            "missing or invalid token: send Authorization: Bearer TOKEN or X-API-KEY: TOKEN; vivarium token create makes one"
        }
    };
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let refusal = refused(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, words);
    (challenge, refusal).into_response()
}
