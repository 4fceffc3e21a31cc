//! What changed between two texts, as a unified diff.

use std::{fmt::Write, ops::Range};

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

/// Lines around a change.
const CONTEXT: u32 = 3;
/// In so many first bytes a zero makes a file no text, as for git.
const LOOKED_AT: usize = 8000;

/// A diff of two texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextDiff {
    pub added: u32,
    pub removed: u32,
    /// Hunks, each with its `@@` line.
    pub hunks: String,
    /// Whether more would follow than was asked for.
    pub cut: bool,
}

/// Whether a file is text that a person can read.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes[..bytes.len().min(LOOKED_AT)].contains(&0)
}

/// Compares two texts; at most so many bytes of hunks.
pub(super) fn compare(before: &[u8], after: &[u8], most: usize) -> TextDiff {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut told = TextDiff {
        added: diff.count_additions(),
        removed: diff.count_removals(),
        ..TextDiff::default()
    };
    let mut together: Vec<Hunk> = Vec::new();
    for hunk in diff.hunks() {
        if let Some(last) = together.last()
            && hunk.before.start - last.before.end > 2 * CONTEXT
        {
            told.write(&input, &together, most);
            together.clear();
        }
        if told.cut {
            return told;
        }
        together.push(hunk);
    }
    if !together.is_empty() {
        told.write(&input, &together, most);
    }
    told
}

impl TextDiff {
    /// Writes hunks that share their context.
    fn write(&mut self, input: &InternedInput<&[u8]>, hunks: &[Hunk], most: usize) {
        let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else {
            return;
        };
        let lead = first.before.start.min(CONTEXT);
        let count = u32::try_from(input.before.len()).unwrap_or(u32::MAX);
        let tail = (count - last.before.end).min(CONTEXT);
        let old = first.before.start - lead..last.before.end + tail;
        let new = first.after.start - lead..last.after.end + tail;
        // Writing to a string can't fail.
        let _ = writeln!(self.hunks, "@@ -{} +{} @@", place(&old), place(&new));
        let mut at = old.start;
        for hunk in hunks {
            self.lines(input, &input.before, ' ', at..hunk.before.start, most);
            self.lines(input, &input.before, '-', hunk.before.clone(), most);
            self.lines(input, &input.after, '+', hunk.after.clone(), most);
            at = hunk.before.end;
        }
        self.lines(input, &input.before, ' ', at..old.end, most);
    }

    fn lines(
        &mut self,
        input: &InternedInput<&[u8]>,
        tokens: &[Token],
        sign: char,
        range: Range<u32>,
        most: usize,
    ) {
        for token in &tokens[range.start as usize..range.end as usize] {
            let line = input.interner[*token];
            if self.hunks.len() + line.len() > most {
                self.cut = true;
                return;
            }
            self.hunks.push(sign);
            let (text, is_ended) = match line.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (line, false),
            };
            push_readable(&mut self.hunks, text);
            self.hunks.push('\n');
            if !is_ended {
                self.hunks.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// Adds bytes as text; one that is no UTF-8 becomes `\xff`.
fn push_readable(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// First line and number of lines, as a `@@` line has them.
fn place(range: &Range<u32>) -> String {
    let count = range.end - range.start;
    let first = if count == 0 {
        range.start
    } else {
        range.start + 1
    };
    match count {
        1 => first.to_string(),
        count => format!("{first},{count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_have_their_context_and_places() {
        let before: String = (1..=20).map(|line| format!("{line}\n")).collect();
        let after = before.replace("\n5\n", "\nfive\n").replace("20\n", "20");
        let diff = compare(before.as_bytes(), after.as_bytes(), 10_000);
        assert_eq!((diff.added, diff.removed, diff.cut), (2, 2, false));
        assert_eq!(
            diff.hunks,
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
             @@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n"
        );
        let new = compare(b"", b"one\n", 10_000);
        assert_eq!(new.hunks, "@@ -0,0 +1 @@\n+one\n");
        assert!(compare(before.as_bytes(), b"", 30).cut);
        let bytes = compare(b"a\xff\n", b"", 100);
        assert_eq!(bytes.hunks, "@@ -1 +0,0 @@\n-a\\xff\n");
    }
}
