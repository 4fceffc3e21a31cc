//! One `mcp.json`: the servers that it names, in the forms in which clients write such files, and
//! changes to it. Each entry is judged by itself: one that can't be used takes no other with it.

use std::{collections::BTreeMap, ops::Range, path::Path};

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use wire::mcp::{McpFileProblem, McpServerEntry};

use super::{
    entry::{ServerError, check, check_name, names_server, plain},
    entry_form::{self, FormError},
    jsonc,
};

/// A larger file is not read.
const LARGEST: usize = 4 << 20;
/// Problems that are told of one file.
const TOLD: usize = 64;
/// Of a name that is told.
const LETTERS: usize = 64;

/// Where clients keep servers in their files, from the top on; the first place that has a name
/// counts. The first is Claude's, Cursor's, Windsurf's and Gemini's, the others are VS Code's,
/// that of its settings, and Zed's.
const PLACES: [&[&str]; 4] = [
    &["mcpServers"],
    &["servers"],
    &["mcp", "servers"],
    &["context_servers"],
];
/// What else may stand at the top of a file without a word.
const PLAIN: [&str; 5] = ["$schema", "mcpServers", "servers", "mcp", "context_servers"];

/// Why a file can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("it is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    #[error("it is not valid UTF-8")]
    NoText,
    #[error("it is not valid JSON: {0}")]
    Odd(#[from] serde_json::Error),
    #[error("it must contain an object")]
    NoObject,
}

/// Why an entry can't be used.
#[derive(Debug, thiserror::Error)]
enum EntryFault {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// What a file says.
#[derive(Debug, Default)]
pub struct ConfigFile {
    pub entries: BTreeMap<String, McpServerEntry>,
    pub problems: Vec<McpFileProblem>,
}

/// A change of one server.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    Put(&'a McpServerEntry),
    /// Turned on or off, with all else of its entry kept; made if there is none.
    Turn(bool),
    Remove,
}

/// Reads a file; one that isn't there says nothing.
pub fn read(path: &Path) -> Result<ConfigFile, FileError> {
    parse(&text(path)?)
}

/// A file's text.
pub fn text(path: &Path) -> Result<String, FileError> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > LARGEST as u64 => return Err(FileError::TooLarge),
        _ => {}
    }
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| FileError::NoText),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok("{}".to_owned()),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file's text.
pub fn parse(text: &str) -> Result<ConfigFile, FileError> {
    let plain = jsonc::strict(text);
    // Its words name line and column.
    let _: IgnoredAny = serde_json::from_str(&plain)?;
    let top = jsonc::members(&plain, 0..plain.len()).ok_or(FileError::NoObject)?;
    let mut file = ConfigFile::default();
    let mut found = false;
    for place in PLACES {
        let Some(object) = at(&plain, place) else {
            continue;
        };
        found = true;
        let Some(members) = jsonc::members(&plain, object) else {
            let problem = format!("{:?} must be an object", place.join("."));
            file.tell(None, false, problem);
            continue;
        };
        for (number, member) in members.iter().enumerate() {
            if members[number + 1..]
                .iter()
                .any(|other| other.name == member.name)
            {
                let problem = "listed more than once; the last entry is used".to_owned();
                file.tell(Some(&member.name), false, problem);
                continue;
            }
            file.take(&member.name, &plain[member.value.clone()]);
        }
    }
    let other: Vec<&str> = top
        .iter()
        .map(|member| &*member.name)
        .filter(|name| !PLAIN.contains(name) && *name != "inputs")
        .collect();
    if jsonc::find(&top, "inputs").is_some() {
        let problem = "\"inputs\" are not supported: store values with \"vivarium secret set\" and write ${NAME}";
        file.tell(None, false, problem.to_owned());
    }
    if !found && !top.is_empty() {
        let problem = "no servers found: \"mcpServers\" or \"servers\" is missing".to_owned();
        file.tell(None, false, problem);
    } else if !other.is_empty() {
        let names: Vec<String> = other.iter().take(8).map(|name| short(name)).collect();
        let problem = format!("not used: {}", names.join(", "));
        file.tell(None, false, problem);
    }
    Ok(file)
}

