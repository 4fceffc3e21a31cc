//! Which requests are for a sandbox, and whether they may reach it.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sandbox::Owner;
use serde_json::json;
use tower_service::Service as _;
use wire::{
    sandbox::{SandboxId, SandboxState},
    tokens::Scope,
};

use super::{
    ENVD_PORT, Facade, INTERPRETER_PORT,
    connect::MESSAGE_BYTES,
    files, filesystem,
    gone::{gone, not_open},
    interpreter,
    keys::{Operation, Signed},
    listing::pairs,
    process,
};
use crate::sandboxes::Asking;

/// The header that names a sandbox.
const ID: &str = "e2b-sandbox-id";
/// The header that names a port of it.
const PORT: &str = "e2b-sandbox-port";
/// Headers with a token of the sandbox's own.
const TOKENS: [&str; 2] = ["x-access-token", "e2b-traffic-access-token"];

/// Which sandbox a request is for, and on whose behalf.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) id: SandboxId,
    pub(super) owner: Owner,
}

/// Routes of a sandbox, by port.
#[derive(Clone)]
pub(crate) struct Dispatch {
    facade: Facade,
    envd: Router,
    interpreter: Router,
}

impl Dispatch {
    pub(crate) fn new(facade: Facade) -> Self {
        let envd = process::routes()
            .merge(filesystem::routes())
            .merge(files::routes())
            .fallback(nowhere)
            .layer(DefaultBodyLimit::max(MESSAGE_BYTES))
            .with_state(facade.clone());
        let interpreter = interpreter::routes()
            .fallback(nowhere)
            .layer(DefaultBodyLimit::max(MESSAGE_BYTES))
            .with_state(facade.clone());
        Self {
            facade,
            envd,
            interpreter,
        }
    }
}

async fn nowhere() -> Response {
    let body = Json(json!({ "code": 404, "message": "not found" }));
    (StatusCode::NOT_FOUND, body).into_response()
}

/// Leads requests for a sandbox to it, and leaves all others to the routes below.
pub(crate) async fn dispatch(
    State(to): State<Dispatch>,
    mut request: Request,
    next: Next,
) -> Response {
    let (at, port) = match text(&request, ID) {
        Some(id) => {
            let Ok(id) = id.parse::<SandboxId>() else {
                return gone();
            };
            let Some(owner) = to.facade.owner(&id, request.headers()) else {
                return unauthorized();
            };
            (
                At { id, owner },
                text(&request, PORT).unwrap_or_else(|| ENVD_PORT.to_string()),
            )
        }
        // Signed addresses are opened by browsers and curl, which send no header.
        None if is_signed(&request) => match to.facade.signed_for(&request) {
            Some(at) => (at, ENVD_PORT.to_string()),
            None => return unauthorized(),
        },
        None => return next.run(request).await,
    };
    request.extensions_mut().insert(at);
    let mut router = match port.parse() {
        Ok(ENVD_PORT) => to.envd,
        Ok(INTERPRETER_PORT) => to.interpreter,
        _ => return not_open(&port),
    };
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn text(request: &Request, name: &str) -> Option<String> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap_or_default().to_owned())
}

fn unauthorized() -> Response {
    let words = "missing or invalid access token: X-Access-Token is the sandbox's own, X-API-KEY one of vivarium token create";
    let body = Json(json!({ "code": 401, "message": words }));
    (StatusCode::UNAUTHORIZED, body).into_response()
}

fn is_signed(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.uri().path() == "/files" && pairs(query).iter().any(|(name, _)| name == "signature")
}

impl Facade {
    /// On whose behalf a request with these headers reaches a sandbox; `None` if it may not.
    fn owner(&self, id: &SandboxId, headers: &HeaderMap) -> Option<Owner> {
        let mut tokens = TOKENS
            .iter()
            .filter_map(|name| headers.get(*name)?.to_str().ok());
        if tokens.any(|token| self.0.keys.opens(id, token)) {
            return Some(Owner::Person);
        }
        let caller = self.0.access.caller(headers)?;
        caller.check("sandboxes", &Scope::Exec, None).ok()?;
        let Asking(owner) = Asking::of(&caller);
        Some(owner)
    }

    /// The living sandbox whose token an address was signed with.
    fn signed_for(&self, request: &Request) -> Option<At> {
        let pairs = pairs(request.uri().query().unwrap_or_default());
        let given = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let expires = match given("signature_expiration") {
            "" => None,
            text => Some(text.parse().ok()?),
        };
        let signed = Signed {
            path: given("path"),
            operation: match *request.method() {
                Method::GET | Method::HEAD => Operation::Read,
                Method::POST => Operation::Write,
                _ => return None,
            },
            user: given("username"),
            expires,
            signature: given("signature"),
        };
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let sandboxes = self.0.service.sandboxes().ok()?;
        let all = sandboxes.list(&Owner::Person).into_iter();
        let mut living = all.filter(|view| match view.state {
            SandboxState::Running => true,
            SandboxState::Paused => view.auto_resume,
            SandboxState::Lost | SandboxState::Ended => false,
        });
        let found = living.find(|view| self.0.keys.signed(&view.sandbox_id, &signed, now_s))?;
        Some(At {
            id: found.sandbox_id,
            owner: Owner::Person,
        })
    }
}
