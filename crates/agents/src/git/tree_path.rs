//! A path in a tree: bytes that whoever committed it chose.

use std::fmt::{self, Write};

/// Path from the root of a tree, with `/` between names.
///
/// It is displayed so that a person sees all of it and different paths look different: a byte that
/// isn't UTF-8 as `\xff`, a backslash as `\\`, and a character that can't be seen or turns the
/// direction of the text as `⟨U+202E⟩`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// From the names' bytes, with `/` between them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The names' bytes, with `/` between them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names from the root on.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The last name.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.names().next_back().unwrap_or_default()
    }

    /// The path of what has a name in this folder.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '\\' => f.write_str("\\\\")?,
                    char if is_unseen(char) || char == '⟨' => {
                        write!(f, "⟨U+{:04X}⟩", u32::from(char))?;
                    }
                    char => f.write_char(char)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character can't be seen or turns the direction of the text: control characters, blanks
/// without width, marks and overrides of direction, and tags.
#[must_use]
pub fn is_unseen(char: char) -> bool {
    char.is_control()
        || turns_direction(char)
        || matches!(
            char,
            '\u{ad}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{2060}'..='\u{2064}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a character changes in which direction the text around it is drawn, by which source code
/// can be made to read as something else.
#[must_use]
pub fn turns_direction(char: char) -> bool {
    matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    )
}

/// Bytes as text: one that isn't UTF-8 becomes `\xff`; everything else stays.
pub(super) fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_paths_look_different_and_nothing_in_them_is_unseen() {
        let shown = |bytes: &[u8]| TreePath::new(bytes).to_string();
        assert_eq!(shown(b"a b/\xc3\xa9"), "a b/é");
        assert_eq!(shown("a\u{202e}gpj.sh".as_bytes()), "a⟨U+202E⟩gpj.sh");
        assert_eq!(shown(b"a\n\x1b[2J"), "a⟨U+000A⟩⟨U+001B⟩[2J");
        assert_eq!(shown("tag\u{e0041}".as_bytes()), "tag⟨U+E0041⟩");
        assert_eq!(shown(b"a\xff"), "a\\xff");
        assert_ne!(shown(b"a\xff"), shown(b"a\\xff"));
        assert_ne!(shown("\u{202e}".as_bytes()), shown("⟨U+202E⟩".as_bytes()));
    }
}