impl ConfigFile {
    /// Takes an entry, or says why not.
    fn take(&mut self, name: &str, text: &str) {
        if self.entries.contains_key(name) {
            let problem = "listed in more than one place; the first entry is used".to_owned();
            return self.tell(Some(name), false, problem);
        }
        match entry(name, text) {
            Ok((entry, notes)) => {
                for note in notes {
                    self.tell(Some(name), false, note);
                }
                self.entries.insert(name.to_owned(), entry);
            }
            Err(fault) => self.tell(Some(name), true, fault.to_string()),
        }
    }

    fn tell(&mut self, server: Option<&str>, left_out: bool, problem: String) {
        if self.problems.len() < TOLD {
            self.problems.push(McpFileProblem {
                server: server.map(|name| name.chars().take(LETTERS).collect()),
                left_out,
                problem,
            });
        }
    }
}

fn short(name: &str) -> String {
    let cut: String = name.chars().take(LETTERS).collect();
    format!("{cut:?}")
}

fn entry(name: &str, text: &str) -> Result<(McpServerEntry, Vec<String>), EntryFault> {
    check_name(name)?;
    // It was read as a part of the whole.
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let form = entry_form::read(&value)?;
    let mut notes: Vec<String> = form.notes.iter().map(ToString::to_string).collect();
    if names_server(&form.entry) {
        check(name, &form.entry)?;
    } else if form.entry != switch(&form.entry) {
        let note = "without \"command\" or \"url\" only \"disabled\" is used";
        notes.push(note.to_owned());
    }
    Ok((form.entry, notes))
}

/// What an entry without a server says of the one below it.
pub fn switch(entry: &McpServerEntry) -> McpServerEntry {
    McpServerEntry {
        disabled: entry.disabled,
        ..McpServerEntry::default()
    }
}

/// Where something lies by its names from the top on.
fn at(plain: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut place = 0..plain.len();
    for step in path {
        let members = jsonc::members(plain, place)?;
        place = jsonc::find(&members, step)?.value.clone();
    }
    Some(place)
}

