//! The router and `/openapi.json`, both made of the list of routes in `wire` with a handler for each,
//! so neither can know a route that the other does not.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use wire::{
    kernel::ErrorAnswer,
    routes::{Route, RouteAccess, RouteAnswer, RouteBody, RouteMethod},
};

use super::Parts;

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A route with its handler.
pub struct Operation {
    method: RouteMethod,
    path: &'static str,
    access: RouteAccess,
    summary: &'static str,
    body: RouteBody,
    answer: RouteAnswer,
    query: SchemaOf,
    request: SchemaOf,
    answered: SchemaOf,
    route: MethodRouter<Parts>,
}

/// A route, answered by this handler.
pub fn operation<R, H, T>(handler: H) -> Operation
where
    R: Route,
    R::Query: JsonSchema,
    R::Request: JsonSchema,
    R::Answer: JsonSchema,
    H: Handler<T, Parts>,
    T: 'static,
{
    let filter = match R::METHOD {
        RouteMethod::Get => MethodFilter::GET,
        RouteMethod::Post => MethodFilter::POST,
        RouteMethod::Delete => MethodFilter::DELETE,
    };
    Operation {
        method: R::METHOD,
        path: R::PATH,
        access: R::ACCESS,
        summary: R::SUMMARY,
        body: R::BODY,
        answer: R::ANSWER,
        // In place, as its fields become parameters.
        query: <R::Query as JsonSchema>::json_schema,
        request: SchemaGenerator::subschema_for::<R::Request>,
        answered: SchemaGenerator::subschema_for::<R::Answer>,
        route: on(filter, handler),
    }
}

impl Operation {
    fn described(&self, schemas: &mut SchemaGenerator) -> Value {
        let mut parameters: Vec<Value> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        parameters.extend(query_parameters((self.query)(schemas)));
        let (status, mut content) = match self.answer {
            RouteAnswer::Json | RouteAnswer::JsonOrEvents => (
                "200",
                json!({"application/json": {"schema": (self.answered)(schemas)}}),
            ),
            RouteAnswer::Text(content_type) => ("200", json!({content_type: {"schema": {}}})),
            RouteAnswer::Events => ("200", json!({})),
            RouteAnswer::WebSocket => ("101", json!({})),
        };
        if self.answer.has_events() {
            content["text/event-stream"] = json!({"schema": {}});
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
        if self.access == RouteAccess::Open {
            described["security"] = json!([]);
        }
        if self.body != RouteBody::None {
            described["requestBody"] = json!({
                "required": self.body == RouteBody::Required,
                "content": {"application/json": {"schema": (self.request)(schemas)}},
            });
        }
        described
    }
}

/// The fields of a query, each as a parameter. One that may be null may be left out instead.
fn query_parameters(query: Schema) -> Vec<Value> {
    let fields = query.get("properties").and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    let parameters = fields.map(|(name, schema)| {
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
            kind => Some(kind),
        };
        let mut shown = json!({"type": kind});
        if kind.is_some_and(|kind| kind == "integer") {
            shown["minimum"] = json!(0);
        }
        let mut parameter = json!({"name": name, "in": "query", "schema": shown});
        if let Some(what) = schema.get("description") {
            parameter["description"] = what.clone();
        }
        parameter
    });
    parameters.collect()
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
