//! What a request brings: its body as JSON, whatever its `Content-Type` says; its query; the name in
//! its path. What can't be read is an error of our own shape. A body's `kernel` may stand in the
//! query instead, on every route that takes one.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wire::body::KernelChoice;
use wire::error_code::ErrorCode;

use super::error::ApiError;

/// A parsed body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kernel = kernel_of(&request)?;
        parsed(&bytes(request, state).await?, kernel).map(Self)
    }
}

/// A parsed body, or its default where the request has none.
pub struct MaybeBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kernel = kernel_of(&request)?;
        let bytes = bytes(request, state).await?;
        match (bytes.is_empty(), &kernel) {
            (true, None) => Ok(Self(T::default())),
            (true, Some(_)) => parsed(b"{}", kernel).map(Self),
            (false, _) => parsed(&bytes, kernel).map(Self),
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

/// The two variable parts of a path, in its order.
pub struct NamePair(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for NamePair {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path((first, second))| Self(first, second))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let read = Bytes::from_request(request, state).await;
    read.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!(
                "the body is larger than the limit of {} MiB",
                super::LARGEST_BODY >> 20
            );
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::BodyTooLarge,
                message,
            )
        } else {
            ApiError::bad_request("the body could not be read completely")
        }
    })
}

fn kernel_of(request: &Request) -> Result<Option<String>, ApiError> {
    let query = Query::<KernelChoice>::try_from_uri(request.uri());
    query
        .map(|Query(choice)| choice.kernel)
        .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
}

fn parsed<T: DeserializeOwned>(bytes: &[u8], kernel: Option<String>) -> Result<T, ApiError> {
    // serde would take a list for a struct too, by place.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let message = "expected a JSON object, not a list";
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            message,
        ));
    }
    let Some(kernel) = kernel else {
        return serde_json::from_slice(bytes).map_err(not_taken);
    };
    let mut fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(not_taken)?;
    match fields.get("kernel") {
        Some(named) if !named.is_null() && *named != kernel => {
            let message = format!(
                "the body sets kernel {named} but the query sets {kernel:?}; set only one of them"
            );
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidRequest,
                message,
            ));
        }
        _ => fields.insert("kernel".to_owned(), kernel.into()),
    };
    serde_json::from_value(fields.into()).map_err(not_taken)
}

fn not_taken(error: serde_json::Error) -> ApiError {
    let code = if error.is_data() {
        ErrorCode::InvalidRequest
    } else {
        ErrorCode::MalformedJson
    };
    let message = format!("invalid body: {error}");
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use wire::{body::CryoRequest, kernel::ExecRequest};

    use super::*;

    #[test]
    fn an_object_is_taken_and_nothing_else() {
        let read = |text: &str| {
            let read = parsed::<CryoRequest>(text.as_bytes(), None);
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

    #[tokio::test]
    async fn a_kernel_is_named_in_the_body_or_the_query() {
        let request = |query: &str, body: &'static str| {
            let uri = format!("/restart{query}");
            Request::builder().uri(uri).body(body.into()).unwrap()
        };
        for (query, body, kernel) in [
            ("", "", Ok(None)),
            ("", "{\"kernel\": \"side\"}", Ok(Some("side"))),
            ("?kernel=side", "", Ok(Some("side"))),
            (
                "?token=t&kernel=side",
                "{\"code\": \"1\"}",
                Ok(Some("side")),
            ),
            ("?kernel=side", "{\"kernel\": null}", Ok(Some("side"))),
            ("?kernel=side", "{\"kernel\": \"side\"}", Ok(Some("side"))),
            ("?kernel=side", "{\"kernel\": \"main\"}", Err(400)),
            ("?kernel=side", "{", Err(400)),
        ] {
            let may = MaybeBody::<KernelChoice>::from_request(request(query, body), &()).await;
            let may = may.map(|MaybeBody(choice)| choice.kernel);
            let seen = may.map_err(|error| error.into_response().status().as_u16());
            assert_eq!(
                seen,
                kernel.map(|name| name.map(str::to_owned)),
                "{query} {body}"
            );
        }
        let body = "{\"code\": \"1\"}";
        let read = Body::<ExecRequest>::from_request(request("?kernel=side", body), &()).await;
        let Body(cell) = read.unwrap();
        assert_eq!(
            (cell.kernel.as_deref(), cell.code.as_str()),
            (Some("side"), "1")
        );
    }
}
