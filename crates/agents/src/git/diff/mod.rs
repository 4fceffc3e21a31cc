//! What differs between two trees. Git compares them in a repository of ours, so that no attribute of
//! the trees has a say in what is shown; what it writes is parsed bounded.
//!
//! - `file_diff`: one file's difference, its hunks and lines
//! - `compare`: asks git, and puts it together
//! - `output`, `lines`: read what git writes
//! - `limits`: how much is shown

mod compare;
mod file_diff;
mod limits;
mod lines;
mod output;

pub use compare::TreeDiff;
pub use file_diff::{Change, Content, FileDiff, Fold, Hunk, Line, LineKind, Side};
pub use limits::DiffLimits;
