//! The catalogue of coding tools: what each is installed from, called with, and asks for. It is one file,
//! `docker/agents/catalogue.toml`, which is part of this crate; a person's own file changes it key by key.
//!
//! - `tool`, `tool_id`: an entry and its name; `package`, `mode`, `output`, `session`, `acp`, `login`, `hooks`
//!   and `first_run` are its parts
//! - `words`, `command`: words with placeholders, and the command that they become
//! - `check`: what types can't say; `invalid`, `problem`: a value, and an entry, that can't be used
//!
//! How a tool's states are read from its hooks, and how its container is made, is the business of others.

mod acp;
mod check;
mod command;
mod first_run;
mod home_path;
mod hooks;
mod invalid;
mod login;
mod mode;
mod output;
mod package;
mod problem;
mod session;
mod tool;
mod tool_id;
mod words;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use toml::{Table, Value};

pub use self::{
    acp::Acp,
    command::{Conversation, Start},
    first_run::{FileFormat, FirstRunFile},
    home_path::HomePath,
    hooks::{HookSchema, Hooks},
    invalid::Invalid,
    login::{Login, LoginFolder},
    mode::{Mode, Policy},
    output::{Output, OutputFormat},
    package::{Package, Version},
    problem::CatalogueProblem,
    session::{ConversationId, SessionArguments},
    tool::Tool,
    tool_id::ToolId,
    words::{Word, Words},
};

/// The project's own entries.
const BUILT_IN: &str = include_str!("../../../../docker/agents/catalogue.toml");
/// The most that is read of a person's file.
const LARGEST: u64 = 1 << 20;

/// The tools, and which entries of a person's file were left out.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tools: BTreeMap<ToolId, Tool>,
    problems: Vec<CatalogueProblem>,
}

impl Catalogue {
    /// The project's own entries.
    #[must_use]
    pub fn built_in() -> Self {
        Self::read(BUILT_IN, None)
    }

    /// Where a person's own file lies, in Vivarium's config folder.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join("agents/catalogue.toml")
    }

    /// The project's entries with a person's file over them. An entry of that file which can't be used is
    /// left out, with a problem that says why, and the project's entry of that name stays.
    #[must_use]
    pub fn load(config_dir: &Path) -> Self {
        let file = Self::file(config_dir);
        match read_bounded(&file) {
            Ok(None) => Self::built_in(),
            Ok(Some(text)) => Self::read(BUILT_IN, Some((&text, &file))),
            Err(error) => {
                let mut catalogue = Self::built_in();
                let problem = CatalogueProblem::of_file(&file, error.to_string());
                catalogue.problems.push(problem);
                catalogue
            }
        }
    }

    fn read(built_in: &str, own: Option<(&str, &Path)>) -> Self {
        let mut catalogue = Self::default();
        let place = Path::new("catalogue.toml");
        let entries = catalogue.entries(built_in, place);
        for (name, entry) in &entries {
            catalogue.add(name, entry.clone(), built_in, place);
        }
        let Some((text, file)) = own else {
            return catalogue;
        };
        for (name, changes) in catalogue.entries(text, file) {
            let entry = match (entries.get(&name), changes) {
                (Some(Value::Table(entry)), Value::Table(changes)) => {
                    let mut entry = entry.clone();
                    merge(&mut entry, changes);
                    Value::Table(entry)
                }
                (_, entry) => entry,
            };
            catalogue.add(&name, entry, text, file);
        }
        catalogue
    }

    /// The tables below `tool`; none if the file is no TOML or has something else in it.
    fn entries(&mut self, text: &str, file: &Path) -> Table {
        let mut table = match toml::from_str::<Table>(text) {
            Ok(table) => table,
            Err(error) => {
                self.problems
                    .push(CatalogueProblem::of_syntax(file, text, &error));
                return Table::new();
            }
        };
        let entries = table.remove("tool");
        for key in table.keys() {
            let reason = format!("unknown field `{key}`, expected `tool`");
            self.problems.push(CatalogueProblem::of_file(file, reason));
        }
        match entries {
            None => Table::new(),
            Some(Value::Table(entries)) => entries,
            Some(_) => {
                let reason = "`tool` isn't a table".to_owned();
                self.problems.push(CatalogueProblem::of_file(file, reason));
                Table::new()
            }
        }
    }

    fn add(&mut self, name: &str, entry: Value, text: &str, file: &Path) {
        let read = name.parse::<ToolId>().and_then(|id| {
            let tool: Tool = entry.try_into().map_err(|error: toml::de::Error| {
                Invalid(error.message().trim().replace('\n', "; "))
            })?;
            check::check(&tool)?;
            Ok((id, tool))
        });
        match read {
            Ok((id, tool)) => {
                self.tools.insert(id, tool);
            }
            Err(Invalid(reason)) => {
                let problem = CatalogueProblem::of_entry(file, text, name, reason);
                self.problems.push(problem);
            }
        }
    }

    /// An entry.
    #[must_use]
    pub fn tool(&self, id: &ToolId) -> Option<&Tool> {
        self.tools.get(id)
    }

    /// All entries, by name.
    pub fn tools(&self) -> impl Iterator<Item = (&ToolId, &Tool)> {
        self.tools.iter()
    }

    /// What was left out, and why.
    #[must_use]
    pub fn problems(&self) -> &[CatalogueProblem] {
        &self.problems
    }
}

/// Tables are merged, everything else is replaced.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// `None` if there is no such file.
fn read_bounded(file: &Path) -> std::io::Result<Option<String>> {
    let opened = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    opened.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(std::io::Error::other("the file is larger than 1 MiB")),
        false => Ok(Some(text)),
    }
}

#[cfg(test)]
mod tests;
