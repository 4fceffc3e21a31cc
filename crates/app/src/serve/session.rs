//! How a page gets the token: `POST /session` with a one-time code, which needs no token, and
//! `POST /session/code` for another code, which does.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};

use super::codes::{Codes, Holder};

/// Longer than any request here.
const BODY_BYTES: usize = 1024;

/// What a page is let in by.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) codes: Codes,
    token: String,
}

impl Sessions {
    pub(super) fn new(token: String) -> Self {
        Self {
            codes: Codes::default(),
            token,
        }
    }
}

#[derive(Deserialize)]
struct Exchange {
    code: String,
}

/// Answer of `POST /session`.
#[derive(Serialize)]
struct Session<'a> {
    token: &'a str,
    /// For the page's next load.
    code: String,
}

/// Answer of `POST /session/code`.
#[derive(Serialize)]
struct Code {
    code: String,
}

/// For those who have a code.
pub(super) fn exchange(sessions: Arc<Sessions>) -> Router {
    Router::new()
        .route("/session", post(begin))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(sessions)
}

/// For those who have the token.
pub(super) fn renewal(sessions: Arc<Sessions>) -> Router {
    Router::new()
        .route("/session/code", post(renew))
        .with_state(sessions)
}

async fn begin(
    State(sessions): State<Arc<Sessions>>,
    Json(Exchange { code }): Json<Exchange>,
) -> Response {
    if !sessions.codes.take(&code) {
        let words = "This address was already used or has expired. Press Enter in the terminal of \
                     vivarium serve for a new one.\n";
        return (StatusCode::UNAUTHORIZED, words).into_response();
    }
    let code = sessions.codes.make(Holder::Page);
    let token = &sessions.token;
    Json(Session { token, code }).into_response()
}

async fn renew(State(sessions): State<Arc<Sessions>>) -> Json<Code> {
    Json(Code {
        code: sessions.codes.make(Holder::Page),
    })
}
