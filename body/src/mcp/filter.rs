//! What of all servers is shown to a client, and under which names: its own choice, and that of
//! `mcp.json`.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::{server::Server, session::Session, tool_names::short};

/// Between a server's name and that of its tool, unless a client wants another.
const JOIN: &str = "__";
/// Letters of a separator.
const LONGEST: usize = 8;

/// What a client sees of all servers: lists of names in which `*` stands for any letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    servers: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    separator: Option<String>,
}

/// A separator that no client takes in a name.
#[derive(Debug, thiserror::Error)]
#[error("invalid separator {0:?}: use 1 to {most} of the characters '_', '-' and '.'", most = LONGEST)]
pub struct BadSeparator(String);

impl Filter {
    /// From `?servers=a,b&tools=a__*,b__x&separator=__`.
    pub fn read(words: &HashMap<String, String>) -> Result<Self, BadSeparator> {
        let separator = words.get("separator");
        if let Some(other) = separator.filter(|text| !is_separator(text)) {
            return Err(BadSeparator(other.chars().take(LONGEST * 4).collect()));
        }
        let list = |text: Option<&String>| {
            let names = text?.split(',').map(str::trim);
            Some(
                names
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        Ok(Self {
            servers: list(words.get("servers")),
            tools: list(words.get("tools")),
            separator: separator.cloned(),
        })
    }

    /// What stands between a server's name and that of its tool.
    pub fn separator(&self) -> &str {
        self.separator.as_deref().unwrap_or(JOIN)
    }

    /// Whether a server is among them.
    pub fn sees(&self, server: &str) -> bool {
        any(self.servers.as_deref(), server)
    }
}

fn any(patterns: Option<&[String]>, name: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| fits(pattern, name)))
}

/// Whether a name is as a pattern says.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(place) = rest.find(part) else {
            return false;
        };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

fn is_separator(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.chars().all(|letter| "_-.".contains(letter))
}

/// A name as a client sees it.
pub struct Shown {
    pub shown: String,
    /// Whether it was too long for some clients, and was cut.
    pub cut: bool,
}

impl Shown {
    fn of(whole: &str) -> Self {
        let shown = short(whole);
        Self {
            cut: matches!(shown, Cow::Owned(_)),
            shown: shown.into_owned(),
        }
    }
}

fn whole(session: &Session, server: &Server, own: &str) -> String {
    format!("{}{}{own}", server.core.name, session.filter.separator())
}

/// The name under which a tool is shown; none where it is not.
pub fn shown_tool(session: &Session, server: &Server, tool: &str) -> Option<Shown> {
    let entry = server.core.entry();
    if !any(entry.tools.as_deref(), tool) {
        return None;
    }
    let whole = match entry.rename.get(tool) {
        Some(name) => name.clone(),
        None => whole(session, server, tool),
    };
    let name = Shown::of(&whole);
    let wanted = session.filter.tools.as_deref();
    (any(wanted, &whole) || any(wanted, &name.shown)).then_some(name)
}

/// The name under which a prompt is shown.
pub fn shown_prompt(session: &Session, server: &Server, prompt: &str) -> Shown {
    Shown::of(&whole(session, server, prompt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_one_that_every_client_takes() {
        let read = |separator: &str| {
            let words = [("separator".to_owned(), separator.to_owned())];
            Filter::read(&words.into())
        };
        assert_eq!(Filter::default().separator(), "__");
        assert_eq!(read("-").unwrap().separator(), "-");
        for bad in ["", "/", "a", "_________", " ", "ä"] {
            assert!(
                read(bad).unwrap_err().to_string().contains("'_', '-'"),
                "{bad}"
            );
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, whether) in [
            ("a__*", "a__x", true),
            ("a__*", "b__x", false),
            ("*", "", true),
            ("x", "x", true),
            ("x", "xy", false),
            ("*read*file", "read_a_file", true),
            ("a*a", "a", false),
            ("*file", "files", false),
        ] {
            assert_eq!(fits(pattern, name), whether, "{pattern} {name}");
        }
    }
}
