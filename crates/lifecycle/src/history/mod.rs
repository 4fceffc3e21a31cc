//! The history of a machine's `/repo`, kept by Vivarium and out of the machine's reach: a bare
//! repository of its own (`history.git`), whose objects are written and read by this module alone.
//! No `git` runs here: whatever can write to `/repo` could make it run commands as the person
//! (docs/decisions/0005-history-without-git.md).
//!
//! Start with `History`. A `Snapshot` reads `/repo` bounded and without following links
//! ([`folder`]), leaves out what is ignored ([`ignored`]) or may hold secrets (`secrets`), and
//! stores the rest as git objects (`store`, `tree`). `diff` compares two trees; `restore`
//! writes one back into `/repo`, and `export` into a folder of ours that an image is built from.
//! [`folder`], [`ignored`] and [`path`] also read the folders that agents work on.

mod cache;
mod commit;
mod diff;
mod error;
mod export;
pub mod folder;
pub mod ignored;
pub mod path;
mod refs;
mod repository;
mod restore;
mod secrets;
mod snapshot;
pub mod stamp;
mod store;
mod text;
mod tree;

pub use error::HistoryError;
pub(crate) use folder::{Folder, Kind};
pub(crate) use path::RepoPath;
pub(crate) use repository::{Committed, History};
pub use secrets::is_environment;

#[cfg(test)]
mod tests;
