//! The access rules: first Host and Origin, against web pages and DNS rebinding,
//! then the bearer token: the machine's own, which may do everything, or one of those that its owner
//! made, which may do what its scopes say.

mod admission;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use wire::{error_code::ErrorCode, job::JobOwner, tokens::TOKEN_FILE};

use self::admission::{Admission, ends_with_token, out_of_scope};
use super::{
    error::ApiError,
    scopes::{Line, Needed, needed},
    tokens::Tokens,
};

/// Who may ask.
pub struct Access {
    hosts: HashSet<String>,
    origins: HashSet<String>,
    /// The machine's own; `None` where the owner turned it off.
    token: Option<String>,
    /// Those that its owner made.
    tokens: Tokens,
}

/// The access rules before a router.
#[derive(Clone)]
pub struct Guard {
    pub access: Arc<Access>,
    /// Which scope each of its routes needs.
    pub table: &'static [Line],
}

impl Access {
    /// Reads the rules; makes and prints a token where none is given.
    pub fn from_environment(port: u16) -> Self {
        let list = |name: &str| -> Vec<String> {
            let text = std::env::var(name).unwrap_or_default();
            text.split(',')
                .map(|part| part.trim().to_lowercase())
                .filter(|part| !part.is_empty())
                .collect()
        };
        let mut hosts: HashSet<String> = list("OS_ALLOWED_HOSTS").into_iter().collect();
        hosts.extend(["localhost".to_owned(), "host.docker.internal".to_owned()]);
        if let Ok(name) = nix::unistd::gethostname() {
            hosts.insert(name.to_string_lossy().to_lowercase());
        }
        let token = match crate::secrets::find_or_make("OS_TOKEN", 32) {
            (word, _) if word == "off" => {
                tracing::warn!("OS_TOKEN is off: whoever reaches the port may use this machine");
                None
            }
            (token, made) => {
                if made {
                    println!(
                        "No token was set. This one is valid until the next boot: http://127.0.0.1:{port}/?token={token}"
                    );
                }
                Some(token)
            }
        };
        Self {
            hosts,
            origins: list("OS_ALLOWED_ORIGINS").into_iter().collect(),
            token,
            tokens: Tokens::of(crate::paths::mounted_secrets_dir().join(TOKEN_FILE)),
        }
    }

    /// For tests: this machine's own names, no Origin, this token.
    #[cfg(test)]
    pub fn of_tests(token: &str) -> Self {
        Self {
            hosts: HashSet::new(),
            origins: HashSet::new(),
            token: Some(token.to_owned()),
            tokens: Tokens::of("/nonexistent/tokens.json".into()),
        }
    }

    /// The same, with tokens of this file beside it.
    #[cfg(test)]
    pub fn of_tests_with(token: &str, tokens: std::path::PathBuf) -> Self {
        Self {
            tokens: Tokens::of(tokens),
            ..Self::of_tests(token)
        }
    }

    /// Lets a request in, or says why not.
    fn admit(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        needed: &Needed,
    ) -> Result<Admission, ApiError> {
        if let Some(name) = repeated(headers) {
            let message = format!("the header {name} is set more than once");
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::RepeatedHeader,
                message,
            ));
        }
        // An address in the request line counts more than Host.
        let named = uri.authority().map(|authority| authority.as_str());
        if !self.is_asked_by_own_name(headers) || named.is_some_and(|name| !self.is_own_host(name))
        {
            let message = "Host header not allowed; add it to OS_ALLOWED_HOSTS";
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::ForeignHost,
                message,
            ));
        }
        if headers.contains_key(header::ORIGIN) && self.allowed_origin(headers).is_none() {
            let message = "Origin header not allowed; add it to OS_ALLOWED_ORIGINS";
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::ForeignOrigin,
                message,
            ));
        }
        if is_open(uri.path()) {
            return Ok(Admission::Lasting);
        }
        let Some(token) = &self.token else {
            return Ok(Admission::Lasting);
        };
        let given = bearer(headers)
            .map(str::to_owned)
            .or_else(|| query_token(uri, headers));
        if let Some(given) = given {
            if bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
                return Ok(Admission::Lasting);
            }
            if let Some(record) = self.tokens.find(&given) {
                return match out_of_scope(&record, needed) {
                    Some(refusal) => Err(refusal),
                    None => Ok(Admission::While {
                        token: given,
                        name: record.name,
                    }),
                };
            }
        }
        let message = "missing or invalid token: send Authorization: Bearer <token>";
        Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            ErrorCode::Unauthorized,
            message,
        ))
    }

    /// The page's Origin, where it is one of those that may use this machine.
    fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_lowercase();
        self.origins.contains(&text).then_some(origin)
    }

    fn is_asked_by_own_name(&self, headers: &HeaderMap) -> bool {
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok());
        host.is_some_and(|host| self.is_own_host(host))
    }

    fn is_own_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
            || self.hosts.contains(&name.to_lowercase())
    }
}

/// A header that decides who is let in, and stands there more than once: whoever is in between may
/// have read another of them than we do.
fn repeated(headers: &HeaderMap) -> Option<header::HeaderName> {
    let deciding = [header::HOST, header::ORIGIN, header::AUTHORIZATION];
    deciding
        .into_iter()
        .find(|name| headers.get_all(name).iter().count() > 1)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"))
        .then(|| token.trim())
}

/// Event streams and WebSockets can't set headers in a browser, and MCP clients often take an
/// address alone: they may pass `?token=`.
fn query_token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Given {
        token: String,
    }
    let streams = is_web_socket(headers)
        || ["/events", "/mcp", "/sse", "/message"]
            .iter()
            .any(|end| uri.path().ends_with(end))
        || super::cells::wants_stream(headers);
    if !streams {
        return None;
    }
    let given = Query::<Given>::try_from_uri(uri).ok()?;
    Some(given.0.token)
}

fn is_web_socket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Routes that need no token: they say that somebody is there, and nothing else.
pub fn is_open(path: &str) -> bool {
    matches!(path, "/ping" | "/health")
}

/// The middleware.
pub async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let access = guard.access;
    let needed = needed(guard.table, &mut request).await;
    let origin = access.allowed_origin(request.headers()).cloned();
    let mut response = match origin {
        Some(_)
            if is_preflight(&request)
                && repeated(request.headers()).is_none()
                && access.is_asked_by_own_name(request.headers()) =>
        {
            preflight(request.headers())
        }
        _ => match access.admit(request.uri(), request.headers(), &needed) {
            Err(error) => error.into_response(),
            Ok(Admission::Lasting) => {
                request.extensions_mut().insert(JobOwner::Person);
                next.run(request).await
            }
            Ok(Admission::While { token, name }) => {
                request.extensions_mut().insert(JobOwner::Token { name });
                let response = next.run(request).await;
                ends_with_token(response, Arc::clone(&access), token)
            }
        },
    };
    if let Some(origin) = origin {
        // Without it a browser would keep the answer from the page.
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// A browser asks before it sends a token for a page; the question itself carries none.
/// <https://fetch.spec.whatwg.org/#http-cors-protocol>
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (question, answer) in [
        (
            header::ACCESS_CONTROL_REQUEST_METHOD,
            header::ACCESS_CONTROL_ALLOW_METHODS,
        ),
        (
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
        ),
    ] {
        if let Some(value) = asked.get(question) {
            response.headers_mut().insert(answer, value.clone());
        }
    }
    response
}
