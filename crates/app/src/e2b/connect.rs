//! Connect's protocol with its JSON codec (connectrpc.com/docs/protocol): errors, and the envelopes
//! of its streams. Compression and protobuf are left out, which no client of E2B uses.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::{Body, BodyDataStream},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Longest message of a client: a command with its environment, or a piece of input.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;
/// What an envelope begins with: a byte of flags and four of length.
const ENVELOPE_BYTES: usize = 5;
/// Flag of a compressed message.
const COMPRESSED: u8 = 1;
/// Flag of the last envelope of a stream.
const END: u8 = 2;
/// Content type of a stream.
const STREAM: &str = "application/connect+json";

/// Why a call failed, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    Unimplemented,
    Internal,
    Unavailable,
    Unauthenticated,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// Status of an answer that isn't a stream.
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ConnectError {
    pub(super) code: Code,
    pub(super) message: String,
}

impl ConnectError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    fn body(&self) -> Value {
        json!({ "code": self.code.name(), "message": self.message })
    }
}

impl IntoResponse for ConnectError {
    fn into_response(self) -> Response {
        (self.code.status(), Json(self.body())).into_response()
    }
}

/// Reads the request of a call that isn't a stream. An empty body is an empty message.
pub(super) fn message<T: DeserializeOwned>(body: &[u8]) -> Result<T, ConnectError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| ConnectError::invalid(format!("the message can't be read: {error}")))
}

/// How long a call may take, of `Connect-Timeout-Ms`; without it, or if it is 0, there is no limit.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, ConnectError> {
    let Some(given) = headers.get("connect-timeout-ms") else {
        return Ok(None);
    };
    let read = given
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    match read {
        Some(0) => Ok(None),
        Some(millis) => Ok(Some(Duration::from_millis(millis))),
        None => Err(ConnectError::invalid("Connect-Timeout-Ms isn't a number")),
    }
}

