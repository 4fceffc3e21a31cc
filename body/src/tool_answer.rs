//! What tools of our MCP servers answer: texts of a bounded length, pictures, and how a cell ended.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;
use wire::kernel::{CellError, ExecStatus};

/// How much of a text a tool answers with: more would fill the caller's memory.
const LONGEST: usize = 100_000;
/// How many pictures of a cell are shown.
const PICTURES: usize = 8;

/// How a cell ended that did not complete.
fn unfinished(status: ExecStatus) -> &'static str {
    match status {
        ExecStatus::Completed => "The cell completed.",
        ExecStatus::Failed => "The cell failed.",
        ExecStatus::Interrupted => "The cell was interrupted.",
        ExecStatus::Timeout => "The cell timed out.",
        ExecStatus::Died => "The kernel died while the cell was running.",
    }
}

/// Parts of a text, each on lines of its own.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// Adds one, behind a head of its own; nothing if it is empty.
    pub fn part(&mut self, head: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.0.is_empty() && !self.0.ends_with('\n') {
            self.0.push('\n');
        }
        self.0.push_str(head);
        self.0.push_str(text);
    }
}

/// What came of a cell, as a model reads it.
pub fn cell(
    status: ExecStatus,
    stdout: &str,
    stderr: &str,
    result: Option<&str>,
    error: Option<&CellError>,
) -> Text {
    let mut text = Text::default();
    text.part("", stdout);
    text.part("stderr:\n", stderr);
    text.part("", result.unwrap_or_default());
    text.part("", error.map_or("", |error| error.traceback.as_str()));
    if status != ExecStatus::Completed {
        text.part("", unfinished(status));
    }
    text
}

/// An error with a traceback of a bounded length, in plain text.
pub fn plain(error: CellError) -> CellError {
    CellError {
        traceback: cut(without_colours(&error.traceback)),
        ..error
    }
}

/// The answer of a tool: a text for the model, the same with all its fields for programs.
pub fn answered(text: Text, shown: &impl Serialize, failed: bool) -> CallToolResult {
    // Its keys are names, so that it always is JSON.
    let structured = serde_json::to_value(shown).unwrap_or_default();
    let text = if text.0.is_empty() {
        "(no output)".to_owned()
    } else {
        text.0
    };
    let mut result = CallToolResult::structured(structured);
    result.content = vec![ContentBlock::text(text)];
    result.is_error = Some(failed);
    result
}

/// PNG and JPEG pictures among a cell's outputs.
pub fn pictures(outputs: &[Value]) -> Vec<ContentBlock> {
    let of = |output: &Value| {
        ["image/png", "image/jpeg"].iter().find_map(|kind| {
            let data = output["data"][kind].as_str()?;
            Some(ContentBlock::image(data.replace('\n', ""), *kind))
        })
    };
    outputs.iter().filter_map(of).take(PICTURES).collect()
}

/// The beginning and the end of a text that is too long.
pub fn cut(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let head = text.floor_char_boundary(LONGEST / 2);
    let tail = text.ceil_char_boundary(text.len() - LONGEST / 2);
    format!(
        "{}\n[… {} bytes omitted …]\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

/// Without the escapes that colour a traceback.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_both_ends_and_whole_letters() {
        assert_eq!(cut("ä".to_owned()), "ä");
        let long = format!("<{}>", "ä".repeat(LONGEST));
        let short = cut(long);
        assert!(
            short.starts_with("<ä") && short.ends_with("ä>") && short.contains("bytes omitted")
        );
        assert!(short.len() < LONGEST + 100);
    }

    #[test]
    fn tracebacks_lose_their_colours() {
        assert_eq!(without_colours("\x1b[0;31mError\x1b[39m: x"), "Error: x");
    }
}
