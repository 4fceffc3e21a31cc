//! Reads what `git diff-tree --raw -p` writes: a list of files, then the lines of each in the same
//! order. How long a hunk is stands in its first line, so that no content can be taken for a head.

use std::str::FromStr;

use gix_hash::ObjectId;

use super::{
    file_diff::{Change, Content, FileDiff, Fold, Hunk, Line, LineKind, Side},
    limits::DiffLimits,
    lines::Lines,
};
use crate::git::{
    error::GitError,
    listing::FileMode,
    risk::Risk,
    tree_path::{TreePath, readable, turns_direction},
};

fn unreadable() -> GitError {
    GitError::damaged("git's diff can't be read")
}

/// The list of files.
pub(super) fn files(lines: &mut Lines<'_>, most: usize) -> Result<Vec<FileDiff>, GitError> {
    let mut files = Vec::new();
    while let Some(line) = lines.peek()? {
        let Some(line) = line.strip_prefix(b":") else {
            break;
        };
        if files.len() == most {
            return Err(GitError::TooMuch {
                what: "the number of changed files",
                limit: most.to_string(),
            });
        }
        files.push(file(line).ok_or_else(unreadable)?);
        lines.pass();
    }
    if let Some(line) = lines.peek()? {
        // Between the list and the lines.
        if !line.is_empty() {
            return Err(unreadable());
        }
        lines.pass();
    }
    Ok(files)
}

/// `100644 100755 <id> <id> M\t<path>`, with a second path if it was renamed.
fn file(line: &[u8]) -> Option<FileDiff> {
    let mut parts = line.split(|byte| *byte == b'\t');
    let mut words = parts.next()?.split(|byte| *byte == b' ');
    let (old_mode, new_mode) = (words.next()?, words.next()?);
    let (old_id, new_id) = (words.next()?, words.next()?);
    let status = words.next()?;
    let change = match status.first()? {
        b'A' => Change::Added,
        b'D' => Change::Removed,
        b'M' => Change::Modified,
        b'T' => Change::Retyped,
        b'R' => Change::Renamed(std::str::from_utf8(&status[1..]).ok()?.parse().ok()?),
        _ => return None,
    };
    let old_path = unquote(parts.next()?)?;
    let new_path = match change {
        Change::Renamed(_) => unquote(parts.next()?)?,
        _ => old_path.clone(),
    };
    let side = |path, mode: &[u8], id: &[u8]| {
        Some(Side {
            path,
            mode: FileMode::parse(mode)?,
            id: ObjectId::from_str(std::str::from_utf8(id).ok()?).ok()?,
        })
    };
    Some(FileDiff {
        change,
        old: match change {
            Change::Added => None,
            _ => Some(side(old_path, old_mode, old_id)?),
        },
        new: match change {
            Change::Removed => None,
            _ => Some(side(new_path, new_mode, new_id)?),
        },
        added: 0,
        removed: 0,
        content: Content::Lines(Vec::new()),
        risks: Vec::new(),
    })
}

/// A path as git writes it: in quotes if it has characters that need it.
fn unquote(text: &[u8]) -> Option<TreePath> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return Some(TreePath::new(text));
    };
    let quoted = quoted.strip_suffix(b"\"")?;
    let mut path = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            path.push(*byte);
            continue;
        }
        path.push(match bytes.next()? {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            first @ b'0'..=b'3' => {
                let mut value = first - b'0';
                for _ in 0..2 {
                    match bytes.next()? {
                        digit @ b'0'..=b'7' => value = value * 8 + (digit - b'0'),
                        _ => return None,
                    }
                }
                value
            }
            other @ (b'"' | b'\\') => *other,
            _ => return None,
        });
    }
    Some(TreePath::new(path))
}

/// Reads the lines of all files into them.
pub(super) fn contents(
    lines: &mut Lines<'_>,
    files: &mut [FileDiff],
    limits: &DiffLimits,
) -> Result<(), GitError> {
    let mut left = limits.bytes;
    for file in files {
        // One that became something else is written as one that is gone and one that is new.
        let sections = match file.change {
            Change::Retyped => 2,
            _ => 1,
        };
        for _ in 0..sections {
            section(lines, file, limits, &mut left)?;
        }
    }
    match lines.peek()? {
        Some(_) => Err(unreadable()),
        None => Ok(()),
    }
}

fn section(
    lines: &mut Lines<'_>,
    file: &mut FileDiff,
    limits: &DiffLimits,
    left: &mut usize,
) -> Result<(), GitError> {
    if !lines
        .peek()?
        .is_some_and(|line| line.starts_with(b"diff --git "))
    {
        return Err(unreadable());
    }
    lines.pass();
    let mut room = Room {
        lines: limits.file_lines,
        bytes: limits.file_bytes,
        left,
        taken: 0,
    };
    while let Some(line) = lines.peek()? {
        if line.starts_with(b"diff --git ") {
            break;
        }
        if line.starts_with(b"@@ ") {
            let found = hunk_head(line).ok_or_else(unreadable)?;
            lines.pass();
            hunk(lines, found, file, &mut room)?;
            continue;
        }
        if line.starts_with(b"Binary files ") {
            file.content = Content::Binary {
                old_bytes: None,
                new_bytes: None,
            };
        }
        lines.pass();
    }
    Ok(())
}

