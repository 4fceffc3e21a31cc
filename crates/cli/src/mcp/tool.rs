//! Which tool is meant: `TOOL`, `SERVER TOOL` or `SERVER__TOOL`.

use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

/// Between a server's name and that of its tool at the endpoint over all servers.
const SEPARATOR: &str = "__";
/// Names of so many letters may have been shortened.
const SHORTENED: usize = 64;
/// Tools that a failure names.
const NAMED: usize = 8;

/// What the words before the arguments name.
#[derive(Debug, PartialEq, Eq)]
pub enum Named<'a> {
    Of {
        server: &'a str,
        tool: &'a str,
    },
    /// One of any server.
    Any(&'a str),
}

/// Takes the words apart: the tool, and its arguments.
pub fn named<'a>(words: &'a [String], servers: &[&str]) -> Option<(Named<'a>, &'a [String])> {
    let (first, rest) = words.split_first()?;
    match rest.split_first() {
        Some((tool, arguments)) if servers.contains(&&**first) && is_name(tool) => Some((
            Named::Of {
                server: first,
                tool,
            },
            arguments,
        )),
        _ => Some((of_server(first, servers).unwrap_or(Named::Any(first)), rest)),
    }
}

/// A name that says whose it is: only that server need start. One that may have been shortened
/// doesn't.
fn of_server<'a>(word: &'a str, servers: &[&str]) -> Option<Named<'a>> {
    if word.chars().count() >= SHORTENED {
        return None;
    }
    let found = word.match_indices(SEPARATOR).filter_map(|(end, _)| {
        let (server, tool) = (&word[..end], &word[end + SEPARATOR.len()..]);
        servers
            .contains(&server)
            .then_some(Named::Of { server, tool })
    });
    // Of servers whose names begin alike, the longest.
    found.last()
}

fn is_name(word: &str) -> bool {
    word != "-" && !word.contains('=') && !word.trim_start().starts_with('{')
}

/// The name under which a tool is listed for all servers; that of its server may be left out if
/// only one has such a tool.
pub fn listed<'a>(tools: &'a [String], servers: &[&str], word: &str) -> Result<&'a str, Failure> {
    if let Some(tool) = tools.iter().find(|tool| *tool == word) {
        return Ok(tool);
    }
    let is_meant = |tool: &&String| {
        servers.iter().any(|server| {
            let own = tool.strip_prefix(server);
            own.and_then(|own| own.strip_prefix(SEPARATOR)) == Some(word)
        })
    };
    let found: Vec<&String> = tools.iter().filter(is_meant).collect();
    match *found {
        [tool] => Ok(tool),
        [] if servers.contains(&word) => {
            let message = format!("{word:?} is a server, not a tool");
            let next = format!("Run vivarium mcp tools {word} and name one of its tools.");
            Err(Failure::new(FailureCode::NotFound, message).next(Advice::text(next)))
        }
        [] => {
            let message = format!("The tool {word:?} was not found");
            let next = "Run vivarium mcp tools to see all tools, and vivarium mcp list for servers that can't start.";
            Err(Failure::new(FailureCode::NotFound, message).next(Advice::text(next)))
        }
        _ => {
            let message = format!("{} servers have a tool {word:?}", found.len());
            let names: Vec<&str> = found.iter().take(NAMED).map(|tool| tool.as_str()).collect();
            let next = format!("Name one of them: {}.", names.join(", "));
            Err(Failure::new(FailureCode::Invalid, message).next(Advice::text(next)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: [&str; 3] = ["computer", "linux", "search"];

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_tool_is_named_with_its_server_or_without() {
        for (line, expected, arguments) in [
            ("run_shell command=ls", Named::Any("run_shell"), 1),
            (
                "computer__run_shell",
                Named::Of {
                    server: "computer",
                    tool: "run_shell",
                },
                0,
            ),
            ("nobody__run_shell", Named::Any("nobody__run_shell"), 0),
            (
                "computer run_shell command=ls timeout_s=3",
                Named::Of {
                    server: "computer",
                    tool: "run_shell",
                },
                2,
            ),
            // A tool that is called as a server is.
            ("search query=x", Named::Any("search"), 1),
            ("search {\"query\":1}", Named::Any("search"), 1),
            ("search -", Named::Any("search"), 1),
            ("other thing", Named::Any("other"), 1),
        ] {
            let words = words(line);
            let (found, rest) = named(&words, &SERVERS).unwrap();
            assert_eq!((found, rest.len()), (expected, arguments), "{line}");
        }
        assert_eq!(named(&[], &SERVERS), None);
    }

    #[test]
    fn a_name_is_enough_if_one_server_has_it() {
        let tools = words("computer__run_shell linux__run linux__read search__read say");
        let found = |word: &str| listed(&tools, &SERVERS, word);
        assert_eq!(found("run_shell").unwrap(), "computer__run_shell");
        assert_eq!(found("linux__read").unwrap(), "linux__read");
        assert_eq!(found("say").unwrap(), "say");
        let several = found("read").unwrap_err();
        assert!(
            format!("{several:?}").contains("linux__read, search__read"),
            "{several:?}"
        );
        assert!(found("shell").unwrap_err().message.contains("not found"));
        assert!(found("linux").unwrap_err().message.contains("is a server"));
    }
}
