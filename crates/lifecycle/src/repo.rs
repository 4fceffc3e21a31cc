//! The working copy behind `/repo`.

use std::path::{Path, PathBuf};

use crate::{
    build::given_certificates,
    context::{self, BUILD_CA, Context, GIVEN},
    error::LifecycleError,
    machine::Machine,
    paths::{make_dir, own},
};

impl Machine {
    /// Refuses a folder that was given and is not there: the engine would make an empty one.
    pub(crate) fn check_repo(&self) -> Result<(), LifecycleError> {
        match &self.repo {
            Some(repo) if self.seat.is_none() && !repo.is_dir() => {
                Err(LifecycleError::NoRepoFolder { path: repo.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The folder behind `/repo`.
    pub(crate) fn ensure_repo(&self) -> Result<PathBuf, LifecycleError> {
        let repo = self.repo_dir();
        if self.repo.is_some() {
            self.check_repo()?;
            return Ok(repo);
        }
        if !repo.exists() {
            let parent = self.paths.machine_dir(&self.names.machine);
            make_dir(&parent, 0o755)?;
            // Aside first: a copy that was cut off is no working copy.
            let aside =
                tempfile::tempdir_in(&parent).map_err(LifecycleError::file("write to", &parent))?;
            if self.template.join("body/Dockerfile").is_file() {
                Context::whole(&self.template)?.copy_to(aside.path())?;
            }
            // By it a later evolve knows whether the shipped binary is still of these sources.
            let digest = context::sources_digest(aside.path())?;
            let noted = self.sources_file();
            std::fs::write(&noted, digest).map_err(LifecycleError::file("write", &noted))?;
            let aside = aside.keep();
            std::fs::rename(&aside, &repo).map_err(LifecycleError::file("create", &repo))?;
            own_all(&repo)?;
        }
        Ok(repo)
    }

    /// Lays the certificates with which this computer builds into the repo, where git ignores them:
    /// a machine that builds itself has nothing else. A repo without a place for them gets none.
    pub(crate) fn give_certificates(&self) -> Result<(), LifecycleError> {
        let place = self.repo_dir().join(BUILD_CA);
        let from = self.template.join(BUILD_CA);
        if !place.is_dir() || place == from {
            return Ok(());
        }
        let mut given = Vec::new();
        if from.is_dir() {
            let entries = std::fs::read_dir(&from).map_err(LifecycleError::file("read", &from))?;
            given.extend(
                entries
                    .flatten()
                    .map(|entry| (entry.file_name(), entry.path())),
            );
        }
        given.retain(|(name, _)| Path::new(name).extension().is_some_and(|end| end == "crt"));
        given.extend(given_certificates().map(|bundle| (GIVEN.into(), bundle)));
        for (name, source) in given {
            let target = place.join(name);
            std::fs::copy(&source, &target).map_err(LifecycleError::file("copy", &source))?;
            own(&target)?;
        }
        Ok(())
    }

    /// Where the repo lies on this computer.
    #[must_use]
    pub fn repo_dir(&self) -> PathBuf {
        match &self.repo {
            Some(repo) => repo.clone(),
            None => self.paths.machine_dir(&self.names.machine).join("repo"),
        }
    }

    fn sources_file(&self) -> PathBuf {
        self.paths
            .machine_dir(&self.names.machine)
            .join("repo.sources")
    }

    /// Digest of the repo's Rust sources as they were copied.
    pub(crate) fn sources_at_creation(&self) -> Option<String> {
        std::fs::read_to_string(self.sources_file()).ok()
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
