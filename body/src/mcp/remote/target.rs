//! Where a server elsewhere is: its address, what every request to it carries, and what goes wrong.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{self, HeaderName, HeaderValue},
};
use parking_lot::Mutex;
use reqwest::Response;
use wire::mcp::McpServerEntry;

use super::{
    super::{
        entry::{self, EntryError, expanded},
        message::Message,
        process::variable,
        stateless,
        streamable::{SESSION, VERSION},
        upstream::{State, Upstream},
    },
    http::{Http, Unanswered},
};

/// Times that a server may send us elsewhere.
const REDIRECTS: usize = 5;

/// Which transports are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Streamable HTTP, then the older one.
    Any,
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What may go wrong.
#[derive(Debug)]
pub enum Fault {
    /// The server knows the session no more.
    Lost,
    /// It can't be reached.
    Unreachable(String),
    /// It answered with this status, and said so.
    Refused { status: u16, words: String },
    /// It answered with something else, or broke off.
    Broken(String),
}

impl Fault {
    /// As "it …" goes on.
    pub fn words(&self) -> String {
        match self {
            Self::Lost => "ended the session".to_owned(),
            Self::Unreachable(words) => format!("is unreachable: {words}"),
            Self::Refused { words, .. } | Self::Broken(words) => words.clone(),
        }
    }
}

/// A server elsewhere.
pub struct Target {
    pub kind: Kind,
    /// Changes where the server sends us on.
    address: Mutex<Uri>,
    headers: HeaderMap,
    http: Arc<Http>,
    session: OnceLock<HeaderValue>,
    /// Where messages go in the older transport.
    posts: OnceLock<Uri>,
}

impl Target {
    pub fn new(entry: &McpServerEntry, http: &Arc<Http>) -> Result<Self, EntryError> {
        let url = expanded(entry.url.as_deref().unwrap_or_default(), variable);
        let address = entry::address(&url)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &entry.headers {
            let (name, value) = entry::header(name, &expanded(value, variable))?;
            headers.insert(name, value);
        }
        Ok(Self {
            kind: match entry.kind.as_deref() {
                Some("sse") => Kind::Sse,
                Some(_) => Kind::Streamable,
                None => Kind::Any,
            },
            address: Mutex::new(address),
            headers,
            http: Arc::clone(http),
            session: OnceLock::new(),
            posts: OnceLock::new(),
        })
    }

    /// Its address without what may be secret in it.
    pub fn shown(&self) -> String {
        let address = self.address();
        let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
        format!(
            "{}://{}{}",
            part(address.scheme_str()),
            part(address.authority().map(|authority| authority.as_str())),
            address.path()
        )
    }

    pub fn address(&self) -> Uri {
        self.address.lock().clone()
    }

    /// Where messages go in the older transport; none where it is not spoken.
    pub fn posts(&self) -> Option<&Uri> {
        self.posts.get()
    }

    /// The older transport announced an address for messages: of the same origin, or none.
    pub fn announce(&self, place: &str) -> Result<(), Fault> {
        let posts = joined(&self.address(), place).ok_or_else(|| {
            Fault::Broken("announced an address for messages on another host".to_owned())
        })?;
        let _ = self.posts.set(posts);
        Ok(())
    }

    pub fn has_session(&self) -> bool {
        self.session.get().is_some()
    }

    /// The session that an answer begins.
    pub fn learn(&self, headers: &HeaderMap) {
        if let Some(session) = headers.get(SESSION) {
            let _ = self.session.set(session.clone());
        }
    }

    /// Sends a request; the head of its answer, whichever it is but a redirect.
    pub async fn send(
        &self,
        method: Method,
        upstream: Option<&Upstream>,
        body: Option<Bytes>,
        after: Option<&str>,
    ) -> Result<Response, Fault> {
        let posts = self.posts().filter(|_| method == Method::POST);
        let mut address = posts.cloned().unwrap_or_else(|| self.address());
        for _ in 0..=REDIRECTS {
            let request = self.request(&method, address.clone(), upstream, body.clone(), after)?;
            let answer = self.http.send(request).await.map_err(|error| match error {
                Unanswered::Unreachable(words) => Fault::Unreachable(words),
                Unanswered::Broken(words) => {
                    Fault::Broken(format!("closed the connection: {words}"))
                }
            })?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 307 | 308) {
                return Ok(answer);
            }
            let to = answer.headers().get(header::LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            // Headers hold secrets: they go nowhere else.
            let Some(to) = joined(&address, to) else {
                let words = "redirects to another address; enter that address instead";
                return Err(Fault::Broken(words.to_owned()));
            };
            if posts.is_none() {
                let mut known = self.address.lock();
                known.clone_from(&to);
            }
            address = to;
        }
        Err(Fault::Broken("redirects in a loop".to_owned()))
    }

