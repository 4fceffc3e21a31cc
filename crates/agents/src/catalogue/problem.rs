//! An entry of a catalogue that can't be used.

use std::path::{Path, PathBuf};

/// What was left out, where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}: {reason}", file.display(),
    line.map(|line| format!(", line {line}")).unwrap_or_default(),
    tool.as_ref().map(|tool| format!(": tool {tool}")).unwrap_or_default())]
pub struct CatalogueProblem {
    /// The catalogue's file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<usize>,
    /// The entry, if only that was left out.
    pub tool: Option<String>,
    /// Why.
    pub reason: String,
}

impl CatalogueProblem {
    /// The whole file can't be read, or something in it is no entry.
    pub(super) fn of_file(file: &Path, reason: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            tool: None,
            reason,
        }
    }

    /// The file is no TOML.
    pub(super) fn of_syntax(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|span| {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            before.iter().filter(|byte| **byte == b'\n').count() + 1
        });
        Self {
            line,
            ..Self::of_file(file, error.message().trim().replace('\n', "; "))
        }
    }

    /// One entry.
    pub(super) fn of_entry(file: &Path, text: &str, tool: &str, reason: String) -> Self {
        Self {
            line: line_of(text, tool),
            tool: Some(tool.to_owned()),
            ..Self::of_file(file, reason)
        }
    }
}

/// The first line with a header of the entry.
fn line_of(text: &str, tool: &str) -> Option<usize> {
    let opens = |line: &str| {
        let header = line.trim_start().trim_start_matches('[');
        let rest = header.strip_prefix("tool.");
        let rest = rest.map(|rest| rest.trim_start_matches('"'));
        rest.and_then(|rest| rest.strip_prefix(tool))
            .is_some_and(|rest| rest.starts_with([']', '.', '"']))
    };
    text.lines().position(opens).map(|index| index + 1)
}
