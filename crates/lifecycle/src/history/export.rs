//! Writing a tree into a folder of ours, which an image is built from.

use gix_object::Kind;

use super::{
    error::HistoryError,
    folder::Folder,
    path::RepoPath,
    store::Store,
    tree::{FileKind, Leaf, Leaves},
};

/// Writes the files of a tree into an empty folder, but for those that may hold secrets.
pub(super) fn export(store: &Store, leaves: &Leaves, root: &Folder) -> Result<(), HistoryError> {
    for (path, leaf) in leaves {
        let (above, _) = path.split();
        let failed = |error| HistoryError::file("write", &root.path_of(path.as_bytes()))(error);
        let mut folder = root.again().map_err(failed)?;
        for name in above {
            folder = folder.enter_or_make(name).map_err(failed)?;
        }
        write(store, path, leaf, &folder)?;
    }
    Ok(())
}

/// Writes one file into its folder.
pub(super) fn write(
    store: &Store,
    path: &RepoPath,
    leaf: &Leaf,
    folder: &Folder,
) -> Result<(), HistoryError> {
    let (_, name) = path.split();
    let content = store.read(&leaf.id, Kind::Blob)?;
    let written = match leaf.kind {
        FileKind::Link => folder.write_link(name, &content),
        kind => folder.write(name, &content, kind == FileKind::Executable),
    };
    written.map_err(HistoryError::file("write", &folder.path_of(name)))
}
