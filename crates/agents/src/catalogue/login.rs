//! A tool's log-in.

use serde::Deserialize;

use super::HomePath;

/// How a person logs in, once for all agents of an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Logs in, in a terminal.
    pub command: Vec<String>,
    /// Says who is logged in.
    pub status: Option<Vec<String>>,
    /// What agents of an account share.
    pub folders: Vec<LoginFolder>,
}

/// A folder of the agent's home that agents of an account share, or some files of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginFolder {
    /// Where it lies.
    pub path: HomePath,
    /// Variable that tells the tool so.
    pub variable: Option<String>,
    /// Names of the files that are shared; all if there are none. The rest is the agent's own.
    #[serde(default)]
    pub only: Vec<String>,
}
