//! Commits: a tree, what came before it, and why.

use gix_hash::ObjectId;
use gix_object::{CommitRef, Kind};

use super::{
    error::HistoryError,
    path::RepoPath,
    store::{HASH, Store},
};

/// What a commit says.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
}

/// Stores a commit of Vivarium's.
pub(super) fn write(
    store: &Store,
    commit: &Commit,
    message: &str,
    at_s: u64,
) -> Result<ObjectId, HistoryError> {
    let who = format!("Vivarium <vivarium@localhost> {at_s} +0000");
    let mut text = format!("tree {}\n", commit.tree);
    for parent in &commit.parents {
        text += &format!("parent {parent}\n");
    }
    // A zero byte would end it for git.
    let message = message.replace('\0', " ");
    text += &format!("author {who}\ncommitter {who}\nencoding UTF-8\n\n{message}\n");
    let id =
        Store::id_of(Kind::Commit, text.as_bytes()).ok_or_else(|| HistoryError::Collision {
            path: RepoPath::default(),
        })?;
    store.write(&id, Kind::Commit, text.as_bytes())?;
    Ok(id)
}

/// Reads one.
pub(super) fn read(store: &Store, id: &ObjectId) -> Result<Commit, HistoryError> {
    parse(id, &store.read(id, Kind::Commit)?)
}

/// What the bytes of one say.
pub(super) fn parse(id: &ObjectId, bytes: &[u8]) -> Result<Commit, HistoryError> {
    let damaged = |_| HistoryError::Damaged { id: *id };
    let commit = CommitRef::from_bytes(bytes, HASH).map_err(damaged)?;
    Ok(Commit {
        tree: commit.tree(),
        parents: commit.parents().collect(),
    })
}
