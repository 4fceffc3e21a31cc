//! Outputs of code (nbformat 4.5) as the code interpreter's clients read them: one JSON object a line.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Media types that have a field of their own in a result.
const FIELDS: &[(&str, &str)] = &[
    ("text/plain", "text"),
    ("text/html", "html"),
    ("text/markdown", "markdown"),
    ("image/svg+xml", "svg"),
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("application/pdf", "pdf"),
    ("text/latex", "latex"),
    ("application/json", "json"),
    ("application/javascript", "javascript"),
    ("e2b/data", "data"),
    ("e2b/chart", "chart"),
];

/// One object and the end of its line.
pub(super) fn line(object: &Value) -> Bytes {
    Bytes::from(format!("{object}\n"))
}

/// The line of an output; `None` for one that these clients don't know.
pub(super) fn of(output: &Value, now_ns: u64) -> Option<Value> {
    match output["output_type"].as_str()? {
        "stream" => {
            let kind = match output["name"].as_str()? {
                "stderr" => "stderr",
                _ => "stdout",
            };
            let text = joined(&output["text"])?;
            Some(json!({ "type": kind, "text": text, "timestamp": now_ns }))
        }
        "execute_result" => Some(result(&output["data"], true)),
        "display_data" => Some(result(&output["data"], false)),
        "error" => {
            let traceback = match &output["traceback"] {
                Value::Array(lines) => {
                    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
                    lines.join("\n")
                }
                other => other.as_str().unwrap_or_default().to_owned(),
            };
            let (name, value) = (&output["ename"], &output["evalue"]);
            Some(json!({ "type": "error", "name": name, "value": value, "traceback": traceback }))
        }
        _ => None,
    }
}

/// The last line of a run.
pub(super) fn count(execution_count: Option<u64>) -> Value {
    json!({ "type": "number_of_executions", "execution_count": execution_count.unwrap_or(0) })
}

/// How a run ended that its own outputs don't tell of.
pub(super) fn failure(name: &str, value: &str) -> Value {
    json!({ "type": "error", "name": name, "value": value, "traceback": value })
}

fn result(data: &Value, is_main_result: bool) -> Value {
    let mut fields = Map::new();
    fields.insert("type".into(), "result".into());
    let mut extra = Map::new();
    for (media_type, content) in data.as_object().into_iter().flatten() {
        let content = match joined(content) {
            Some(text) => Value::String(text),
            None => content.clone(),
        };
        match FIELDS.iter().find(|(known, _)| known == media_type) {
            Some((_, field)) => fields.insert((*field).into(), content),
            None => extra.insert(media_type.clone(), content),
        };
    }
    if let Some(Value::String(text)) = fields.get_mut("text") {
        *text = unquoted(text).to_owned();
    }
    if !extra.is_empty() {
        fields.insert("extra".into(), Value::Object(extra));
    }
    fields.insert("is_main_result".into(), is_main_result.into());
    Value::Object(fields)
}

/// A text's own characters: E2B shows a string's value without the quotes of its `repr`.
fn unquoted(text: &str) -> &str {
    let inside = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    inside.unwrap_or(text)
}

/// A text of nbformat, which is one or a list of them.
fn joined(text: &Value) -> Option<String> {
    match text {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_its_line() {
        for (output, expected) in [
            (
                json!({"output_type": "stream", "name": "stderr", "text": ["a\n", "b"]}),
                json!({"type": "stderr", "text": "a\nb", "timestamp": 5}),
            ),
            (
                json!({"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "'hi'"}}),
                json!({"type": "result", "text": "hi", "is_main_result": true}),
            ),
            (
                json!({"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGk=", "application/json": {"a": [1]}, "x/y": "z"}}),
                json!({"type": "result", "png": "aGk=", "json": {"a": [1]}, "extra": {"x/y": "z"}, "is_main_result": false}),
            ),
            (
                json!({"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["1", "2"]}),
                json!({"type": "error", "name": "E", "value": "v", "traceback": "1\n2"}),
            ),
        ] {
            assert_eq!(of(&output, 5), Some(expected), "{output}");
        }
        assert_eq!(of(&json!({"output_type": "new"}), 5), None);
        assert_eq!(of(&json!(1), 5), None);
    }

    #[test]
    fn a_quote_alone_stays() {
        for (text, shown) in [("'", "'"), ("''", ""), ("'a", "'a"), ("\"a\"", "\"a\"")] {
            assert_eq!(unquoted(text), shown, "{text}");
        }
    }

    #[test]
    fn a_line_is_one() {
        let bytes = line(&json!({"text": "a\nb"}));
        assert_eq!(bytes, r#"{"text":"a\nb"}"#.to_owned() + "\n");
    }
}
