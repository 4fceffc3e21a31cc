//! What programs write, as text: it comes in pieces, which may end inside a character.

/// Bytes that become text piece by piece.
#[derive(Debug, Default)]
pub struct TextReader(Vec<u8>);

impl TextReader {
    /// The text of these bytes; of a character at their end that isn't whole, the next ones.
    pub fn read(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let whole = self.0.len() - unfinished(&self.0);
        let rest = self.0.split_off(whole);
        let read = std::mem::replace(&mut self.0, rest);
        match String::from_utf8(read) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// What is left at the end.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let needed = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            // In the middle of one.
            0x80..=0xBF => continue,
            _ => return 0,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut_in_two() {
        let text = "aä→🦀\u{7f}";
        for cut in 0..=text.len() {
            let mut read = TextReader::default();
            let (left, right) = text.as_bytes().split_at(cut);
            let mut found = read.read(left);
            assert!(text.starts_with(&found), "{cut} {found}");
            found += &read.read(right);
            assert_eq!(found + &read.rest(), text, "{cut}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_never_held_back_for_long() {
        let mut text = TextReader::default();
        assert_eq!(text.read(b"\xff\xfea"), "\u{fffd}\u{fffd}a");
        assert_eq!(text.read(b"\x80\x80\x80\x80").chars().count(), 4);
        assert_eq!(text.read(b"\xf0\x9f"), "");
        assert_eq!(text.rest(), "\u{fffd}");
        assert_eq!(text.rest(), "");
    }
}
