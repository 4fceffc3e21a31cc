//! What a tool tells its hook: one JSON object on the hook's standard input, in the schema that claude,
//! codex, qwen, droid, qoder, auggie and codebuddy share. Only what is needed is kept of it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::text::shown;

/// The most that is read of what a tool says; the output of a tool's own tool is part of it.
pub const MOST_HOOK_BYTES: usize = 4 << 20;
/// The most of a name, such as an event's or a tool's.
const NAME_BYTES: usize = 64;
/// The most of a conversation's id.
const CONVERSATION_BYTES: usize = 128;
/// The most of what an event is about.
const DETAIL_BYTES: usize = 2 << 10;
/// Fields of a tool's input that say best what it is about, the best one first.
const TELLING: [&str; 8] = [
    "command",
    "file_path",
    "path",
    "url",
    "pattern",
    "query",
    "description",
    "prompt",
];

/// An event, as far as it is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookEvent {
    /// Such as `PreToolUse`.
    pub name: String,
    /// The tool's id of the conversation.
    pub conversation: Option<String>,
    /// The tool's own tool, such as `Bash`.
    pub tool: Option<String>,
    /// What that is about.
    pub detail: Option<String>,
    /// The kind of a notification, or why something ended.
    pub kind: Option<String>,
    /// The tool's words.
    pub message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    #[serde(deserialize_with = "text")]
    hook_event_name: Option<String>,
    #[serde(deserialize_with = "text")]
    session_id: Option<String>,
    #[serde(deserialize_with = "text")]
    tool_name: Option<String>,
    tool_input: Value,
    #[serde(deserialize_with = "text")]
    notification_type: Option<String>,
    #[serde(deserialize_with = "text")]
    error: Option<String>,
    #[serde(deserialize_with = "text")]
    reason: Option<String>,
    #[serde(deserialize_with = "text")]
    source: Option<String>,
    #[serde(deserialize_with = "text")]
    message: Option<String>,
}

/// Reads what a tool told its hook. `name` is the event's name if the tool doesn't say; none if nobody
/// says.
pub fn read_hook(bytes: &[u8], name: Option<&str>) -> Option<HookEvent> {
    let said: Said = serde_json::from_slice(bytes).unwrap_or_default();
    let detail = detail(&said.tool_input);
    let kind = said
        .notification_type
        .or(said.error)
        .or(said.reason)
        .or(said.source);
    let event = HookEvent {
        name: said.hook_event_name.or(name.map(str::to_owned))?,
        conversation: said.session_id,
        tool: said.tool_name,
        detail,
        kind,
        message: said.message,
    };
    Some(event.within_bounds())
}

impl HookEvent {
    /// The same with each text cut to its length: whoever says it may be anybody in the container.
    #[must_use]
    pub fn within_bounds(self) -> Self {
        let name = |text: Option<String>| text.map(|text| shown(&text, NAME_BYTES));
        let is_id = |id: &String| {
            id.len() <= CONVERSATION_BYTES
                && !id.starts_with('-')
                && id
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"-_.:".contains(&it))
        };
        Self {
            name: shown(&self.name, NAME_BYTES),
            // It becomes an argument of the tool when it is resumed: an id, or nothing.
            conversation: self.conversation.filter(|id| !id.is_empty() && is_id(id)),
            tool: name(self.tool),
            detail: self.detail.map(|text| shown(&text, DETAIL_BYTES)),
            kind: name(self.kind),
            message: self.message.map(|text| shown(&text, DETAIL_BYTES)),
        }
    }
}

/// A text, and nothing for what isn't one: a tool that says something else is no reason to hear nothing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// What a tool's input is about.
fn detail(input: &Value) -> Option<String> {
    let fields = match input {
        Value::Object(fields) => fields,
        Value::String(text) => return Some(text.clone()),
        _ => return None,
    };
    let words = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // Codex gives a command as its words.
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        _ => None,
    };
    let told = TELLING
        .iter()
        .find_map(|name| fields.get(*name).and_then(words));
    told.or_else(|| (!fields.is_empty()).then(|| input.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<HookEvent> {
        read_hook(text.as_bytes(), None)
    }

    #[test]
    fn what_is_needed_is_kept_within_bounds() {
        let long = "x".repeat(100_000);
        let text = format!(
            r#"{{"hook_event_name":"PreToolUse","session_id":"s-1","tool_name":"Bash\u001b[0m","tool_input":{{"command":"{long}"}}}}"#
        );
        let event = read(&text).unwrap();
        assert_eq!(event.tool.as_deref(), Some("Bash[0m"));
        assert_eq!(event.detail.unwrap().len(), DETAIL_BYTES);
        assert_eq!(event.conversation.as_deref(), Some("s-1"));
    }

    #[test]
    fn hostile_json_is_an_event_at_most() {
        let deep = format!(
            r#"{{"hook_event_name":"Stop","tool_input":{}}}"#,
            "[".repeat(100_000)
        );
        for text in [
            "",
            "null",
            "[]",
            "{",
            "\"Stop\"",
            "{\"hook_event_name\":7}",
            &deep,
            "{\"hook_event_name\":null}",
            "{\"a\":1e999999}",
            "\u{feff}{}",
        ] {
            assert_eq!(read(text), None, "{text:.40}");
            let named = read_hook(text.as_bytes(), Some("Stop")).unwrap();
            assert_eq!((named.name.as_str(), named.tool), ("Stop", None));
        }
        let odd =
            r#"{"hook_event_name":"Stop","session_id":{"a":[1]},"tool_name":3,"tool_input":"x"}"#;
        let event = read(odd).unwrap();
        assert_eq!((event.conversation, event.tool), (None, None));
    }

    #[test]
    fn a_conversation_that_would_be_an_option_is_none() {
        for id in [
            "--yolo",
            "-p",
            "",
            "a b",
            "a\u{0}b",
            "$(x)",
            &"a".repeat(129),
        ] {
            let event = HookEvent {
                conversation: Some(id.to_owned()),
                ..HookEvent::default()
            };
            assert_eq!(event.within_bounds().conversation, None, "{id:.20}");
        }
    }
}
