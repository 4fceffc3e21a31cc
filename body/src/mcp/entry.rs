//! A server's entry: what may be in it, how it is written and shown, and the variables in it.

use serde_json::Value;
use wire::mcp::McpServerEntry;

/// What stands for a value that is not shown.
pub const HIDDEN: &str = "•••";

/// An entry as it is written: what is left out stays out.
pub fn plain(entry: &McpServerEntry) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, field| match field {
            Value::Bool(on) => *on,
            Value::Object(inside) => !inside.is_empty(),
            // A list of no tools is a list.
            Value::Array(inside) => name == "tools" || !inside.is_empty(),
            _ => true,
        });
    }
    value
}

/// Whether a server may be called so.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.len() > 48 || !name.chars().all(plain) || name.contains("__") {
        return Err(format!(
            "{name:?} is no name for a server: 1 to 48 letters, digits, '-', '_' and '.', without '__'"
        ));
    }
    Ok(())
}

/// Whether an entry can be served; the reason where not.
pub fn check(name: &str, entry: &McpServerEntry) -> Result<(), String> {
    check_name(name)?;
    if entry.url.is_some() {
        return Err(format!(
            "{name}: servers elsewhere (\"url\") are not served yet; name a \"command\""
        ));
    }
    if entry.kind.as_deref().is_some_and(|kind| kind != "stdio") {
        return Err(format!("{name}: \"type\" may only be \"stdio\""));
    }
    let Some(command) = entry.command.as_deref().filter(|word| !word.is_empty()) else {
        return Err(format!("{name}: a \"command\" is needed"));
    };
    let words = entry.args.iter().chain(entry.env.values());
    if words
        .chain([&command.to_owned()])
        .any(|word| word.contains('\0'))
    {
        return Err(format!("{name}: no word may contain a zero byte"));
    }
    if let Some(variable) = entry
        .env
        .keys()
        .find(|variable| variable.is_empty() || variable.contains(['=', '\0']))
    {
        return Err(format!("{name}: {variable:?} is no name of a variable"));
    }
    Ok(())
}

/// The entry with secret values of its environment hidden.
pub fn shown(entry: &McpServerEntry) -> McpServerEntry {
    let mut entry = entry.clone();
    for (name, value) in &mut entry.env {
        // A reference names where the value is, and is none.
        if looks_secret(name) && !value.starts_with("${") && !value.is_empty() {
            *value = HIDDEN.to_owned();
        }
    }
    entry
}

/// Whether a variable's name says that its value is not for everybody.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    [
        "KEY",
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "AUTH",
        "COOKIE",
        "DSN",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// `${NAME}`, `${env:NAME}` and `${NAME:-word}` replaced; what is not set is empty.
pub fn expanded(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, left)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (name, word) = inside.split_once(":-").unwrap_or((inside, ""));
        let name = name.strip_prefix("env:").unwrap_or(name);
        let value = variable(name).filter(|value| !value.is_empty());
        out.push_str(value.as_deref().unwrap_or(word));
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let variable = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(
            expanded("x${A}y${B:-2}${env:A}${B} $A ${", variable),
            "x1y21 $A ${"
        );
    }
}
