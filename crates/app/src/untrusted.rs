//! Text that comes from inside a machine, made fit to be shown outside of it: on a terminal, in a
//! notification, in the tray. A machine must not move the cursor, set titles, write to the
//! clipboard, hide letters, or pass for another line of ours. The pages have the same rules in
//! `ui/src/shared/untrusted.ts`.

use std::borrow::Cow;

/// Text of several lines: what can't be seen is made visible, but for newlines and tabs.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    visible(text, |c| c == '\n' || c == '\t')
}

/// Text of one line: its newlines and tabs are made visible too.
#[must_use]
pub fn row(text: &str) -> Cow<'_, str> {
    visible(text, |_| false)
}

/// The beginning of a text as one line of so many characters at most, for places of the system that
/// show a line or two. White space of any kind is one blank.
#[must_use]
pub fn sentence(text: &str, longest: usize) -> String {
    let mut letters: Vec<char> = Vec::new();
    for word in text.split_whitespace() {
        if !letters.is_empty() {
            letters.push(' ');
        }
        letters.extend(row(word).chars());
        if letters.len() > longest {
            letters.truncate(longest.saturating_sub(1));
            while letters.last() == Some(&' ') {
                letters.pop();
            }
            letters.push('…');
            break;
        }
    }
    letters.into_iter().collect()
}

/// Whether a character can't be seen: controls of both sets, ends of lines, what changes the order
/// of letters, zero widths, tags.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Writes an unseen character visibly: Unicode has pictures of the first control characters; others
/// are written as their number.
pub fn push_visible(out: &mut String, c: char) {
    match u32::from(c) {
        code @ 0..0x20 => out.extend(char::from_u32(0x2400 + code)),
        0x7f => out.push('\u{2421}'),
        code => out.push_str(&format!("\\u{{{code:x}}}")),
    }
}

fn visible(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let odd = |c: char| is_unseen(c) && !keep(c);
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

/// A program's own log on stderr. Messages may quote what comes from inside a machine, so that they
/// are written as plain text; the log has no colours of its own.
#[derive(Debug, Default)]
pub struct LogWriter;

impl std::io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        std::io::stderr().lock().write_all(text(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
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
    fn a_sentence_is_one_short_line() {
        assert_eq!(
            sentence(" one\r\n\ttwo\u{2028}three\u{85}", 100),
            "one two three"
        );
        assert_eq!(sentence("\x1b[2Ja\u{202e}b", 100), "␛[2Ja\\u{202e}b");
        assert_eq!(sentence("word word", 9), "word word");
        assert_eq!(sentence("word wordy", 9), "word wor…");
        assert_eq!(sentence("word w", 5), "word…");
        for longest in 0..40 {
            let cut = sentence(&"漢字 \u{202e}e\u{301} ".repeat(1000), longest);
            assert!(cut.chars().count() <= longest.max(1), "{longest}: {cut}");
        }
    }

    /// The pages make the same characters visible: both compare theirs with one list.
    #[test]
    fn the_pages_take_the_same_characters_for_unseen() {
        let list = include_str!("../../../ui/src/shared/unseen.json");
        let listed: Vec<(u32, u32)> = serde_json::from_str(list).unwrap();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for c in '\0'..=char::MAX {
            let code = u32::from(c);
            if text(c.encode_utf8(&mut [0; 4])) == c.to_string() {
                continue;
            }
            match found.last_mut() {
                Some((_, last)) if *last + 1 == code => *last = code,
                _ => found.push((code, code)),
            }
        }
        assert_eq!(found, listed);
    }
}
