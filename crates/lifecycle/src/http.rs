//! A small HTTP/1.1 client for a machine's loopback ports: one connection per
//! request, no TLS, no redirects. Shared by the health gate and the engine.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a loopback connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The most that an answer may have: the outputs of a kernel's cells, written as JSON. It is kept
/// whole, and comes from inside.
pub const ANSWER_BYTES: usize = 128 << 20;
/// The same of an answer that says whether a machine is there, or why not.
pub const WORD_BYTES: usize = 64 << 10;

/// Why a request failed before its answer was whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nobody listens.
    #[error("could not connect to 127.0.0.1:{port}")]
    Connect {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// The answer is larger than anything that is asked for.
    #[error("the response is larger than {} MiB", limit_bytes >> 20)]
    TooLarge {
        /// The most that is taken.
        limit_bytes: usize,
    },
    /// The request could not be made.
    #[error("the request is not valid")]
    Request(#[from] hyper::http::Error),
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// An answer whose body still comes. Dropping it closes the connection.
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP headers.
    pub headers: HeaderMap,
    body: Incoming,
    /// Polled together with the body, so that no task of its own is needed.
    connection: Option<Connection>,
}

/// A request to a machine.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Loopback port.
    pub port: u16,
    /// Bearer token.
    pub token: Option<&'a str>,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// JSON body.
    pub body: Option<Bytes>,
    /// `Accept`.
    pub accept: &'a str,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Call<'a> {
    /// A GET without token.
    #[must_use]
    pub fn get(port: u16, path: &'a str) -> Self {
        Self {
            port,
            token: None,
            method: Method::GET,
            path,
            body: None,
            accept: "application/json",
            headers: &[],
        }
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(port: u16, path: &'a str, token: &'a str, body: Bytes) -> Self {
        Self {
            token: Some(token),
            method: Method::POST,
            body: Some(body),
            ..Self::get(port, path)
        }
    }

    /// Sends it and waits for the answer's head.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn send(self) -> Result<Answer, HttpError> {
        let port = self.port;
        let refused = |source| HttpError::Connect { port, source };
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(("127.0.0.1", port)))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(HOST, format!("127.0.0.1:{port}"))
            .header(ACCEPT, self.accept);
        if let Some(token) = self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(self.body.unwrap_or_default()))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut connection: Option<Connection> = Some(Box::pin(connection));
        let mut response = std::pin::pin!(sender.send_request(request));
        let response = loop {
            tokio::select! {
                biased;
                response = &mut response => break response?,
                ended = drive(&mut connection) => { connection = None; ended?; }
            }
        };
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            connection,
        })
    }
}

async fn drive(connection: &mut Option<Connection>) -> Result<(), hyper::Error> {
    match connection {
        Some(connection) => connection.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`HttpError::Broken`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            tokio::select! {
                biased;
                frame = self.body.frame() => match frame {
                    None => return Ok(None),
                    Some(frame) => if let Ok(data) = frame?.into_data() { return Ok(Some(data)); },
                },
                ended = drive(&mut self.connection) => { self.connection = None; ended?; }
            }
        }
    }

    /// The whole body, of [`ANSWER_BYTES`] at most.
    ///
    /// # Errors
    /// [`HttpError::Broken`], [`HttpError::TooLarge`].
    pub async fn bytes(self) -> Result<Bytes, HttpError> {
        self.bytes_up_to(ANSWER_BYTES).await
    }

    /// The whole body, of so many bytes at most.
    ///
    /// # Errors
    /// [`HttpError::Broken`], [`HttpError::TooLarge`].
    pub async fn bytes_up_to(mut self, limit_bytes: usize) -> Result<Bytes, HttpError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > limit_bytes {
                return Err(HttpError::TooLarge { limit_bytes });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// What `GET /ping` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ping {
    /// The kernel takes cells.
    Ready {
        /// Version of the body.
        version: Option<String>,
    },
    /// It does not answer, or not well.
    NotYet {
        /// What was seen.
        cause: String,
    },
}

/// Asks a machine whether its kernel takes cells; waits two seconds at most.
pub async fn ping(port: u16) -> Ping {
    let ask = async {
        let answer = Call::get(port, "/ping").send().await?;
        let status = answer.status;
        Ok::<_, HttpError>((status, answer.bytes_up_to(WORD_BYTES).await?))
    };
    let not_yet = |cause: String| Ping::NotYet { cause };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Err(_) => not_yet("GET /ping timed out after 2 s".into()),
        Ok(Err(error)) => not_yet(format!("GET /ping failed: {error}")),
        Ok(Ok((StatusCode::OK, body))) => {
            match serde_json::from_slice::<serde_json::Value>(&body) {
                Ok(body) if body["status"] == "ok" => Ping::Ready {
                    version: body["version"].as_str().map(version),
                },
                _ => not_yet("the response to GET /ping is not from a Vivarium supervisor".into()),
            }
        }
        Ok(Ok((status, _))) => not_yet(format!("GET /ping returned {status}")),
    }
}

/// A version, which is short whatever answers there.
fn version(text: &str) -> String {
    const LONGEST: usize = 64;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn serve(answer: &'static str) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn a_ready_body_tells_its_version() {
        let body = "HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n{\"status\":\"ok\",\"version\":\"0.1.0\"}";
        let port = serve(body).await;
        let found = Some("0.1.0".into());
        assert_eq!(ping(port).await, Ping::Ready { version: found });
        assert_eq!(version(&"ä".repeat(60_000)).chars().count(), 64);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_kept() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let flood = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let piece = vec![b' '; 64 << 10];
            // Until nobody reads any more.
            while stream.write_all(&piece).await.is_ok() {}
        });
        let answer = Call::get(port, "/").send().await.unwrap();
        let refused = answer.bytes_up_to(1 << 20).await;
        assert!(matches!(refused, Err(HttpError::TooLarge { .. })));
        flood.await.unwrap();
    }

    #[tokio::test]
    async fn a_body_that_is_not_ready_says_so() {
        let port = serve("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        assert!(matches!(ping(port).await, Ping::NotYet { cause } if cause.contains("503")));
    }
}
