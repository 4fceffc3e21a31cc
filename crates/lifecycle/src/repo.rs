//! The working copy behind `/repo`.

use std::path::{Path, PathBuf};

use crate::{
    context::Context,
    error::LifecycleError,
    machine::Machine,
    paths::{make_dir, own},
};

impl Machine {
    /// The folder behind `/repo`.
    pub(crate) fn ensure_repo(&self) -> Result<PathBuf, LifecycleError> {
        if let Some(repo) = &self.repo {
            return Ok(repo.clone());
        }
        let repo = self.paths.machine_dir(&self.names.machine).join("repo");
        if !repo.exists() {
            let parent = self.paths.machine_dir(&self.names.machine);
            make_dir(&parent, 0o755)?;
            // Aside first: a copy that was cut off is no working copy.
            let aside =
                tempfile::tempdir_in(&parent).map_err(LifecycleError::file("write to", &parent))?;
            if self.template.join("body/Dockerfile").is_file() {
                Context::whole(&self.template)?.copy_to(aside.path())?;
            }
            let aside = aside.keep();
            std::fs::rename(&aside, &repo).map_err(LifecycleError::file("create", &repo))?;
            own_all(&repo)?;
        }
        Ok(repo)
    }
}

fn own_all(folder: &Path) -> Result<(), LifecycleError> {
    own(folder)?;
    for child in std::fs::read_dir(folder).map_err(LifecycleError::file("read", folder))? {
        let child = child.map_err(LifecycleError::file("read", folder))?;
        let path = child.path();
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            own_all(&path)?;
        } else {
            own(&path)?;
        }
    }
    Ok(())
}
