//! Notebooks of nbformat 2 and 3 as nbformat 4 has them.
//!
//! Follows `nbformat/v4/convert.py`; ids are made of what a cell says and where it stands, so that the same
//! file always becomes the same notebook.

use serde_json::{Map, Value, json};

/// Names of mime types that outputs had before.
const MIME_TYPES: [(&str, &str); 8] = [
    ("text", "text/plain"),
    ("html", "text/html"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("latex", "text/latex"),
    ("json", "application/json"),
    ("javascript", "application/javascript"),
];

/// The notebook in nbformat 4.5. What isn't of the old format stays as it is.
pub(super) fn upgraded(mut content: Value) -> Value {
    let Some(notebook) = content.as_object_mut() else {
        return content;
    };
    for field in ["orig_nbformat", "orig_nbformat_minor"] {
        notebook.shift_remove(field);
    }
    let worksheets = notebook.shift_remove("worksheets").unwrap_or_default();
    let mut cells = Vec::new();
    for sheet in worksheets.as_array().into_iter().flatten() {
        for found in sheet["cells"].as_array().into_iter().flatten() {
            cells.push(cell(found.clone(), cells.len()));
        }
    }
    let metadata = notebook.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        for field in ["name", "signature", "orig_nbformat"] {
            metadata.shift_remove(field);
        }
    }
    notebook.insert("cells".into(), cells.into());
    notebook.insert("nbformat".into(), 4.into());
    notebook.insert("nbformat_minor".into(), 5.into());
    content
}

fn cell(mut cell: Value, place: usize) -> Value {
    let Some(fields) = cell.as_object_mut() else {
        return cell;
    };
    let mut metadata = taken(fields, "metadata").unwrap_or_else(|| json!({}));
    match fields.get("cell_type").and_then(Value::as_str) {
        Some("code") => {
            fields.shift_remove("language");
            if let Some(collapsed) = fields.shift_remove("collapsed")
                && let Some(metadata) = metadata.as_object_mut()
            {
                metadata.insert("collapsed".into(), collapsed);
            }
            let source = taken(fields, "input").unwrap_or_else(|| "".into());
            fields.insert("source".into(), source);
            let count = taken(fields, "prompt_number").unwrap_or_default();
            fields.insert("execution_count".into(), count);
            let outputs = taken(fields, "outputs").unwrap_or_default();
            let outputs = outputs.as_array().into_iter().flatten();
            let outputs: Value = outputs.map(|one| output(one.clone())).collect();
            fields.insert("outputs".into(), outputs);
        }
        Some("heading") => {
            let level = taken(fields, "level").and_then(|level| level.as_u64());
            let hashes = "#".repeat(level.unwrap_or(1).clamp(1, 6) as usize);
            let source = fields.get("source").map(text).unwrap_or_default();
            let line = source.lines().collect::<Vec<_>>().join(" ");
            fields.insert("cell_type".into(), "markdown".into());
            fields.insert("source".into(), format!("{hashes} {line}").into());
        }
        Some("html") => {
            fields.insert("cell_type".into(), "markdown".into());
        }
        _ => {}
    }
    fields.insert("metadata".into(), metadata);
    let source = fields.get("source").map(text).unwrap_or_default();
    let id = blake3::hash(format!("{place} {source}").as_bytes()).to_hex();
    fields.insert("id".into(), id[..8].into());
    cell
}

fn output(mut output: Value) -> Value {
    let Some(fields) = output.as_object_mut() else {
        return output;
    };
    match fields.get("output_type").and_then(Value::as_str) {
        Some(kind @ ("pyout" | "display_data")) => {
            let is_result = kind == "pyout";
            let kind = if is_result {
                "execute_result"
            } else {
                "display_data"
            };
            let count = taken(fields, "prompt_number").unwrap_or_default();
            let metadata = taken(fields, "metadata").unwrap_or_else(|| json!({}));
            fields.shift_remove("output_type");
            let data = std::mem::take(fields);
            let mut data = named(data);
            // It was kept as text.
            if let Some(value) = data.get_mut("application/json")
                && let Ok(read) = serde_json::from_str(&text(value))
            {
                *value = read;
            }
            fields.insert("output_type".into(), kind.into());
            if is_result {
                fields.insert("execution_count".into(), count);
            }
            let metadata = match metadata {
                Value::Object(metadata) => named(metadata).into(),
                other => other,
            };
            fields.insert("metadata".into(), metadata);
            fields.insert("data".into(), data.into());
        }
        Some("pyerr") => {
            fields.insert("output_type".into(), "error".into());
        }
        Some("stream") => {
            let name = taken(fields, "stream").unwrap_or_else(|| "stdout".into());
            fields.insert("name".into(), name);
        }
        _ => {}
    }
    output
}

/// Fields by their mime types.
fn named(fields: Map<String, Value>) -> Map<String, Value> {
    let known = |name: String| {
        let found = MIME_TYPES.iter().find(|(short, _)| *short == name);
        found.map_or(name, |(_, mime)| (*mime).to_owned())
    };
    fields
        .into_iter()
        .map(|(name, value)| (known(name), value))
        .collect()
}

/// A field, unless it is null.
fn taken(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    fields.shift_remove(name).filter(|value| !value.is_null())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}
