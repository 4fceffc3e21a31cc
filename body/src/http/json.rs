//! What a request brings: its body as JSON, whatever its `Content-Type` says; its query; the name in
//! its path. What can't be read is an error of our own shape.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A parsed body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        parsed(&bytes(request, state).await?).map(Self)
    }
}

/// A parsed body, or its default where the request has none.
pub struct MaybeBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        if bytes.is_empty() {
            Ok(Self(T::default()))
        } else {
            parsed(&bytes).map(Self)
        }
    }
}

/// A parsed query.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(params)| Self(params))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

/// The one variable part of a path.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(name)| Self(name))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!(
                "a body may have {} MiB at the most",
                super::LARGEST_BODY >> 20
            );
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        } else {
            ApiError::bad_request("the body could not be read to its end")
        }
    })
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would take a list for a struct too, by place.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let message = "the body is a list; this route takes an object";
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            message,
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() {
            "invalid_request"
        } else {
            "malformed_json"
        };
        ApiError::new(
            StatusCode::BAD_REQUEST,
            code,
            format!("the body is not what this route takes: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use wire::body::CryoRequest;

    use super::*;

    #[test]
    fn an_object_is_taken_and_nothing_else() {
        let read = |text: &str| {
            let read = parsed::<CryoRequest>(text.as_bytes());
            read.map_or_else(|error| error.into_response().status().as_u16(), |_| 200)
        };
        assert_eq!(read(" {\"name\": \"a\", \"more\": 1}"), 200);
        for text in [
            "[]",
            " [null, null]",
            "null",
            "1",
            "{",
            "{\"name\": 1}",
            "\u{feff}{}",
        ] {
            assert_eq!(read(text), 400, "{text}");
        }
    }
}
