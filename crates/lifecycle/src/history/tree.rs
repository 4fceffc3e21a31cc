//! Trees, as a list of all files below them.

use std::collections::{BTreeMap, HashSet};

use gix_hash::ObjectId;
use gix_object::{
    Kind, TreeRefIter, WriteTo,
    tree::{Entry, EntryKind},
};

use super::{
    error::HistoryError,
    path::RepoPath,
    store::{HASH, Store},
};

/// How a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A file that nobody runs.
    Plain,
    /// A file that its owner may run.
    Executable,
    /// A symbolic link; its content is where it leads.
    Link,
}

impl FileKind {
    fn of(kind: EntryKind) -> Option<Self> {
        match kind {
            EntryKind::Blob => Some(Self::Plain),
            EntryKind::BlobExecutable => Some(Self::Executable),
            EntryKind::Link => Some(Self::Link),
            EntryKind::Tree | EntryKind::Commit => None,
        }
    }

    fn entry(self) -> EntryKind {
        match self {
            Self::Plain => EntryKind::Blob,
            Self::Executable => EntryKind::BlobExecutable,
            Self::Link => EntryKind::Link,
        }
    }

    /// As git writes it.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Plain => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }
}

/// A file of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub kind: FileKind,
    /// Of its content.
    pub id: ObjectId,
}

/// All files of a tree.
pub(crate) type Leaves = BTreeMap<RepoPath, Leaf>;

/// A file by the names of its folders and its own.
type Named<'a> = (Vec<&'a [u8]>, &'a Leaf);

/// Stores a tree of these files; answers its id.
pub(super) fn write(store: &Store, leaves: &Leaves) -> Result<ObjectId, HistoryError> {
    let all: Vec<Named<'_>> = leaves
        .iter()
        .map(|(path, leaf)| (path.as_bytes().split(|byte| *byte == b'/').collect(), leaf))
        .collect();
    write_level(store, &all, 0)
}

/// Stores the tree of files that share their first `depth` names.
fn write_level(store: &Store, files: &[Named<'_>], depth: usize) -> Result<ObjectId, HistoryError> {
    // Paths are sorted whole, so that `a-b` comes between `a` and `a/c`.
    let mut folders: BTreeMap<&[u8], Vec<Named<'_>>> = BTreeMap::new();
    let mut entries = Vec::new();
    for (names, leaf) in files {
        let name = names[depth];
        if names.len() == depth + 1 {
            entries.push(entry(leaf.kind.entry(), name, leaf.id));
        } else {
            let folder = folders.entry(name).or_default();
            folder.push((names.clone(), leaf));
        }
    }
    for (name, files) in folders {
        let id = write_level(store, &files, depth + 1)?;
        entries.push(entry(EntryKind::Tree, name, id));
    }
    entries.sort();
    let tree = gix_object::Tree { entries };
    let mut bytes = Vec::new();
    let path = || {
        RepoPath::new(
            files
                .first()
                .map_or(Vec::new(), |(names, _)| names[..depth].join(&b'/')),
        )
    };
    // It refuses names that no folder can have, which were never read from one.
    tree.write_to(&mut bytes).map_err(HistoryError::file(
        "store",
        std::path::Path::new("a folder of the repo"),
    ))?;
    let id =
        Store::id_of(Kind::Tree, &bytes).ok_or_else(|| HistoryError::Collision { path: path() })?;
    store.write(&id, Kind::Tree, &bytes)?;
    Ok(id)
}

fn entry(kind: EntryKind, name: &[u8], oid: ObjectId) -> Entry {
    Entry {
        mode: kind.into(),
        filename: name.into(),
        oid,
    }
}

/// All files of a tree.
pub(super) fn read(store: &Store, tree: &ObjectId) -> Result<Leaves, HistoryError> {
    let mut leaves = Leaves::new();
    read_level(store, tree, &RepoPath::default(), &mut |path, leaf| {
        leaves.insert(path, leaf);
    })?;
    Ok(leaves)
}

fn read_level(
    store: &Store,
    tree: &ObjectId,
    path: &RepoPath,
    found: &mut impl FnMut(RepoPath, Leaf),
) -> Result<(), HistoryError> {
    let bytes = store.read(tree, Kind::Tree)?;
    for entry in TreeRefIter::from_bytes(&bytes, HASH) {
        let entry = entry.map_err(|_| HistoryError::Damaged { id: *tree })?;
        let (path, id) = (path.join(entry.filename), entry.oid.to_owned());
        match FileKind::of(entry.mode.kind()) {
            Some(kind) => found(path, Leaf { kind, id }),
            None if entry.mode.is_tree() => read_level(store, &id, &path, found)?,
            // None is ever stored.
            None => {}
        }
    }
    Ok(())
}

/// Adds the ids of a tree and all below it.
pub(super) fn mark(
    store: &Store,
    tree: &ObjectId,
    marked: &mut HashSet<ObjectId>,
) -> Result<(), HistoryError> {
    if !marked.insert(*tree) {
        return Ok(());
    }
    let bytes = store.read(tree, Kind::Tree)?;
    for entry in TreeRefIter::from_bytes(&bytes, HASH) {
        let entry = entry.map_err(|_| HistoryError::Damaged { id: *tree })?;
        let id = entry.oid.to_owned();
        if entry.mode.is_tree() {
            mark(store, &id, marked)?;
        } else {
            marked.insert(id);
        }
    }
    Ok(())
}
