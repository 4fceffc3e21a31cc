//! What agents were given of the person's repositories and what came back, as it is kept on this computer: a
//! folder for each agent. Everything here blocks.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use wire::agent::{AgentId, AgentWorkspace};

use crate::git::{Git, GitError, Prepare, Prepared, Repository, Whitelist, Work, WorkId};

/// Where they are, and which workspaces may be opened.
#[derive(Clone, Debug)]
pub(crate) struct Works {
    /// Of ours alone.
    pub(crate) folder: PathBuf,
    pub(crate) allowed: Vec<PathBuf>,
}

/// One agent's, which no other process changes as long as this is there.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) work: Work,
    /// Where what comes from inside is put for as long as it is checked.
    pub(crate) folder: PathBuf,
    _lock: File,
}

impl Works {
    /// Makes what the agent's container clones.
    pub(crate) fn prepare(
        &self,
        id: &AgentId,
        path: &str,
        wanted: &Prepare,
    ) -> Result<(Held, Prepared), GitError> {
        let workspace = Whitelist::new(self.allowed.clone()).open(Path::new(path))?;
        let held = self.hold(id, Repository::open(&workspace)?)?;
        let prepared = held.work.prepare(&workspace, wanted)?;
        Ok((held, prepared))
    }

    /// Opens an agent's work; none for a workspace that isn't a clone.
    pub(crate) fn open(
        &self,
        id: &AgentId,
        workspace: &AgentWorkspace,
    ) -> Result<Option<Held>, GitError> {
        let AgentWorkspace::Clone { path, .. } = workspace else {
            return Ok(None);
        };
        let workspace = Whitelist::new(self.allowed.clone()).open(Path::new(path))?;
        let repository = Repository::open(&workspace)?;
        self.hold(id, repository).map(Some)
    }

    /// Removes what is kept of an agent here. The person's repository keeps the refs.
    pub(crate) fn forget(&self, id: &AgentId) -> Result<(), GitError> {
        for (path, removed) in [
            (self.of(id), fs::remove_dir_all(self.of(id))),
            (self.lock_of(id), fs::remove_file(self.lock_of(id))),
        ] {
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(GitError::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn hold(&self, id: &AgentId, repository: Option<Repository>) -> Result<Held, GitError> {
        let lock = lock(&self.folder, &self.lock_of(id));
        let lock = lock.map_err(GitError::file("lock", &self.lock_of(id)))?;
        let folder = self.of(id);
        let work = Work::open(
            Git::find()?,
            &folder,
            WorkId::parse(id.as_str())?,
            repository,
        )?;
        Ok(Held {
            work,
            folder,
            _lock: lock,
        })
    }

    fn of(&self, id: &AgentId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    fn lock_of(&self, id: &AgentId) -> PathBuf {
        self.folder.join(format!("{id}.lock"))
    }
}

/// Waits until no other process has it.
fn lock(folder: &Path, path: &Path) -> io::Result<File> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)?;
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path)?;
    file.lock()?;
    Ok(file)
}
