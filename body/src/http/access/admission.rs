//! For how long a request is let in, and what a token may not do.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};
use futures_util::StreamExt;
use wire::{
    error_code::ErrorCode,
    tokens::{TokenRecord, allows},
};

use super::Access;
use crate::http::{error::ApiError, scopes::Needed};

/// How long a request was let in for.
pub(super) enum Admission {
    /// As long as it takes.
    Lasting,
    /// As long as this token is known, which has this name.
    While { token: String, name: String },
}

/// An event stream that says nothing more from when its token was removed. Other answers stay as
/// they are: they end soon.
pub(super) fn ends_with_token(response: Response, access: Arc<Access>, token: String) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| {
        let chunks = body.into_data_stream();
        Body::from_stream(
            chunks.take_while(move |_| std::future::ready(access.tokens.find(&token).is_some())),
        )
    })
}

/// The refusal of what a token may not do.
pub(super) fn out_of_scope(record: &TokenRecord, needed: &Needed) -> Option<ApiError> {
    let Needed::Scopes(scopes) = needed else {
        return None;
    };
    let missing = scopes.iter().find(|scope| !allows(&record.scopes, scope))?;
    let message = format!(
        "the token {} doesn't have the scope {missing}, which this route needs",
        record.name
    );
    Some(ApiError::new(
        StatusCode::FORBIDDEN,
        ErrorCode::InsufficientScope,
        message,
    ))
}
