//! The access rules: first Host and Origin, against web pages and DNS rebinding,
//! then the bearer token.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::error::ApiError;

/// Who may ask.
pub struct Access {
    hosts: HashSet<String>,
    origins: HashSet<String>,
    /// `None` where the owner turned it off.
    token: Option<String>,
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
        let token = match crate::secrets::find("OS_TOKEN") {
            Some(word) if word == "off" => {
                tracing::warn!("OS_TOKEN is off: whoever reaches the port may use this machine");
                None
            }
            Some(token) => Some(token),
            None => {
                let token = crate::secrets::make(32);
                println!(
                    "No token was given. This one is good until the next boot: http://127.0.0.1:{port}/?token={token}"
                );
                Some(token)
            }
        };
        Self {
            hosts,
            origins: list("OS_ALLOWED_ORIGINS").into_iter().collect(),
            token,
        }
    }

    /// For tests: this machine's own names, no Origin, this token.
    #[cfg(test)]
    pub fn of_tests(token: &str) -> Self {
        Self {
            hosts: HashSet::new(),
            origins: HashSet::new(),
            token: Some(token.to_owned()),
        }
    }

    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<ApiError> {
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok());
        if !host.is_some_and(|host| self.is_own_host(host)) {
            let message = "this Host is none of this machine's names; OS_ALLOWED_HOSTS adds more";
            return Some(ApiError::new(
                StatusCode::FORBIDDEN,
                "foreign_host",
                message,
            ));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let allowed = origin
                .to_str()
                .is_ok_and(|origin| self.origins.contains(&origin.to_lowercase()));
            if !allowed {
                let message = "web pages of this Origin may not use this machine; OS_ALLOWED_ORIGINS adds some";
                return Some(ApiError::new(
                    StatusCode::FORBIDDEN,
                    "foreign_origin",
                    message,
                ));
            }
        }
        if uri.path() == "/ping" {
            return None;
        }
        let token = self.token.as_ref()?;
        let given = bearer(headers).or_else(|| query_token(uri, headers));
        if given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
            return None;
        }
        let message = "a valid token is needed: Authorization: Bearer <token>";
        Some(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            message,
        ))
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

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"))
        .then(|| token.trim())
}

/// Event streams and WebSockets can't set headers in a browser, and MCP clients often take an
/// address alone: they may pass `?token=`.
fn query_token<'a>(uri: &'a Uri, headers: &HeaderMap) -> Option<&'a str> {
    let streams = headers.contains_key(header::UPGRADE)
        || ["/events", "/mcp", "/sse", "/message"]
            .iter()
            .any(|end| uri.path().ends_with(end))
        || super::cells::wants_stream(headers);
    if !streams {
        return None;
    }
    uri.query()?
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
}

/// Compares in a time that tells nothing but the length.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// The middleware.
pub async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.refusal(request.uri(), request.headers()) {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            hosts: ["localhost".to_owned()].into(),
            origins: ["https://mine.example".to_owned()].into(),
            token: Some("secret".to_owned()),
        }
    }

    fn code(path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                header::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        let refusal = access().refusal(&path.parse().unwrap(), &map);
        refusal.map_or(200, |error| error.into_response().status().as_u16())
    }

    #[test]
    fn host_and_origin_come_before_the_token() {
        let own = ("host", "127.0.0.1:8080");
        let good = ("authorization", "Bearer secret");
        assert_eq!(code("/exec", &[own, good]), 200);
        assert_eq!(
            code(
                "/exec",
                &[("host", "LOCALHOST"), ("authorization", "token secret")]
            ),
            200
        );
        assert_eq!(code("/exec", &[("host", "[::1]:8080"), good]), 200);
        assert_eq!(code("/exec", &[("host", "evil.example"), good]), 403);
        assert_eq!(code("/exec", &[good]), 403);
        assert_eq!(code("/ping", &[own]), 200);
        assert_eq!(code("/ping", &[("host", "127.0.0.1.evil.example")]), 403);
        assert_eq!(
            code("/exec", &[own, good, ("origin", "http://localhost")]),
            403
        );
        assert_eq!(
            code("/exec", &[own, good, ("origin", "https://mine.example")]),
            200
        );
        assert_eq!(code("/exec", &[own]), 401);
        assert_eq!(
            code("/exec", &[own, ("authorization", "Bearer secreT")]),
            401
        );
        assert_eq!(code("/exec?token=secret", &[own]), 401);
        assert_eq!(
            code("/executions/1/events?after=2&token=secret", &[own]),
            200
        );
    }
}
