//! The files by which a tool calls our helper as its hook.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    catalogue::{FileFormat, FirstRunFile, HomePath, HookSchema, Hooks},
    container::HOME,
};

/// What a hook runs.
const COMMAND: &str = "/.vivarium/sandbox-init hook";
/// Events that say where an agent stands. Codex knows these and no other.
const EVENTS: [&str; 5] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "Stop",
];
/// What else Claude Code's schema has of that.
const MORE_EVENTS: [&str; 4] = [
    "PostToolUseFailure",
    "PermissionDenied",
    "Notification",
    "StopFailure",
];
/// A permission is a person's to give, who may be away for a day.
const PERMISSION_S: u64 = 24 * 3600;
/// What Codex assumes of a hook that says nothing.
const CODEX_S: u64 = 600;
/// Codex' settings.
const CODEX_SETTINGS: &str = ".codex/config.toml";

/// Whether a tool tells by these hooks what it does, permissions included.
pub(crate) fn reports(hooks: &Hooks) -> bool {
    hooks.permission_request && matches!(hooks.schema, HookSchema::Claude | HookSchema::Codex)
}

/// The files; none for schemas that can't be written yet, whose tools tell nothing.
pub(crate) fn hook_files(hooks: &Hooks) -> Vec<FirstRunFile> {
    let Some(path) = &hooks.file else {
        return Vec::new();
    };
    let handlers = handlers(hooks);
    let mut events = serde_json::Map::new();
    for handler in &handlers {
        let mut hook = json!({ "type": "command", "command": handler.command });
        if let Some(seconds) = handler.timeout_s {
            hook["timeout"] = seconds.into();
        }
        events.insert(handler.event.to_owned(), json!([{ "hooks": [hook] }]));
    }
    let settings = FirstRunFile {
        path: path.clone(),
        format: FileFormat::Json,
        content: json!({ "hooks": events }).to_string(),
    };
    match hooks.schema {
        HookSchema::Claude => vec![settings],
        HookSchema::Codex => {
            trust(path, &handlers).map_or_else(Vec::new, |trusted| vec![settings, trusted])
        }
        HookSchema::Gemini | HookSchema::Opencode | HookSchema::Amp | HookSchema::Notification => {
            Vec::new()
        }
    }
}

/// One event's hook.
struct Handler {
    event: &'static str,
    command: String,
    timeout_s: Option<u64>,
}

fn handlers(hooks: &Hooks) -> Vec<Handler> {
    let more: &[&str] = match hooks.schema {
        HookSchema::Claude => &MORE_EVENTS,
        _ => &[],
    };
    let mut handlers: Vec<Handler> = EVENTS
        .iter()
        .chain(more)
        .map(|event| Handler {
            event,
            command: COMMAND.to_owned(),
            timeout_s: None,
        })
        .collect();
    if hooks.permission_request {
        handlers.push(Handler {
            event: "PermissionRequest",
            command: format!("{COMMAND} --wait"),
            timeout_s: Some(PERMISSION_S),
        });
    }
    handlers
}

/// That Codex runs these hooks and no others: those of a repository that it works on have other hashes. The
/// hash is that of the hook as Codex writes it, with its keys in their order.
fn trust(path: &HomePath, handlers: &[Handler]) -> Option<FirstRunFile> {
    let mut state = toml::Table::new();
    for handler in handlers {
        let event = snake_case(handler.event);
        let hook = json!({
            "async": false,
            "command": handler.command,
            "timeout": handler.timeout_s.unwrap_or(CODEX_S),
            "type": "command",
        });
        let identity = sorted(&json!({ "event_name": event, "hooks": [hook] }));
        let digest = Sha256::digest(identity.to_string());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut entry = toml::Table::new();
        entry.insert("trusted_hash".into(), format!("sha256:{hex}").into());
        state.insert(format!("{HOME}/{path}:{event}:0:0"), entry.into());
    }
    let mut hooks = toml::Table::new();
    hooks.insert("state".into(), state.into());
    let mut settings = toml::Table::new();
    settings.insert("hooks".into(), hooks.into());
    Some(FirstRunFile {
        path: HomePath::try_from(CODEX_SETTINGS.to_owned()).ok()?,
        format: FileFormat::Toml,
        content: settings.to_string(),
    })
}

/// The same with the keys of each object in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn files(tool: &str) -> Vec<FirstRunFile> {
        let catalogue = Catalogue::built_in();
        let tool = catalogue.tool(&tool.parse().unwrap()).unwrap();
        hook_files(tool.hooks.as_ref().unwrap())
    }

    #[test]
    fn claude_s_hooks_are_settings_of_its_own() {
        let [file] = files("claude").try_into().unwrap();
        assert_eq!(file.path.as_str(), ".claude/settings.json");
        let settings: Value = serde_json::from_str(&file.content).unwrap();
        let command = |event: &str| settings["hooks"][event][0]["hooks"][0]["command"].as_str();
        assert_eq!(command("Stop"), Some("/.vivarium/sandbox-init hook"));
        assert_eq!(
            command("PermissionRequest"),
            Some("/.vivarium/sandbox-init hook --wait")
        );
    }

    #[test]
    fn codex_trusts_its_hooks_by_their_hashes() {
        let [hooks, settings] = files("codex").try_into().unwrap();
        assert_eq!(hooks.path.as_str(), ".codex/hooks.json");
        assert!(!hooks.content.contains("Notification"));
        let settings: toml::Table = settings.content.parse().unwrap();
        let state = settings["hooks"]["state"].as_table().unwrap();
        let of = |event: &str| {
            state[&format!("/home/agent/.codex/hooks.json:{event}:0:0")]["trusted_hash"].as_str()
        };
        // Of `{"event_name":"stop","hooks":[{"async":false,"command":…,"timeout":600,"type":"command"}]}`.
        let text = r#"{"event_name":"stop","hooks":[{"async":false,"command":"/.vivarium/sandbox-init hook","timeout":600,"type":"command"}]}"#;
        let digest = Sha256::digest(text);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(of("stop"), Some(format!("sha256:{hex}").as_str()));
        assert!(of("permission_request").is_some());
        assert_eq!(state.len(), 6);
    }

    #[test]
    fn tools_of_other_schemas_tell_nothing_yet() {
        for tool in ["gemini", "opencode", "aider"] {
            assert!(files(tool).is_empty(), "{tool}");
            let catalogue = Catalogue::built_in();
            let tool = catalogue.tool(&tool.parse().unwrap()).unwrap();
            assert!(!reports(tool.hooks.as_ref().unwrap()));
        }
    }
}