/// A file's text with one server changed and all else as it was; none if that can't be.
pub fn changed(text: &str, name: &str, change: Change<'_>) -> Option<String> {
    let plain = jsonc::strict(text);
    let with = |place: &&&[&str]| at(&plain, &[**place, &[name]].concat()).is_some();
    let holding = PLACES.iter().find(with);
    let place = holding.or_else(|| PLACES.iter().find(|place| at(&plain, place).is_some()));
    let place = *place.unwrap_or(&PLACES[0]);
    match change {
        Change::Put(entry) => jsonc::set(text, place, name, &self::plain(entry)),
        Change::Turn(on) => {
            let own = [place, &[name]].concat();
            let mut text = jsonc::set(text, &own, "disabled", &json!(!on))?;
            // Of clients that say it the other way round.
            if at(&plain, &[&*own, &["enabled"]].concat()).is_some() {
                text = jsonc::set(&text, &own, "enabled", &json!(on))?;
            }
            Some(text)
        }
        Change::Remove => PLACES.iter().try_fold(text.to_owned(), |text, place| {
            jsonc::remove(&text, place, name)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &ConfigFile) -> Vec<String> {
        let line = |one: &McpFileProblem| {
            let server = one.server.as_deref().unwrap_or("file");
            format!("{server} {} {}", one.left_out, one.problem)
        };
        file.problems.iter().map(line).collect()
    }

    #[test]
    fn an_entry_that_can_not_be_used_takes_no_other_with_it() {
        let file = parse(
            r#"{
              // as people write it
              "mcpServers": {
                "my server": {"command": "a"},
                "number": {"command": "a", "env": {"PORT": 8080}},
                "nothing": {"command": "a", "env": {"X": null}},
                "list": {"command": "a", "env": {"X": []}},
                "both": {"command": "a", "url": "https://x"},
                "secret": {"url": "https://x", "headers": {"A": "${input:a}"}},
                "good": {"command": "a", "args": ["1",],},
              },
            }"#,
        )
        .unwrap();
        let names: Vec<&str> = file.entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["good", "nothing", "number"]);
        assert_eq!(file.entries["number"].env["PORT"], "8080");
        let told = told(&file);
        for (name, word) in [
            ("my server", "invalid server name"),
            ("list", "\"env.X\" must be a string"),
            ("both", "not both"),
            ("secret", "${input:a}"),
        ] {
            let begins = format!("{name} true");
            let of = |line: &&String| line.starts_with(&begins) && line.contains(word);
            assert!(told.iter().any(|line| of(&line)), "{name}: {told:?}");
        }
        assert!(
            told.iter().any(|line| line.starts_with("nothing false")),
            "{told:?}"
        );
        assert_eq!(told.len(), 5, "{told:?}");
    }

    #[test]
    fn files_of_other_clients_are_read() {
        for text in [
            r#"{"servers": {"a": {"type": "http", "url": "https://x/mcp"}}}"#,
            r#"{"mcp": {"servers": {"a": {"url": "https://x/mcp"}}}}"#,
            r#"{"context_servers": {"a": {"url": "https://x/mcp"}}}"#,
            r#"{"mcpServers": {"a": {"serverUrl": "https://x/mcp"}}}"#,
            r#"{"mcpServers": {"a": {"httpUrl": "https://x/mcp"}}}"#,
        ] {
            let file = parse(text).unwrap();
            assert_eq!(
                file.entries["a"].url.as_deref(),
                Some("https://x/mcp"),
                "{text}"
            );
            assert_eq!(told(&file), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_a_file_says_for_nothing_is_told() {
        for (text, word) in [
            (
                r#"{"mcpserver": {"a": {"command": "x"}}}"#,
                "no servers found",
            ),
            (
                r#"{"servers": {}, "inputs": [], "$schema": "x"}"#,
                "\"inputs\" are not supported",
            ),
            (r#"{"mcpServers": {}, "theme": 1}"#, "not used: \"theme\""),
            (
                r#"{"mcpServers": [], "servers": {}}"#,
                "\"mcpServers\" must be an object",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}"#,
                "more than once",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "y"}}, "servers": {"a": {"command": "x"}}}"#,
                "more than one place",
            ),
            (
                r#"{"mcpServers": {"a": {"env": {"A": "1"}}}}"#,
                "only \"disabled\" is used",
            ),
        ] {
            let file = parse(text).unwrap();
            let told = told(&file);
            assert!(
                told.len() == 1 && told[0].contains(word),
                "{text}: {told:?}"
            );
            if let Some(entry) = file.entries.get("a") {
                assert_ne!(entry.command.as_deref(), Some("x"), "{text}");
            }
        }
        assert!(told(&parse("{}").unwrap()).is_empty());
    }

    #[test]
    fn a_file_that_is_none_says_where() {
        let words = |text: &str| parse(text).unwrap_err().to_string();
        assert!(words("{\n  \"mcpServers\": {\n  oops\n}}").contains("line 3"));
        assert!(words("[]").contains("object"));
        assert!(matches!(parse(""), Err(FileError::Odd(_))));
    }

    #[test]
    fn a_server_is_changed_where_it_stands() {
        let text = "{\"servers\": {\n  // mine\n  \"a\": {\"url\": \"https://u\", \"enabled\": false}\n}, \"inputs\": []}";
        let on = changed(text, "a", Change::Turn(true)).unwrap();
        assert!(
            on.contains("// mine") && on.contains("\"enabled\": true"),
            "{on}"
        );
        assert!(!parse(&on).unwrap().entries["a"].disabled);
        let entry = McpServerEntry {
            url: Some("https://x".to_owned()),
            ..McpServerEntry::default()
        };
        let put = changed(text, "b", Change::Put(&entry)).unwrap();
        assert_eq!(parse(&put).unwrap().entries["b"], entry);
        assert!(!put.contains("mcpServers"), "{put}");
        let removed = changed(text, "a", Change::Remove).unwrap();
        assert!(parse(&removed).unwrap().entries.is_empty());
        let first = changed("{}", "b", Change::Turn(false)).unwrap();
        assert!(parse(&first).unwrap().entries["b"].disabled);
        assert_eq!(
            changed("{\"mcpServers\": 7}", "b", Change::Put(&entry)),
            None
        );
    }
}
