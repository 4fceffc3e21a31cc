//! What handlers take of a request: who asks, and its body and query, refused in our own words.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use sandbox::Owner;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use wire::{error_code::ErrorCode, sandbox::SandboxId};

use super::Refusal;
use crate::serve::Caller;

/// Whose sandboxes a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Asking(pub(crate) Owner);

impl Asking {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self(match caller {
            Caller::Owner | Caller::Anybody => Owner::Person,
            Caller::Bearer(bearer, _) => Owner::Token(bearer.name.clone()),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // The layer above lets nobody in without one.
        let caller = parts.extensions.get::<Caller>();
        caller.map(Self::of).ok_or_else(|| {
            let words = "missing or invalid token";
            Refusal::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, words)
        })
    }
}

/// The sandbox that the path names.
#[derive(Clone, Debug)]
pub(crate) struct Session(pub(crate) SandboxId);

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let named = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let named = named.ok().and_then(|Path(mut named)| named.remove("id"));
        let text = named.unwrap_or_default();
        // What can't be an id is the id of no sandbox.
        text.parse()
            .map(Self)
            .map_err(|_| Refusal::not_found(format!("sandbox {text} not found")))
    }
}

/// Another part of the path.
pub(crate) async fn part<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<String, Refusal> {
    let named = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
    let named = named.ok().and_then(|Path(mut named)| named.remove(name));
    named.ok_or_else(|| Refusal::not_found("not found"))
}

/// What the path names, whatever it is: its last part that isn't a word of the route.
#[derive(Clone, Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        named
            .map(|Path(name)| Self(name))
            .map_err(|_| Refusal::not_found("not found"))
    }
}

/// The command that the path names.
#[derive(Clone, Debug)]
pub(crate) struct ExecId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ExecId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        part(parts, state, "exec_id").await.map(Self)
    }
}

/// The context that the path names.
#[derive(Clone, Debug)]
pub(crate) struct ContextId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ContextId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        part(parts, state, "context").await.map(Self)
    }
}

/// A query.
#[derive(Clone, Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Self(asked)).map_err(|error| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadRequest,
                error.body_text(),
            )
        })
    }
}

/// A JSON body, whatever its `Content-Type` says. None at all is an empty object.
#[derive(Clone, Debug)]
pub(crate) struct Given<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = whole(request, state).await?;
        json(&bytes).map(Self)
    }
}

/// A body that is taken as a whole.
pub(crate) async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state)
        .await
        .map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let words = "the request is too large";
                Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    ErrorCode::BodyTooLarge,
                    words,
                )
            }
            _ => Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::BadRequest,
                error.body_text(),
            ),
        })
}

/// Reads JSON; nothing is an empty object.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bytes: &[u8] = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    // Else a list of the fields' values would be read as well.
    if bytes.trim_ascii_start().starts_with(b"[") {
        let words = "the request has to be a JSON object";
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            words,
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let code = match error.classify() {
            Category::Data => ErrorCode::InvalidRequest,
            Category::Io | Category::Syntax | Category::Eof => ErrorCode::MalformedJson,
        };
        Refusal::new(StatusCode::BAD_REQUEST, code, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use wire::sandbox::CreateRequest;

    use super::*;

    #[test]
    fn no_body_is_an_empty_object() {
        for body in ["", " \r\n", "{}"] {
            let read = json::<CreateRequest>(body.as_bytes());
            assert_eq!(read, Ok(CreateRequest::default()), "{body:?}");
        }
        let code = |body: &str| json::<CreateRequest>(body.as_bytes()).unwrap_err().code;
        assert_eq!(code("{"), ErrorCode::MalformedJson);
        assert_eq!(code("{} x"), ErrorCode::MalformedJson);
        assert_eq!(code("[]"), ErrorCode::InvalidRequest);
        assert_eq!(code(r#"{"cpus": "one"}"#), ErrorCode::InvalidRequest);
    }
}
