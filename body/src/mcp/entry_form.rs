//! A server's entry in the forms in which clients write it: Claude's, VS Code's, Cursor's,
//! Windsurf's, Gemini's, Cline's, opencode's. What is not used of one is told.

use serde_json::{Map, Value};
use wire::mcp::McpServerEntry;

/// An entry, and what of it is not used.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EntryForm {
    pub entry: McpServerEntry,
    pub notes: Vec<Note>,
}

/// Something that is not used as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    #[error("not supported and ignored: {}", quoted(.0))]
    Ignored(Vec<String>),
    #[error("null in \"env\" makes a variable empty: {}", quoted(.0))]
    Empty(Vec<String>),
    #[error("more than one address: {used:?} is used, {} ignored", quoted(.ignored))]
    Addresses {
        used: &'static str,
        ignored: Vec<String>,
    },
}

/// Why an entry can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("an entry must be an object, not {0}")]
    NoObject(&'static str),
    #[error("{field:?} must be {wanted}, not {found}")]
    Field {
        field: String,
        wanted: &'static str,
        found: &'static str,
    },
    #[error(
        "{0} is a placeholder of another program and can't be resolved: store the value with \"vivarium secret set NAME_API_KEY\" and write ${{NAME_API_KEY}}"
    )]
    Placeholder(String),
}

/// Names in quotes, as many as anybody reads.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| {
            let short: String = name.chars().take(48).collect();
            format!("{short:?}")
        })
        .collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// Addresses by the names that clients give them; the first one that is there is used.
const ADDRESSES: [&str; 3] = ["httpUrl", "serverUrl", "url"];

/// Reads an entry.
pub fn read(value: &Value) -> Result<EntryForm, FormError> {
    let Value::Object(fields) = value else {
        return Err(FormError::NoObject(kind(value)));
    };
    let mut form = EntryForm::default();
    let entry = &mut form.entry;
    let (mut ignored, mut empty) = (Vec::new(), Vec::new());
    let mut words = Vec::new();
    for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match &**field {
            // opencode has the whole line in one list.
            "command" if value.is_array() => words = texts(field, value)?,
            "command" => entry.command = Some(word(field, value)?),
            "args" => entry.args = texts(field, value)?,
            "env" | "environment" => {
                for (name, value) in object(field, value)? {
                    if value.is_null() {
                        empty.push(name.clone());
                    }
                    let value = match value {
                        Value::Null => String::new(),
                        value => text(&format!("{field}.{name}"), value)?,
                    };
                    entry.env.insert(name.clone(), value);
                }
            }
            "cwd" => entry.cwd = Some(word(field, value)?),
            "headers" => {
                for (name, value) in object(field, value)? {
                    let value = text(&format!("{field}.{name}"), value)?;
                    entry.headers.insert(name.clone(), value);
                }
            }
            "type" | "transport" => {
                let kind = word(field, value)?;
                // opencode's words say only what the other fields say.
                entry.kind = (!matches!(&*kind, "local" | "remote")).then_some(kind);
            }
            "isolate" => entry.isolate = flag(field, value)?,
            "disabled" => entry.disabled |= flag(field, value)?,
            "enabled" => entry.disabled |= !flag(field, value)?,
            "redact" => entry.redact = flag(field, value)?,
            "tools" => entry.tools = Some(texts(field, value)?),
            "rename" => {
                for (name, value) in object(field, value)? {
                    let value = text(&format!("{field}.{name}"), value)?;
                    entry.rename.insert(name.clone(), value);
                }
            }
            known if ADDRESSES.contains(&known) => {}
            _ => ignored.push(field.clone()),
        }
    }
    if !words.is_empty() {
        entry.command = Some(words.remove(0));
        words.append(&mut entry.args);
        entry.args = words;
    }
    form.notes = address(fields, entry)?.into_iter().collect();
    if !ignored.is_empty() {
        form.notes.push(Note::Ignored(ignored));
    }
    if !empty.is_empty() {
        form.notes.push(Note::Empty(empty));
    }
    resolvable(&form.entry)?;
    Ok(form)
}

/// Takes the address that counts.
fn address(
    fields: &Map<String, Value>,
    entry: &mut McpServerEntry,
) -> Result<Option<Note>, FormError> {
    let there = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let mut given = ADDRESSES
        .into_iter()
        .filter_map(|name| Some((name, there(name)?)));
    let Some((used, value)) = given.next() else {
        return Ok(None);
    };
    let url = word(used, value)?;
    if used == "httpUrl" && entry.kind.is_none() {
        entry.kind = Some("http".to_owned());
    }
    let ignored: Vec<String> = given
        .filter(|(_, other)| other.as_str() != Some(&url))
        .map(|(name, _)| name.to_owned())
        .collect();
    entry.url = Some(url);
    Ok((!ignored.is_empty()).then_some(Note::Addresses { used, ignored }))
}