    fn request(
        &self,
        method: &Method,
        address: Uri,
        upstream: Option<&Upstream>,
        body: Option<Bytes>,
        after: Option<&str>,
    ) -> Result<Request<Bytes>, Fault> {
        let request_text = body.unwrap_or_default();
        let mut request = Request::new(request_text.clone());
        *request.method_mut() = method.clone();
        *request.uri_mut() = address;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        let mut set = |name: HeaderName, value: &str| -> Result<(), Fault> {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Fault::Broken(format!("requires a {name} that can't be sent")))?;
            headers.insert(name, value);
            Ok(())
        };
        if !self.headers.contains_key(header::USER_AGENT) {
            set(
                header::USER_AGENT,
                concat!("vivarium/", env!("CARGO_PKG_VERSION")),
            )?;
        }
        let accept = match *method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        set(header::ACCEPT, accept)?;
        if *method == Method::POST {
            set(header::CONTENT_TYPE, "application/json")?;
        }
        if let Some(after) = after {
            set(HeaderName::from_static("last-event-id"), after)?;
        }
        if upstream.is_some_and(Upstream::is_stateless) {
            let message = Message::read(request_text.clone()).ok();
            for (name, value) in message.iter().flat_map(stateless::headers) {
                set(HeaderName::from_static(name), &value)?;
            }
        } else if let Some(State::Ready { hello, .. }) = upstream.map(Upstream::state) {
            set(HeaderName::from_static(VERSION), &hello.version)?;
        }
        if let Some(session) = self.session.get() {
            headers.insert(HeaderName::from_static(SESSION), session.clone());
        }
        Ok(request)
    }

    /// What only one message suffers from is told in the log; what ends the conversation goes on.
    pub fn bear(&self, upstream: &Upstream, fault: Fault) -> Result<(), Fault> {
        match fault {
            Fault::Lost | Fault::Unreachable(_) => Err(fault),
            Fault::Refused { .. } | Fault::Broken(_) => {
                tracing::debug!(server = &*upstream.core.name, problem = fault.words());
                Ok(())
            }
        }
    }

    /// Ends the session; a server may refuse that.
    pub async fn forget(&self) {
        if self.has_session() {
            let _ = self.send(Method::DELETE, None, None, None).await;
        }
    }
}

/// An address seen from another, of the same origin or of its secure twin; none where it is not.
fn joined(from: &Uri, to: &str) -> Option<Uri> {
    if to.is_empty() {
        return None;
    }
    if let Some(rest) = to.strip_prefix("//") {
        let scheme = from.scheme_str()?;
        return joined(from, &format!("{scheme}://{rest}"));
    }
    let begins = to.split(['/', '?']).next().unwrap_or_default();
    let whole: Uri = if begins.ends_with(':') {
        to.parse().ok()?
    } else {
        let path = if to.starts_with('/') {
            to.to_owned()
        } else if to.starts_with('?') {
            format!("{}{to}", from.path())
        } else {
            let folder = from
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{folder}/{to}")
        };
        let (scheme, authority) = (from.scheme_str()?, from.authority()?);
        format!("{scheme}://{authority}{path}").parse().ok()?
    };
    let port = |uri: &Uri| {
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        uri.port_u16().unwrap_or(usual)
    };
    let same = whole.scheme() == from.scheme() && port(&whole) == port(from);
    let secured = (from.scheme_str(), port(from)) == (Some("http"), 80)
        && (whole.scheme_str(), port(&whole)) == (Some("https"), 443);
    (whole.host()?.eq_ignore_ascii_case(from.host()?) && (same || secured)).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_same_origin_or_none() {
        let from: Uri = "http://a.example/x/mcp".parse().unwrap();
        let to = |to| joined(&from, to).map(|uri| uri.to_string());
        assert_eq!(to("/mcp/").as_deref(), Some("http://a.example/mcp/"));
        assert_eq!(
            to("post?s=1").as_deref(),
            Some("http://a.example/x/post?s=1")
        );
        assert_eq!(to("?s=1").as_deref(), Some("http://a.example/x/mcp?s=1"));
        assert_eq!(
            to("/post?back=http://b.example/").as_deref(),
            Some("http://a.example/post?back=http://b.example/")
        );
        assert_eq!(
            to("http://A.example:80/y").as_deref(),
            Some("http://A.example:80/y")
        );
        assert_eq!(
            to("https://a.example/y").as_deref(),
            Some("https://a.example/y")
        );
        for elsewhere in [
            "",
            "//b.example/",
            "http://b.example/",
            "http://a.example:81/",
            "https://a.example:81/",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
        let secure: Uri = "https://a.example/".parse().unwrap();
        assert_eq!(joined(&secure, "http://a.example/"), None);
    }
}
