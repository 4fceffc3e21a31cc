//! Bytes as text in JSON, for what is short and need not be UTF-8.

use std::fmt::Write;

/// Writes two digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads what [`encode`] wrote; none if it is something else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    let byte = |at: usize| u8::try_from(digit(at)? << 4 | digit(at + 1)?).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}
