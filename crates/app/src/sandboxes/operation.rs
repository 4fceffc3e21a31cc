//! The list of routes, each with the scope that it needs and what it takes and answers: the router and
//! `/openapi.json` are made of it, so neither can know a route that the other doesn't.

use axum::{
    Extension, Router,
    extract::{Request, State},
    handler::Handler,
    http::Method,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use wire::{kernel::ErrorAnswer, tokens::Scope};

use super::{Refusal, Service};
use crate::serve::Caller;

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(crate) struct Operation {
    method: Method,
    path: &'static str,
    summary: &'static str,
    scope: Option<Scope>,
    takes: Option<Takes>,
    answers: Option<SchemaOf>,
    content_type: &'static str,
    status: u16,
    streams: bool,
    query: Vec<(&'static str, &'static str)>,
    route: MethodRouter<Service>,
}

enum Takes {
    Json(SchemaOf, bool),
    Bytes,
}

/// An operation for tokens of a scope.
pub(crate) fn operation<H, T>(
    method: Method,
    path: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: H,
) -> Operation
where
    H: Handler<T, Service>,
    T: 'static,
{
    let mut operation = open(method, path, summary, handler);
    let needed = (path, scope.clone());
    let route = std::mem::take(&mut operation.route);
    operation.route = route.layer(middleware::from_fn_with_state(needed, has_scope));
    operation.scope = Some(scope);
    operation
}

/// An operation that needs no token.
pub(super) fn open<H, T>(
    method: Method,
    path: &'static str,
    summary: &'static str,
    handler: H,
) -> Operation
where
    H: Handler<T, Service>,
    T: 'static,
{
    // The methods of this table are all ones that a filter knows.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Operation {
        method,
        path,
        summary,
        scope: None,
        takes: None,
        answers: None,
        content_type: "application/json",
        status: 200,
        streams: false,
        query: Vec::new(),
        route: on(filter, handler),
    }
}

async fn has_scope(
    State((path, scope)): State<(&'static str, Scope)>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match caller.check(path, &scope, None) {
        Ok(()) => next.run(request).await,
        Err(failure) => Refusal::forbidden(failure).into_response(),
    }
}

impl Operation {
    /// Its JSON body.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(Takes::Json(SchemaGenerator::subschema_for::<T>, true));
        self
    }

    /// Its JSON body, which may be left out.
    pub(crate) fn may_take<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(Takes::Json(SchemaGenerator::subschema_for::<T>, false));
        self
    }

    /// Its body is a file or an archive.
    pub(crate) fn takes_bytes(mut self) -> Self {
        self.takes = Some(Takes::Bytes);
        self
    }

    /// Its JSON answer.
    pub(crate) fn answers<T: JsonSchema>(mut self) -> Self {
        self.answers = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Its answer is no JSON of a type of ours.
    pub(crate) fn answers_with(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Its status, if it isn't 200.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// It streams to who accepts `text/event-stream`.
    pub(crate) fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// A parameter of its query: name and JSON type.
    pub(crate) fn query(mut self, name: &'static str, kind: &'static str) -> Self {
        self.query.push((name, kind));
        self
    }

    fn described(&self, schemas: &mut SchemaGenerator) -> Value {
        let mut parameters: Vec<Value> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        parameters.extend(self.query.iter().map(|(name, kind)| {
            let schema = match *kind {
                "integer" | "number" => json!({"type": kind, "minimum": 0}),
                kind => json!({"type": kind}),
            };
            json!({"name": name, "in": "query", "schema": schema})
        }));
        let schema = match self.answers {
            Some(schema) => json!({"schema": schema(schemas)}),
            None => json!({"schema": {}}),
        };
        let mut content = json!({self.content_type: schema});
        if self.streams {
            content["text/event-stream"] = json!({"schema": {}});
        }
        let error = json!({
            "description": "The request was refused or failed.",
            "content": {"application/json": {"schema": schemas.subschema_for::<ErrorAnswer>()}},
        });
        let status = self.status.to_string();
        let mut described = json!({
            "summary": self.summary,
            "parameters": parameters,
            "responses": {status: {"description": "Done.", "content": content}, "default": error},
        });
        match &self.scope {
            Some(scope) => described["x-scope"] = json!(scope),
            None => described["security"] = json!([]),
        }
        match &self.takes {
            Some(Takes::Json(schema, required)) => {
                described["requestBody"] = json!({
                    "required": required,
                    "content": {"application/json": {"schema": schema(schemas)}},
                });
            }
            Some(Takes::Bytes) => {
                described["requestBody"] = json!({
                    "required": true,
                    "content": {"application/octet-stream": {"schema": {}}},
                });
            }
            None => {}
        }
        described
    }
}

/// The routers of these operations: of those that want a token, and of the open ones.
pub(super) fn routers(operations: Vec<Operation>) -> (Router<Service>, Router<Service>) {
    let (closed, open): (Vec<_>, Vec<_>) =
        operations.into_iter().partition(|one| one.scope.is_some());
    let router = |operations: Vec<Operation>| {
        let empty = Router::new();
        operations
            .into_iter()
            .fold(empty, |router, one| router.route(one.path, one.route))
    };
    (router(closed), router(open))
}

/// The OpenAPI 3.1 document of these operations.
pub(super) fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for one in operations {
        let described = one.described(&mut schemas);
        let path = paths.entry(one.path).or_insert_with(|| json!({}));
        path[one.method.as_str().to_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Vivarium: sandboxes and tasks", "version": wire::VERSION},
        "security": [{"token": []}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
            },
        },
    })
}
