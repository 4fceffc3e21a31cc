//! Tools as clients take them: descriptions on one line, and JSON Schemas without formats that they
//! don't know. Many check with Ajv, which warns of each one with every call.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use serde_json::{Map, Value};

/// Formats that Ajv's usual collection knows: those of JSON Schema and of OpenAPI.
const KNOWN: [&str; 26] = [
    "binary",
    "byte",
    "date",
    "date-time",
    "double",
    "duration",
    "email",
    "float",
    "hostname",
    "int32",
    "int64",
    "ipv4",
    "ipv6",
    "iso-date-time",
    "iso-time",
    "json-pointer",
    "json-pointer-uri-fragment",
    "password",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "url",
    "uuid",
];
/// What lies below is values, and no schema.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// What has schemas by names that are anybody's.
const BY_NAME: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// Makes the tools of a server of ours such.
pub fn tidy<S>(tools: &mut ToolRouter<S>) {
    for route in tools.map.values_mut() {
        let tool = &mut route.attr;
        // A line's end in the source is none for a reader.
        let text = tool.description.as_deref().unwrap_or_default();
        tool.description = Some(text.replace('\n', " ").into());
        strip_formats(Arc::make_mut(&mut tool.input_schema));
        if let Some(schema) = &mut tool.output_schema {
            strip_formats(Arc::make_mut(schema));
        }
    }
}

/// Leaves out the formats of a schema that clients don't know; whether there were any.
pub fn strip_formats(schema: &mut Map<String, Value>) -> bool {
    let odd = schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| !KNOWN.contains(&format));
    if odd {
        schema.shift_remove("format");
    }
    let mut found = odd;
    for (name, inside) in schema {
        match inside {
            _ if VALUES.contains(&name.as_str()) => {}
            Value::Object(schemas) if BY_NAME.contains(&name.as_str()) => {
                for schema in schemas.values_mut() {
                    found |= strip_inside(schema);
                }
            }
            _ => found |= strip_inside(inside),
        }
    }
    found
}

fn strip_inside(value: &mut Value) -> bool {
    match value {
        Value::Object(schema) => strip_formats(schema),
        Value::Array(items) => {
            let each = items.iter_mut().map(strip_inside);
            each.fold(false, |found, odd| found | odd)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_that_clients_do_not_know_are_left_out_and_values_stay() {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "a": {"type": "integer", "format": "uint32", "minimum": 0},
                "b": {"anyOf": [{"format": "uint8", "type": "integer"}, {"type": "null"}]},
                "c": {"type": "string", "format": "date-time", "default": {"format": "uint8"}},
                "format": {"type": "string"},
                "default": {"type": "integer", "format": "uint"},
            },
            "$defs": {"D": {"items": {"format": "int64"}}},
        });
        let schema = schema.as_object_mut().unwrap();
        assert!(strip_formats(schema));
        let expected = json!({
            "type": "object",
            "properties": {
                "a": {"type": "integer", "minimum": 0},
                "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "c": {"type": "string", "format": "date-time", "default": {"format": "uint8"}},
                "format": {"type": "string"},
                "default": {"type": "integer"},
            },
            "$defs": {"D": {"items": {"format": "int64"}}},
        });
        assert_eq!(Value::Object(schema.clone()), expected);
        assert!(!strip_formats(schema));
    }
}