/// One message in its envelope.
fn envelope(flags: u8, message: &impl Serialize) -> Bytes {
    let mut bytes = BytesMut::zeroed(ENVELOPE_BYTES);
    bytes[0] = flags;
    // Our own messages can all be written.
    let _ = serde_json::to_writer((&mut bytes).writer(), message);
    let length = u32::try_from(bytes.len() - ENVELOPE_BYTES).unwrap_or(u32::MAX);
    bytes[1..ENVELOPE_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes.freeze()
}

/// The last envelope of a stream.
fn end(error: Option<&ConnectError>) -> Bytes {
    match error {
        None => envelope(END, &json!({})),
        Some(error) => envelope(END, &json!({ "error": error.body() })),
    }
}

/// A stream as an answer: its messages, then how it ended. Nothing is sent after an error.
pub(super) fn stream<S, T>(messages: S) -> Response
where
    S: Stream<Item = Result<T, ConnectError>> + Send + 'static,
    T: Serialize + Send,
{
    let envelopes = futures_util::stream::unfold(Some(Box::pin(messages)), |messages| async {
        let mut messages = messages?;
        let (bytes, rest) = match messages.next().await {
            Some(Ok(message)) => (envelope(0, &message), Some(messages)),
            Some(Err(error)) => (end(Some(&error)), None),
            None => (end(None), None),
        };
        Some((Ok::<_, Infallible>(bytes), rest))
    });
    let kind = [(header::CONTENT_TYPE, STREAM)];
    (kind, Body::from_stream(envelopes)).into_response()
}

/// A stream that failed before its first message. Its status is 200 all the same: the error is in
/// the last envelope.
pub(super) fn failed_stream(error: &ConnectError) -> Response {
    ([(header::CONTENT_TYPE, STREAM)], end(Some(error))).into_response()
}

/// The answer to a stream of a client: one message.
pub(super) fn single(message: &impl Serialize) -> Response {
    let mut bytes = BytesMut::from(envelope(0, message));
    bytes.extend_from_slice(&end(None));
    ([(header::CONTENT_TYPE, STREAM)], bytes.freeze()).into_response()
}

/// The messages of a client's stream, one after the other.
pub(super) struct Messages {
    body: BodyDataStream,
    read: BytesMut,
}

impl Messages {
    pub(super) fn of(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            read: BytesMut::new(),
        }
    }

    /// The only message of a client that sends just one.
    pub(super) async fn only<T: DeserializeOwned>(mut self) -> Result<T, ConnectError> {
        let message = self.next().await?;
        message.ok_or_else(|| ConnectError::invalid("the request has no message"))
    }

    /// The next message; `None` at the stream's end.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ConnectError> {
        loop {
            if let Some(found) = self.split()? {
                return match found {
                    (flags, _) if flags & COMPRESSED != 0 => Err(ConnectError::new(
                        Code::Unimplemented,
                        "compressed messages aren't supported",
                    )),
                    (flags, _) if flags & END != 0 => Ok(None),
                    (_, bytes) => message(&bytes).map(Some),
                };
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    return Err(ConnectError::invalid(format!(
                        "the request broke off: {error}"
                    )));
                }
                None if self.read.is_empty() => return Ok(None),
                None => return Err(ConnectError::invalid("the request ends inside a message")),
            }
        }
    }

    /// Takes one whole message off what was read.
    fn split(&mut self) -> Result<Option<(u8, Bytes)>, ConnectError> {
        let Some(head) = self.read.first_chunk::<ENVELOPE_BYTES>() else {
            return Ok(None);
        };
        let [flags, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if length > MESSAGE_BYTES {
            let words = format!("a message has at most {MESSAGE_BYTES} bytes");
            return Err(ConnectError::new(Code::ResourceExhausted, words));
        }
        if self.read.len() < ENVELOPE_BYTES + length {
            return Ok(None);
        }
        self.read.advance(ENVELOPE_BYTES);
        Ok(Some((flags, self.read.split_to(length).freeze())))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn bytes_of(response: Response) -> Bytes {
        axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap()
    }

    fn pieces(bytes: &[u8], size: usize) -> Body {
        let pieces: Vec<Result<Bytes, Infallible>> = bytes
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_stream_is_envelopes_and_its_end() {
        let answer = stream(stream::iter([Ok(json!({"a": 1})), Ok(json!({}))]));
        assert_eq!(answer.headers()[header::CONTENT_TYPE], STREAM);
        let bytes = bytes_of(answer).await;
        assert_eq!(
            &bytes[..],
            b"\0\0\0\0\x07{\"a\":1}\0\0\0\0\x02{}\x02\0\0\0\x02{}"
        );
    }

    #[tokio::test]
    async fn an_error_is_the_last_envelope() {
        let error = ConnectError::new(Code::NotFound, "gone");
        let answer = stream(stream::iter([Err(error.clone()), Ok(json!({"never": 1}))]));
        let expected = br#"{"error":{"code":"not_found","message":"gone"}}"#;
        let bytes = bytes_of(answer).await;
        assert_eq!(bytes[0], END);
        assert_eq!(&bytes[ENVELOPE_BYTES..], expected);
        assert_eq!(bytes, bytes_of(failed_stream(&error)).await);
    }

    #[tokio::test]
    async fn messages_are_read_however_they_are_cut() {
        let sent = b"\0\0\0\0\x07{\"a\":1}\0\0\0\0\x00\0\0\0\0\x07{\"a\":2}";
        for size in 1..=sent.len() {
            let mut messages = Messages::of(pieces(sent, size));
            let mut found = Vec::new();
            while let Some(message) = messages.next::<Value>().await.unwrap() {
                found.push(message);
            }
            assert_eq!(
                found,
                [json!({"a": 1}), json!({}), json!({"a": 2})],
                "{size}"
            );
        }
    }

    #[tokio::test]
    async fn hostile_envelopes_are_refused() {
        for (sent, code) in [
            (&b"\0\0\0\0\x07{\"a\""[..], Code::InvalidArgument),
            (b"\0\0", Code::InvalidArgument),
            (b"\0\xff\xff\xff\xff", Code::ResourceExhausted),
            (b"\x01\0\0\0\x02{}", Code::Unimplemented),
            (b"\0\0\0\0\x02{]", Code::InvalidArgument),
        ] {
            let mut messages = Messages::of(pieces(sent, 2));
            let error = messages.next::<Value>().await.unwrap_err();
            assert_eq!(error.code, code, "{sent:?} {error}");
        }
        let nothing = Messages::of(Body::empty()).only::<Value>().await;
        assert_eq!(nothing.unwrap_err().code, Code::InvalidArgument);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("connect-timeout-ms", text.parse().unwrap());
            timeout(&headers)
        };
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
        assert_eq!(read("0"), Ok(None));
        assert_eq!(read("1500"), Ok(Some(Duration::from_millis(1500))));
        assert!(read("soon").is_err() && read("-1").is_err());
    }
}
