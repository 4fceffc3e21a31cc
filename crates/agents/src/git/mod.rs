//! The git side of agents: what an agent is given of a person's folder, and what comes back.
//!
//! Both sides are distrusted. What an agent sends is hostile until it has been checked in a repository
//! that holds nothing else. The person's own repository may have been written by tools of strangers,
//! so no git runs in it or on its work tree, and none of its settings, hooks, filters and attributes
//! has an effect: its refs and files are read and written by this module, and git, always in a
//! repository of ours, reads its objects alone (docs/decisions/0010-agents-commits.md).
//!
//! Start with [`Whitelist`], which opens a workspace; [`Repository`] is the person's, [`Work`] that of
//! one agent: [`Work::prepare`] makes what its container clones, [`Work::receive`] takes its commits,
//! [`Work::diff`], [`Work::merge`], [`Work::patch`] and [`Work::discard`] are what a person does with
//! them. Agents share nothing: each has a folder, and refs of its own. All calls block.
//!
//! - `whitelist`, `repository`, `object_folder`, `refs`, `ref_name`: the person's repository
//! - `work_tree`, `import`, `prepare`: what goes in
//! - `bundle`, `receive`, `listing`: what comes out
//! - `work`, `bare`, `command`, `signature`: one agent's repository, and git in it
//! - `diff`, `risk`, `merge`, `patch`: what a person sees of it and does with it
//! - `tree_path`, `error`: names as they can be shown, and what goes wrong

mod bare;
mod bundle;
mod command;
mod diff;
mod error;
mod import;
mod listing;
mod merge;
mod object_folder;
mod patch;
mod prepare;
mod receive;
mod ref_name;
mod refs;
mod repository;
mod risk;
mod signature;
mod tree_path;
mod whitelist;
mod work;
mod work_tree;

pub use command::Git;
pub use diff::{Change, Content, DiffLimits, FileDiff, Fold, Hunk, Line, LineKind, Side, TreeDiff};
pub use error::GitError;
pub use gix_hash::ObjectId;
pub use listing::{FileMode, TreeLimits};
pub use merge::{Conflict, MergeOutcome, MergeRequest, MergeStyle, Merged, MissingBranch};
pub use prepare::{Note, Prepare, Prepared};
pub use receive::{IncomingLimits, Received};
pub use ref_name::{RefName, WorkId};
pub use repository::Repository;
pub use risk::Risk;
pub use signature::Signature;
pub use tree_path::{TreePath, is_unseen, turns_direction};
pub use whitelist::{Whitelist, Workspace};
pub use work::{Part, Tips, Work};
pub use work_tree::FolderLimits;
