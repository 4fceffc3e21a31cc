//! The list of all routes, each with what it takes and answers: the router and `/openapi.json`
//! are both made of it, so neither can know a route that the other does not.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use wire::kernel::ErrorAnswer;

use super::{Parts, access::is_open};

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What an operation answers with.
enum Answers {
    Json(SchemaOf),
    Text(&'static str),
    /// A WebSocket.
    Upgrade,
    /// Events alone.
    Events,
}

/// One method of one path.
pub struct Operation {
    method: Method,
    path: &'static str,
    summary: &'static str,
    takes: Option<(SchemaOf, bool)>,
    answers: Answers,
    /// Whether `Accept: text/event-stream` gets events instead.
    streams: bool,
    query: Vec<(&'static str, &'static str)>,
    route: MethodRouter<Parts>,
}

/// An operation.
pub fn operation<H, T>(
    method: Method,
    path: &'static str,
    summary: &'static str,
    handler: H,
) -> Operation
where
    H: Handler<T, Parts>,
    T: 'static,
{
    // The methods of this table are all ones that a filter knows.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Operation {
        method,
        path,
        summary,
        takes: None,
        answers: Answers::Text("application/json"),
        streams: false,
        query: Vec::new(),
        route: on(filter, handler),
    }
}

impl Operation {
    /// Its body.
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some((SchemaGenerator::subschema_for::<T>, true));
        self
    }

    /// Its body, which may be left out.
    pub fn may_take<T: JsonSchema>(mut self) -> Self {
        self.takes = Some((SchemaGenerator::subschema_for::<T>, false));
        self
    }

    /// Its answer.
    pub fn answers<T: JsonSchema>(mut self) -> Self {
        self.answers = Answers::Json(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Its answer is no JSON of a type of ours.
    pub fn answers_text(mut self, content_type: &'static str) -> Self {
        self.answers = Answers::Text(content_type);
        self
    }

    /// It becomes a WebSocket.
    pub fn upgrades(mut self) -> Self {
        self.answers = Answers::Upgrade;
        self
    }

    /// It answers with events alone.
    pub fn events(mut self) -> Self {
        self.answers = Answers::Events;
        self
    }

    /// It streams to who accepts `text/event-stream`.
    pub fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// A parameter of its query: name and JSON type.
    pub fn query(mut self, name: &'static str, kind: &'static str) -> Self {
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
        parameters.extend(
            self.query.iter().map(
                |(name, kind)| json!({"name": name, "in": "query", "schema": schema_of(kind)}),
            ),
        );
        let events = json!({"schema": {}});
        let (status, mut content) = match &self.answers {
            Answers::Json(schema) => (
                "200",
                json!({"application/json": {"schema": schema(schemas)}}),
            ),
            Answers::Text(content_type) => ("200", json!({*content_type: {"schema": {}}})),
            Answers::Events => ("200", json!({"text/event-stream": events.clone()})),
            Answers::Upgrade => ("101", json!({})),
        };
        if self.streams {
            content["text/event-stream"] = events;
        }
        let error = json!({
            "description": "The request was rejected or failed.",
            "content": {"application/json": {"schema": schemas.subschema_for::<ErrorAnswer>()}},
        });
        let mut described = json!({
            "summary": self.summary,
            "parameters": parameters,
            "responses": {status: {"description": "Done.", "content": content}, "default": error},
        });
        if is_open(self.path) {
            described["security"] = json!([]);
        }
        if let Some((schema, required)) = self.takes {
            described["requestBody"] = json!({
                "required": required,
                "content": {"application/json": {"schema": schema(schemas)}},
            });
        }
        described
    }
}

fn schema_of(kind: &str) -> Value {
    match kind {
        "integer" => json!({"type": "integer", "minimum": 0}),
        kind => json!({"type": kind}),
    }
}

/// The router of these operations.
pub fn router(operations: Vec<Operation>) -> Router<Parts> {
    operations.into_iter().fold(Router::new(), |router, one| {
        router.route(one.path, one.route)
    })
}

/// The OpenAPI 3.1 document of these operations.
pub fn document(operations: &[Operation]) -> Value {
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
        "info": {"title": "Vivarium: a machine's API", "version": wire::VERSION},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}
