//! Text that comes from inside a machine, as a terminal may draw it: a machine must not move the
//! cursor, set titles, write to the clipboard or pass for another line of ours.

use std::borrow::Cow;

/// Longest colour sequence that is waited for; real ones are far shorter.
const LONGEST_COLOUR: usize = 64;

/// Text of several lines: control characters other than newline and tab are made visible.
pub fn text(text: &str) -> Cow<'_, str> {
    visible(text, |c| c == '\n' || c == '\t')
}

/// Text of one line: its newlines are made visible too.
pub fn row(text: &str) -> Cow<'_, str> {
    visible(text, |_| false)
}

/// JSON in which nothing is left that a terminal would take for a command. It means the same.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_command) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_command(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn visible(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let odd = |c: char| is_command(c) && !keep(c);
    if !text.chars().any(odd) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if odd(c) {
            push_visible(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// Control characters of both sets, what ends a line, and what changes the order of letters.
fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Unicode has pictures of the first control characters; others are written as their number.
fn push_visible(out: &mut String, c: char) {
    match u32::from(c) {
        code @ 0..0x20 => out.extend(char::from_u32(0x2400 + code)),
        0x7f => out.push('\u{2421}'),
        code => out.push_str(&format!("\\u{{{code:x}}}")),
    }
}

/// What a person's own program says, on a terminal: colours and carriage returns work, as progress
/// bars need them; all other commands are made visible. It comes in pieces.
#[derive(Debug, Default)]
pub struct ProgramText {
    /// Beginning of a colour sequence whose end may come yet.
    rest: String,
    coloured: bool,
}

impl ProgramText {
    /// Takes a piece; answers what may be drawn of it.
    pub fn push(&mut self, piece: &str) -> String {
        let whole = std::mem::take(&mut self.rest) + piece;
        let mut out = String::with_capacity(whole.len());
        let mut left = whole.as_str();
        while let Some(at) = left.find(is_command) {
            out.push_str(&left[..at]);
            left = &left[at..];
            match colour(left) {
                Colour::Whole(length) => {
                    self.coloured = true;
                    out.push_str(&left[..length]);
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
    fn what_a_terminal_would_obey_is_made_visible() {
        let copies = "a\x1b]52;c;aGk=\x07b\n\tc\x1b[2J";
        assert_eq!(text(copies), "a␛]52;c;aGk=␇b\n\tc␛[2J");
        assert_eq!(row("one\ntwo\r"), "one␊two␍");
        assert_eq!(text("\u{9b}2J\u{7f}"), "\\u{9b}2J␡");
        assert_eq!(text("txt.\u{202e}exe"), "txt.\\u{202e}exe");
        assert!(matches!(text("plain ä 漢 👩‍💻"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same_and_commands_nothing() {
        let value = serde_json::json!({"a": "\u{9b}2J\u{7f}\u{202e}\x1b"});
        let shown = json(&value.to_string()).into_owned();
        assert!(!shown.chars().any(is_command), "{shown}");
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
        let mut program = ProgramText::default();
        assert_eq!(program.push("a\x1b[3"), "a");
        assert_eq!(program.end(), "␛[3");
        let long = format!("\x1b[{}", "1;".repeat(100));
        assert!(program.push(&long).starts_with('␛'));
    }
}
