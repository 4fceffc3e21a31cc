//! What differs between two trees, as it is shown to a person. All of it comes from the trees
//! themselves, file by file, so that no name can be taken for a piece of the text.

use std::fmt::Write;

use wire::evolve::{ChangedFile, FileChange, RepoDiff};

use super::{
    error::HistoryError,
    path::RepoPath,
    store::Store,
    text::{compare, is_text},
    tree::{FileKind, Leaf, Leaves},
};

/// The longest patch of one file, and of all.
const LONGEST_OF_FILE: usize = 100_000;
const LONGEST: usize = 400_000;
/// The largest files that are compared, and how many bytes of files in all.
const LARGEST: usize = 4 << 20;
const MOST_READ: usize = 32 << 20;
/// The most files that are named.
const MOST_FILES: usize = 5000;

/// What a tree changed against another.
pub(super) fn diff(store: &Store, from: &Leaves, to: &Leaves) -> Result<RepoDiff, HistoryError> {
    let mut told = RepoDiff::default();
    let mut left = MOST_READ;
    let mut paths: Vec<&RepoPath> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let (before, after) = (from.get(path), to.get(path));
        if before == after {
            continue;
        }
        if told.files.len() == MOST_FILES {
            told.more_files += 1;
            told.cut = true;
            continue;
        }
        let room = LONGEST.saturating_sub(told.patch.len());
        let file = changed(store, path, before, after, &mut left, room)?;
        told.cut |= file.cut;
        if !file.patch.is_empty() {
            told.patch += &heads(path, before, after);
            told.patch += &file.patch;
        }
        told.files.push(file);
    }
    Ok(told)
}

fn changed(
    store: &Store,
    path: &RepoPath,
    before: Option<&Leaf>,
    after: Option<&Leaf>,
    left: &mut usize,
    room: usize,
) -> Result<ChangedFile, HistoryError> {
    let mut file = ChangedFile {
        path: path.to_string(),
        change: match (before, after) {
            (None, _) => FileChange::Added,
            (_, None) => FileChange::Removed,
            _ => FileChange::Changed,
        },
        added: None,
        removed: None,
        mode: after.map(mode),
        old_mode: before.map(mode),
        patch: String::new(),
        cut: false,
    };
    let room = room.min(LONGEST_OF_FILE);
    if *left == 0 || room == 0 {
        file.cut = true;
        return Ok(file);
    }
    let read = |leaf: Option<&Leaf>| match leaf {
        Some(leaf) => store.read_start(&leaf.id, LARGEST),
        None => Ok((Vec::new(), true)),
    };
    let ((old, is_old_whole), (new, is_new_whole)) = (read(before)?, read(after)?);
    *left = left.saturating_sub(old.len() + new.len());
    if !is_text(&old) || !is_text(&new) {
        return Ok(file);
    }
    if !is_old_whole || !is_new_whole {
        file.cut = true;
        return Ok(file);
    }
    let text = compare(&old, &new, room);
    file.added = Some(text.added);
    file.removed = Some(text.removed);
    file.patch = text.hunks;
    file.cut = text.cut;
    Ok(file)
}

fn mode(leaf: &Leaf) -> String {
    leaf.kind.mode().to_owned()
}

/// The lines before a file's hunks, as git writes them.
fn heads(path: &RepoPath, before: Option<&Leaf>, after: Option<&Leaf>) -> String {
    let (old, new) = (quoted("a/", path), quoted("b/", path));
    let mut heads = format!("diff --git {old} {new}\n");
    let kinds = (before.map(|leaf| leaf.kind), after.map(|leaf| leaf.kind));
    // Writing to a string can't fail.
    let _ = match kinds {
        (None, Some(kind)) => writeln!(heads, "new file mode {}", kind.mode()),
        (Some(kind), None) => writeln!(heads, "deleted file mode {}", kind.mode()),
        (Some(old), Some(new)) if old != new => writeln!(
            heads,
            "old mode {}\nnew mode {}",
            FileKind::mode(old),
            FileKind::mode(new)
        ),
        _ => Ok(()),
    };
    let side = |there: Option<&Leaf>, name: String| match there {
        Some(_) => name,
        None => "/dev/null".to_owned(),
    };
    let _ = writeln!(heads, "--- {}\n+++ {}", side(before, old), side(after, new));
    heads
}

/// A name as git quotes it; one with blanks too, which git leaves as it is, so that each head has
/// one reading.
fn quoted(side: &str, path: &RepoPath) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
    let bytes = path.as_bytes();
    if bytes.iter().all(is_plain) {
        return format!("{side}{path}");
    }
    let mut text = format!("\"{side}");
    for byte in bytes {
        let _ = match byte {
            b'"' => write!(text, "\\\""),
            b'\\' => write!(text, "\\\\"),
            b'\n' => write!(text, "\\n"),
            b'\t' => write!(text, "\\t"),
            b' '..=b'~' => write!(text, "{}", char::from(*byte)),
            byte => write!(text, "\\{byte:03o}"),
        };
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_be_taken_for_a_head() {
        let path = |text: &str| RepoPath::new(text.as_bytes());
        assert_eq!(quoted("a/", &path("body/Dockerfile")), "a/body/Dockerfile");
        assert_eq!(
            quoted("a/", &path("z b/body/Dockerfile")),
            "\"a/z b/body/Dockerfile\""
        );
        assert_eq!(
            quoted("b/", &path("a\"\n\u{202e}")),
            "\"b/a\\\"\\n\\342\\200\\256\""
        );
    }
}
