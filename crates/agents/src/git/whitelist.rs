//! Which folders agents may be given: those inside a folder on the user's whitelist.

use std::path::{Path, PathBuf};

use lifecycle::history::folder::Folder;

use super::error::GitError;

/// Folders that the user allowed. A workspace is compared with them by its resolved path, name by
/// name: neither a name that begins alike nor a link that leads out gets in.
#[derive(Clone, Debug, Default)]
pub struct Whitelist {
    folders: Vec<PathBuf>,
}

/// A folder that is on the whitelist, open.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    folder: Folder,
    whitelist: Whitelist,
}

impl Whitelist {
    /// A whitelist of these folders. Those that aren't absolute allow nothing, and neither does `/`,
    /// inside which everything is.
    pub fn new<P: Into<PathBuf>>(folders: impl IntoIterator<Item = P>) -> Self {
        Self {
            folders: folders.into_iter().map(Into::into).collect(),
        }
    }

    /// Opens a workspace. It stays the folder that was checked, whatever becomes of its path.
    ///
    /// # Errors
    /// [`GitError::NotAllowed`] for one outside the whitelist, [`GitError::File`] for what isn't a
    /// folder that can be opened.
    pub fn open(&self, workspace: &Path) -> Result<Workspace, GitError> {
        if !workspace.is_absolute() {
            return Err(GitError::NotAllowed {
                path: workspace.to_owned(),
            });
        }
        let path = workspace
            .canonicalize()
            .map_err(GitError::file("open", workspace))?;
        if !self.contains(&path) {
            return Err(GitError::NotAllowed { path });
        }
        let folder = Folder::open_resolved(&path).map_err(GitError::file("open", &path))?;
        Ok(Workspace {
            path,
            folder,
            whitelist: self.clone(),
        })
    }

    /// Whether a resolved path is inside an allowed folder. Each is resolved now: it may be a link.
    fn contains(&self, resolved: &Path) -> bool {
        self.folders
            .iter()
            .filter(|folder| folder.is_absolute())
            .filter_map(|folder| folder.canonicalize().ok())
            .any(|folder| folder.parent().is_some() && resolved.starts_with(folder))
    }
}

impl Workspace {
    /// Its path with all links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether another resolved path is on the same whitelist.
    pub(super) fn allows(&self, resolved: &Path) -> bool {
        self.whitelist.contains(resolved)
    }
}
