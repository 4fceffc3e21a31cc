//! What of all servers is shown to a client: its own choice, and that of `mcp.json`.

use super::{server::Server, session::Session};

/// Between a server's name and that of its tool.
pub const JOIN: &str = "__";

/// What a client sees of all servers: lists of names in which `*` stands for any letters.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    servers: Option<Vec<String>>,
    tools: Option<Vec<String>>,
}

impl Filter {
    /// From `?servers=a,b&tools=a__*,b__x`.
    pub fn read(servers: Option<&String>, tools: Option<&String>) -> Self {
        let list = |text: Option<&String>| {
            let names = text?.split(',').map(str::trim);
            Some(
                names
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        Self {
            servers: list(servers),
            tools: list(tools),
        }
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

/// The name under which a tool is shown; none where it is not.
pub fn shown(session: &Session, server: &Server, tool: &str) -> Option<String> {
    let entry = server.core.entry();
    if !any(entry.tools.as_deref(), tool) {
        return None;
    }
    let name = match entry.rename.get(tool) {
        Some(name) => name.clone(),
        None => format!("{}{JOIN}{tool}", server.core.name),
    };
    any(session.filter.tools.as_deref(), &name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