/// References that nobody here can resolve would be empty, and the server would fail with a riddle.
fn resolvable(entry: &McpServerEntry) -> Result<(), FormError> {
    let texts = entry.command.iter().chain(&entry.args).chain(&entry.cwd);
    let texts = texts.chain(&entry.url);
    let texts = texts
        .chain(entry.env.values())
        .chain(entry.headers.values());
    for text in texts {
        for part in text.split("${").skip(1) {
            let Some((inside, _)) = part.split_once('}') else {
                continue;
            };
            let name = inside.split(":-").next().unwrap_or_default();
            let name = name.strip_prefix("env:").unwrap_or(name);
            if name.contains(':') || matches!(name, "workspaceFolder" | "workspaceFolderBasename") {
                let short: String = inside.chars().take(48).collect();
                return Err(FormError::Placeholder(format!("${{{short}}}")));
            }
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn wrong(field: &str, wanted: &'static str, value: &Value) -> FormError {
    FormError::Field {
        field: field.chars().take(80).collect(),
        wanted,
        found: kind(value),
    }
}

fn word(field: &str, value: &Value) -> Result<String, FormError> {
    let wanted = "a string";
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| wrong(field, wanted, value))
}

/// A string; numbers and truth values are taken as they are written.
fn text(field: &str, value: &Value) -> Result<String, FormError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(wrong(field, "a string", value)),
    }
}

fn texts(field: &str, value: &Value) -> Result<Vec<String>, FormError> {
    let Value::Array(items) = value else {
        return Err(wrong(field, "a list of strings", value));
    };
    items.iter().map(|item| text(field, item)).collect()
}

fn object<'a>(field: &str, value: &'a Value) -> Result<&'a Map<String, Value>, FormError> {
    let wanted = "an object";
    value.as_object().ok_or_else(|| wrong(field, wanted, value))
}

fn flag(field: &str, value: &Value) -> Result<bool, FormError> {
    let wanted = "true or false";
    value.as_bool().ok_or_else(|| wrong(field, wanted, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(value: Value) -> McpServerEntry {
        read(&value)
            .unwrap_or_else(|error| panic!("{value}: {error}"))
            .entry
    }

    #[test]
    fn each_client_s_form_is_read() {
        for (form, url, kind) in [
            (
                json!({"type": "http", "url": "https://x/mcp"}),
                "https://x/mcp",
                Some("http"),
            ),
            (json!({"serverUrl": "https://w/mcp"}), "https://w/mcp", None),
            (
                json!({"httpUrl": "https://g/mcp", "url": null}),
                "https://g/mcp",
                Some("http"),
            ),
            (
                json!({"type": "remote", "url": "https://o/mcp"}),
                "https://o/mcp",
                None,
            ),
        ] {
            let entry = taken(form);
            assert_eq!(
                (entry.url.as_deref(), entry.kind.as_deref()),
                (Some(url), kind)
            );
        }
        let line = json!({"type": "local", "command": ["npx", "-y", "x"], "environment": {"A": "1"}, "enabled": false});
        let entry = taken(line);
        assert_eq!(
            (entry.command.as_deref(), entry.args.len()),
            (Some("npx"), 2)
        );
        assert!(entry.disabled && entry.env["A"] == "1" && entry.kind.is_none());
    }

    #[test]
    fn numbers_are_taken_as_they_are_written_and_null_is_told() {
        let form = json!({"command": "x", "args": [8080, true], "env": {"PORT": 8080, "ON": false, "OLD": null}, "cwd": null});
        let read = read(&form).unwrap();
        assert_eq!(read.entry.args, ["8080", "true"]);
        assert_eq!(
            (&*read.entry.env["PORT"], &*read.entry.env["ON"]),
            ("8080", "false")
        );
        assert_eq!(read.notes, [Note::Empty(vec!["OLD".to_owned()])]);
        assert_eq!(read.entry.env["OLD"], "");
    }

    #[test]
    fn nothing_is_ignored_without_a_word() {
        let form = json!({"httpUrl": "https://a", "url": "https://b", "timeout": 5, "trust": true});
        let words: Vec<String> = read(&form)
            .unwrap()
            .notes
            .iter()
            .map(Note::to_string)
            .collect();
        assert!(
            words[0].contains("\"httpUrl\" is used") && words[0].contains("\"url\" ignored"),
            "{words:?}"
        );
        assert!(
            words[1].contains("\"timeout\"") && words[1].contains("\"trust\""),
            "{words:?}"
        );
    }

    #[test]
    fn what_can_not_be_read_says_which_field() {
        for (form, word) in [
            (json!(7), "must be an object, not a number"),
            (
                json!({"command": 7}),
                "\"command\" must be a string, not a number",
            ),
            (
                json!({"command": "x", "env": []}),
                "\"env\" must be an object",
            ),
            (json!({"command": "x", "env": {"A": []}}), "\"env.A\""),
            (
                json!({"command": "x", "disabled": "yes"}),
                "\"disabled\" must be true or false",
            ),
            (
                json!({"command": "x", "env": {"K": "${input:key}"}}),
                "${input:key}",
            ),
            (
                json!({"url": "https://x/${workspaceFolder}"}),
                "${workspaceFolder}",
            ),
        ] {
            let error = read(&form).unwrap_err().to_string();
            assert!(error.contains(word), "{form}: {error}");
        }
        taken(json!({"command": "x", "args": ["${env:A}", "${A:-b:c}", "${"]}));
    }
}
