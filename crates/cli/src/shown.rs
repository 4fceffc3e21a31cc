//! What comes from inside a machine in forms that only a terminal has: JSON that is printed, and a
//! program's own output with its colours. Plain text is [`app::untrusted`]'s.

use std::borrow::Cow;

use app::untrusted::{is_unseen, push_visible, text};

/// Longest colour sequence that is waited for; real ones are far shorter.
const LONGEST_COLOUR: usize = 64;

/// JSON in which nothing is left that can't be seen, or that a terminal would take for a command. It
/// means the same.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// What a person's own program says, on a terminal: colours and carriage returns work, as progress
/// bars need them; all other commands are made visible. It comes in pieces.
#[derive(Debug, Default)]
pub struct ProgramText {
    /// Beginning of a colour sequence whose end may come yet.
    rest: String,
    coloured: bool,
    /// Whether colours are left out.
    is_plain: bool,
}

impl ProgramText {
    /// Text with colours, unless the person wants none (`NO_COLOR`, no-color.org).
    pub fn wanted() -> Self {
        Self {
            is_plain: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            ..Self::default()
        }
    }

    /// Takes a piece; answers what may be drawn of it.
    pub fn push(&mut self, piece: &str) -> String {
        let whole = std::mem::take(&mut self.rest) + piece;
        let mut out = String::with_capacity(whole.len());
        let mut left = whole.as_str();
        while let Some(at) = left.find(is_unseen) {
            out.push_str(&left[..at]);
            left = &left[at..];
            match colour(left) {
                Colour::Whole(length) => {
                    if !self.is_plain {
                        self.coloured = true;
                        out.push_str(&left[..length]);
                    }
                    left = &left[length..];
                    continue;
                }
                Colour::Begun if left.len() < LONGEST_COLOUR => {
                    self.rest = left.to_owned();
                    return out;
                }
                Colour::Begun | Colour::None => {}
            }
            let mut chars = left.chars();
            if let Some(c) = chars.next() {
                if matches!(c, '\n' | '\t' | '\r') {
                    out.push(c);
                } else {
                    push_visible(&mut out, c);
                }
            }
            left = chars.as_str();
        }
        out.push_str(left);
        out
    }

    /// What is left at the end: a sequence that never ended, and the terminal's own colours.
    pub fn end(&mut self) -> String {
        let mut out = text(&std::mem::take(&mut self.rest)).into_owned();
        if std::mem::take(&mut self.coloured) {
            out.push_str("\x1b[0m");
        }
        out
    }
}

enum Colour {
    /// So many bytes.
    Whole(usize),
    Begun,
    None,
}

/// `ESC [ numbers m` at the beginning of a text.
fn colour(text: &str) -> Colour {
    let Some(rest) = text.strip_prefix('\x1b') else {
        return Colour::None;
    };
    if rest.is_empty() {
        return Colour::Begun;
    }
    let Some(rest) = rest.strip_prefix('[') else {
        return Colour::None;
    };
    let is_number = |c: char| c.is_ascii_digit() || c == ';' || c == ':';
    let numbers = rest.len() - rest.trim_start_matches(is_number).len();
    match rest[numbers..].chars().next() {
        Some('m') => Colour::Whole(numbers + 3),
        Some(_) => Colour::None,
        None => Colour::Begun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_commands_nothing() {
        let value = serde_json::json!({"a": "\u{9b}2J\u{7f}\u{202e}\x1b\u{e0041}"});
        let shown = json(&value.to_string()).into_owned();
        assert!(!shown.chars().any(is_unseen), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn a_program_may_colour_and_nothing_else() {
        let all = "\x1b[1;31mred\x1b[0m 10%\r20%\n\x1b[2J\x1b]0;title\x07\x1b[H";
        let expected = "\x1b[1;31mred\x1b[0m 10%\r20%\n␛[2J␛]0;title␇␛[H";
        assert_eq!(ProgramText::default().push(all), expected);
        // However it is cut.
        for at in (0..=all.len()).filter(|at| all.is_char_boundary(*at)) {
            let mut program = ProgramText::default();
            let drawn = program.push(&all[..at]) + &program.push(&all[at..]);
            assert_eq!(drawn, expected, "{at}");
            assert_eq!(program.end(), "\x1b[0m");
        }
        let mut plain = ProgramText {
            is_plain: true,
            ..ProgramText::default()
        };
        let drawn = "red 10%\r20%\n␛[2J␛]0;title␇␛[H";
        assert_eq!(
            (plain.push(all), plain.end()),
            (drawn.into(), String::new())
        );
        let mut program = ProgramText::default();
        assert_eq!(program.push("a\x1b[3"), "a");
        assert_eq!(program.end(), "␛[3");
        let long = format!("\x1b[{}", "1;".repeat(100));
        assert!(program.push(&long).starts_with('␛'));
    }
}