/// What may still be kept.
struct Room<'a> {
    lines: usize,
    bytes: usize,
    left: &'a mut usize,
    taken: usize,
}

impl Room<'_> {
    /// Takes a line's place; why there is none, otherwise.
    fn take(&mut self, bytes: usize) -> Result<(), Fold> {
        if self.lines == 0 || self.bytes < bytes {
            return Err(Fold::LargeChange);
        }
        if *self.left < bytes {
            return Err(Fold::LargeDiff);
        }
        self.lines -= 1;
        self.bytes -= bytes;
        *self.left -= bytes;
        self.taken += bytes;
        Ok(())
    }

    /// Gives back what was taken: none of it is shown.
    fn give_back(&mut self) {
        *self.left += std::mem::take(&mut self.taken);
    }
}

/// `@@ -1,2 +3,4 @@ heading`
fn hunk_head(line: &[u8]) -> Option<Hunk> {
    let rest = line.strip_prefix(b"@@ -")?;
    let end = rest.windows(3).position(|part| part == b" @@")?;
    let ranges = std::str::from_utf8(&rest[..end]).ok()?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let ((old_start, old_lines), (new_start, new_lines)) = (range(old)?, range(new)?);
    let heading = rest[end + 3..].trim_ascii();
    Some(Hunk {
        old_start,
        old_lines,
        new_start,
        new_lines,
        heading: readable(&heading[..heading.len().min(200)]),
        lines: Vec::new(),
    })
}

fn hunk(
    lines: &mut Lines<'_>,
    mut found: Hunk,
    file: &mut FileDiff,
    room: &mut Room<'_>,
) -> Result<(), GitError> {
    let (mut old, mut new) = (found.old_lines, found.new_lines);
    while old > 0 || new > 0 || lines.peek()?.is_some_and(|line| line.starts_with(b"\\")) {
        let line = lines.peek()?.ok_or_else(unreadable)?;
        let (sign, text) = line.split_first().ok_or_else(unreadable)?;
        let kind = match sign {
            b' ' => LineKind::Context,
            b'+' => LineKind::Added,
            b'-' => LineKind::Removed,
            b'\\' => {
                if let Some(last) = found.lines.last_mut() {
                    last.is_unended = true;
                }
                lines.pass();
                continue;
            }
            _ => return Err(unreadable()),
        };
        let (of_old, of_new) = match kind {
            LineKind::Context => (1, 1),
            LineKind::Added => (0, 1),
            LineKind::Removed => (1, 0),
        };
        old = old.checked_sub(of_old).ok_or_else(unreadable)?;
        new = new.checked_sub(of_new).ok_or_else(unreadable)?;
        match kind {
            LineKind::Added => {
                file.added += 1;
                note_hidden(text, &mut file.risks);
            }
            LineKind::Removed => file.removed += 1,
            LineKind::Context => {}
        }
        if let Content::Lines(_) = file.content {
            match room.take(text.len()) {
                Ok(()) => found.lines.push(Line {
                    kind,
                    text: readable(text),
                    is_unended: false,
                }),
                Err(fold) => {
                    file.content = Content::Folded(fold);
                    room.give_back();
                }
            }
        }
        lines.pass();
    }
    if let Content::Lines(hunks) = &mut file.content {
        hunks.push(found);
    }
    Ok(())
}

/// Notes characters by which source code reads as something else than it is.
fn note_hidden(text: &[u8], risks: &mut Vec<Risk>) {
    if text.is_ascii() || risks.contains(&Risk::HiddenText) {
        return;
    }
    let mut chars = text.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    if chars.any(turns_direction) {
        risks.push(Risk::HiddenText);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_paths_are_read() {
        let read = |text: &str| unquote(text.as_bytes()).map(|path| path.as_bytes().to_vec());
        assert_eq!(read("a b").unwrap(), b"a b");
        assert_eq!(
            read(r#""d/new\nline\"\\\303\251""#).unwrap(),
            "d/new\nline\"\\é".as_bytes()
        );
        assert_eq!(read(r#""\x""#), None);
        assert_eq!(read(r#""open"#), None);
    }

    #[test]
    fn content_that_looks_like_a_head_is_content() {
        let id = "1".repeat(40);
        let text = format!(
            ":100644 100644 {id} {id} M\ta\n\ndiff --git a/a b/a\nindex 1..2\n--- a/a\n+++ b/a\n\
             @@ -1,2 +1,3 @@ fn x\n diff --git a/b b/b\n-@@ -1 +1 @@\n+diff --git a/c b/c\n+++ b/d\n\
             \\ No newline at end of file\n"
        );
        let mut bytes = text.as_bytes();
        let mut lines = Lines::new(&mut bytes);
        let mut found = files(&mut lines, 10).unwrap();
        contents(&mut lines, &mut found, &DiffLimits::default()).unwrap();
        assert_eq!((found[0].added, found[0].removed), (2, 1));
        let Content::Lines(hunks) = &found[0].content else {
            panic!("{found:?}");
        };
        assert_eq!(hunks[0].heading, "fn x");
        let texts: Vec<&str> = hunks[0]
            .lines
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "diff --git a/b b/b",
                "@@ -1 +1 @@",
                "diff --git a/c b/c",
                "++ b/d"
            ]
        );
        assert!(hunks[0].lines[3].is_unended);
    }
}
