//! A path in `/repo`: bytes, since the inside chooses them.

use std::fmt::{self, Write};

/// Path from the root of the repo, with `/` between names; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// From the names' bytes, with `/` between them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The names' bytes, with `/` between them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of what lies in this folder under a name.
    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }

    /// Names of the folders that it lies in, outermost first, and its own name.
    pub fn split(&self) -> (Vec<&[u8]>, &[u8]) {
        let mut names: Vec<&[u8]> = self.0.split(|byte| *byte == b'/').collect();
        let own = names.pop().unwrap_or_default();
        (names, own)
    }
}

impl RepoPath {
    /// For a sentence: its beginning, and its own name's, if it is long.
    pub fn shortened(&self) -> String {
        const LONGEST: usize = 160;
        let whole = self.to_string();
        if whole.len() <= LONGEST {
            return whole;
        }
        let start = &whole[..whole.floor_char_boundary(LONGEST / 2)];
        let end = &whole[whole.ceil_char_boundary(whole.len() - LONGEST / 2)..];
        format!("{start}…{end}")
    }
}

impl fmt::Display for RepoPath {
    /// Different paths read differently: a byte that is no UTF-8 is written `\xff`, a backslash
    /// `\\`. Control characters stay: whoever draws the text makes them visible.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '\\' => f.write_str("\\\\")?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_paths_read_differently() {
        let read = |bytes: &[u8]| RepoPath::new(bytes).to_string();
        assert_eq!(read(b"a b/\xc3\xa9"), "a b/é");
        assert_eq!(read(b"a\xff"), "a\\xff");
        assert_ne!(read(b"a\xff"), read(b"a\\xff"));
        assert_ne!(read(b"a\xff"), read(b"a\xfe"));
        let long = RepoPath::new("ä/".repeat(2000) + "name").shortened();
        assert!(long.len() < 200 && long.ends_with("name"), "{long}");
        assert_eq!(RepoPath::new("a/b").shortened(), "a/b");
    }
}
