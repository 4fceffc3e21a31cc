//! How a notebook file is laid out: its indent, its ends of lines, its separators. A new one is laid out
//! as nbformat does it.

use std::fmt::Write;

use serde_json::Value;

use super::tree::{Kind, Node};

/// What is between the values of a file.
#[derive(Debug)]
pub(super) struct Layout {
    /// An end of a line and the indent of each level; none where all is in one line.
    breaks: Option<(&'static str, String)>,
    /// Between fields in one line.
    pub(super) comma: String,
    /// Between a name and its value.
    pub(super) colon: String,
    /// Letters beyond ASCII are escaped.
    is_ascii: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            breaks: Some(("\n", " ".into())),
            comma: ", ".into(),
            colon: ": ".into(),
            is_ascii: false,
        }
    }
}

impl Layout {
    /// That of a text, as its root shows it.
    pub(super) fn of(text: &str, root: &Node) -> Self {
        let Kind::Object(fields) = &root.kind else {
            return Self::default();
        };
        let Some(first) = fields.first() else {
            return Self::default();
        };
        let gap = &text[root.place.start + 1..first.name.start];
        let breaks = gap.rsplit_once('\n').map(|(before, indent)| {
            let newline = if before.ends_with('\r') { "\r\n" } else { "\n" };
            (newline, indent.to_owned())
        });
        let comma = match (fields.get(1), &breaks) {
            (Some(second), None) => text[first.value.place.end..second.name.start].to_owned(),
            _ => ", ".to_owned(),
        };
        Self {
            breaks,
            comma,
            colon: text[first.name.end..first.value.place.start].to_owned(),
            is_ascii: text.is_ascii() && escapes_letters(text),
        }
    }

    /// A text in quotation marks.
    pub(super) fn quoted(&self, text: &str) -> String {
        let quoted = Value::from(text).to_string();
        if !self.is_ascii || quoted.is_ascii() {
            return quoted;
        }
        let mut out = String::with_capacity(quoted.len() * 2);
        for letter in quoted.chars() {
            if letter.is_ascii() {
                out.push(letter);
                continue;
            }
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    }

    /// Writes a value that lies so deep.
    pub(super) fn write(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::String(text) => out.push_str(&self.quoted(text)),
            Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.separate(at == 0, depth + 1, out);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(']');
            }
            Value::Object(fields) if !fields.is_empty() => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                out.push('{');
                for (at, (name, field)) in fields.into_iter().enumerate() {
                    self.separate(at == 0, depth + 1, out);
                    out.push_str(&self.quoted(name));
                    out.push_str(&self.colon);
                    self.write(field, depth + 1, out);
                }
                self.line(depth, out);
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn separate(&self, is_first: bool, depth: usize, out: &mut String) {
        if !is_first {
            out.push_str(if self.breaks.is_some() {
                ","
            } else {
                &self.comma
            });
        }
        self.line(depth, out);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some((newline, indent)) = &self.breaks {
            out.push_str(newline);
            out.push_str(&indent.repeat(depth));
        }
    }
}

/// A notebook that is in no file yet.
pub(super) fn written(content: &Value) -> String {
    let mut out = String::new();
    Layout::default().write(content, 0, &mut out);
    out.push('\n');
    out
}

/// A text as a list of its lines, with their ends.
pub(super) fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}

/// Whether a text has an escape of what is beyond ASCII.
fn escapes_letters(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (escape, after) = rest[at + 1..].split_at(1);
        let digits = after.get(..4).unwrap_or_default();
        if escape == "u" && u16::from_str_radix(digits, 16).is_ok_and(|unit| unit > 0x7f) {
            return true;
        }
        rest = after;
    }
    false
}
