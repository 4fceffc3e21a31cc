//! An entry of the catalogue.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Acp, FirstRunFile, Hooks, Login, Mode, Output, Package, SessionArguments, Version, Words,
};

/// A coding tool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name for people.
    pub title: String,
    /// Where its documentation is.
    pub home_page: Option<String>,
    /// Its program, by name: in the image it is found on the path.
    pub binary: String,
    /// What its image installs; `None` for the shell, and for what isn't built.
    pub package: Option<Package>,
    /// Why the project has no image of it.
    pub not_built: Option<String>,
    /// Base image that it needs instead of the usual one.
    pub base: Option<String>,
    /// Its arguments in a terminal; `None` if it has no such face.
    pub interactive: Option<Words>,
    /// Its arguments for one prompt, after which it ends; `None` if it can't.
    pub unattended: Option<Words>,
    /// Arguments that carry a prompt.
    #[serde(default)]
    pub prompt: Words,
    /// Arguments that begin or go on with a conversation.
    #[serde(default)]
    pub session: SessionArguments,
    /// The same for `unattended`, if they are others.
    pub unattended_session: Option<SessionArguments>,
    /// What it prints for programs.
    pub output: Option<Output>,
    /// How much it asks, the most careful first.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// The mode that is used if the person chose none.
    pub default_mode: Option<String>,
    /// Variables that hold keys, of which one is enough.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Variables that are always set, such as those that turn its own updates off.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Its hooks; `None` if it has none.
    pub hooks: Option<Hooks>,
    /// The Agent Client Protocol; `None` if it doesn't speak it.
    pub acp: Option<Acp>,
    /// Its log-in; `None` if it takes keys alone.
    pub login: Option<Login>,
    /// Files that answer what it would ask at its first start.
    #[serde(default)]
    pub first_run: Vec<FirstRunFile>,
}

impl Tool {
    /// The version that its image is to have.
    #[must_use]
    pub fn pinned_version(&self) -> Option<&Version> {
        self.package.as_ref().map(Package::version)
    }

    /// A permission mode by its id.
    #[must_use]
    pub fn mode(&self, id: &str) -> Option<&Mode> {
        self.modes.iter().find(|mode| mode.id == id)
    }
}
