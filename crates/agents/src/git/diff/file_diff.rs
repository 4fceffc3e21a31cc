//! The difference of one file.

use gix_hash::ObjectId;

use crate::git::{listing::FileMode, risk::Risk, tree_path::TreePath};

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content or mode changed.
    Modified,
    /// It became something else, such as a link.
    Retyped,
    /// It has another path, and a content that is so alike, in percent.
    Renamed(u8),
}

/// A file as it is in one of the trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its path.
    pub path: TreePath,
    /// How it is kept.
    pub mode: FileMode,
    /// Its content.
    pub id: ObjectId,
}

/// The difference of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    /// How it changed.
    pub change: Change,
    /// As it was; none if it is new.
    pub old: Option<Side>,
    /// As it is; none if it is gone.
    pub new: Option<Side>,
    /// Lines added, folded ones too.
    pub added: u64,
    /// Lines removed, folded ones too.
    pub removed: u64,
    /// What can be shown.
    pub content: Content,
    /// What a reviewer should look at.
    pub risks: Vec<Risk>,
}

impl FileDiff {
    /// Where it is now, or was, if it is gone.
    #[must_use]
    pub fn path(&self) -> Option<&TreePath> {
        let side = self.new.as_ref().or(self.old.as_ref());
        side.map(|side| &side.path)
    }
}

/// What can be shown of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Changed lines with their context; none if only the mode or the path changed.
    Lines(Vec<Hunk>),
    /// It isn't text.
    Binary {
        /// Bytes as it was.
        old_bytes: Option<u64>,
        /// Bytes as it is.
        new_bytes: Option<u64>,
    },
    /// There are lines that aren't shown here.
    Folded(Fold),
}

/// Why lines aren't shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The file has more than is shown of one file.
    LargeChange,
    /// All files together have more than is shown.
    LargeDiff,
    /// The file is too large to be compared.
    LargeFile {
        /// Bytes as it was.
        old_bytes: Option<u64>,
        /// Bytes as it is.
        new_bytes: Option<u64>,
    },
}

/// Lines that changed, and those around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// First line of it in the old file, from 1.
    pub old_start: u64,
    /// How many lines of the old file.
    pub old_lines: u64,
    /// First line of it in the new file, from 1.
    pub new_start: u64,
    /// How many lines of the new file.
    pub new_lines: u64,
    /// The line above that says where this is, such as a function's first.
    pub heading: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a hunk. A byte that isn't UTF-8 is written `\xff`; other characters are as the file has
/// them, control characters too: whoever draws the text makes them visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What became of it.
    pub kind: LineKind,
    /// Without its line end.
    pub text: String,
    /// Whether the file ends here without a line end.
    pub is_unended: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// It stayed.
    Context,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}
