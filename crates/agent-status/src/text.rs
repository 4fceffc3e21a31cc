//! Text that comes from inside a container, and text that goes into its terminal.

/// At most so many bytes of a text, cut between two characters.
pub fn bounded(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// A text for people, of at most so many bytes: without control characters, and without those that
/// turn the direction of writing.
pub fn shown(text: &str, most: usize) -> String {
    let plain = |character: char| match character {
        '\n' | '\t' => ' ',
        other => other,
    };
    let text: String = bounded(text, most.saturating_mul(4))
        .chars()
        .map(plain)
        .filter(|character| !character.is_control() && !turns(*character))
        .collect();
    bounded(&text, most).to_owned()
}

fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A prompt as it is pasted into a terminal: any Unicode and many lines, but nothing that a terminal or
/// its program takes for more than text. Ends of lines are those of Unix.
pub fn paste(prompt: &str) -> String {
    let prompt = prompt.replace("\r\n", "\n").replace('\r', "\n");
    let plain = |character: &char| matches!(character, '\n' | '\t') || !character.is_control();
    prompt.chars().filter(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_keeps_its_characters_and_loses_its_controls() {
        let all: String = ('\0'..='\u{9f}').collect();
        let left = paste(&all);
        assert!(
            left.chars()
                .all(|it| !it.is_control() || it == '\n' || it == '\t')
        );
        for kept in ["a", "~", "\t", "\n"] {
            assert!(left.contains(kept), "{kept:?}");
        }
        assert_eq!(
            paste("a\x1b[201~\r\nb\rc\u{9b}31m ü 漢 🦀"),
            "a[201~\nb\nc31m ü 漢 🦀"
        );
    }

    #[test]
    fn what_is_shown_is_one_line_of_a_bounded_length() {
        assert_eq!(shown("a\nb\x1b[31m\u{202e}c", 100), "a b[31mc");
        assert_eq!(shown("üü", 3), "ü");
        assert!(shown(&"x".repeat(10_000), 64).len() <= 64);
    }
}
