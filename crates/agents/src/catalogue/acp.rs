//! How a tool speaks the Agent Client Protocol.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Package;

/// A program that speaks it over its stdin and stdout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acp {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The adapter, if the tool doesn't speak it itself. No image has it yet.
    pub package: Option<Package>,
    /// Variables that the adapter needs.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}
