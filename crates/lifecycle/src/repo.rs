//! The working copy behind `/repo`.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    build::given_certificates,
    context::{self, BUILD_CA, Context, GIVEN},
    error::LifecycleError,
    history::Folder,
    machine::Machine,
    paths::{make_dir, own},
    private,
};

impl Machine {
    /// Refuses a folder that was given and is not there: the engine would make an empty one.
    pub(crate) fn check_repo(&self) -> Result<(), LifecycleError> {
        match &self.repo {
            Some(repo) if self.self_container.is_none() && !repo.is_dir() => {
                Err(LifecycleError::NoRepoFolder { path: repo.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The folder behind `/repo`.
    pub(crate) fn ensure_repo(&self) -> Result<PathBuf, LifecycleError> {
        self.check_nesting()?;
        let repo = self.repo_dir();
        if self.repo.is_some() {
            self.check_repo()?;
            return Ok(repo);
        }
        if !repo.exists() {
            let parent = self.paths.machine_dir(&self.names.machine);
            make_dir(&parent, 0o700)?;
            // Aside first: a copy that was cut off is no working copy.
            let aside =
                tempfile::tempdir_in(&parent).map_err(LifecycleError::file("write to", &parent))?;
            if self.template.join("body/Dockerfile").is_file() {
                Context::whole(&self.template)?.copy_to(aside.path())?;
            }
            // By it a later evolve knows whether the shipped binary is still of these sources.
            let digest = context::sources_digest(aside.path())?;
            let noted = self.sources_file();
            private::replace(&noted, &digest)?;
            let message = "The template of this machine";
            let begun = self
                .history_of(aside.path())
                .and_then(|history| Ok(history.set_origin(aside.path(), message)?));
            if let Err(error) = begun {
                // Only an evolve needs it, and says what is wrong.
                tracing::warn!(%error, "the machine's history could not begin");
            }
            init_git(aside.path());
            let aside = aside.keep();
            std::fs::rename(&aside, &repo).map_err(LifecycleError::file("create", &repo))?;
            own_all(&repo)?;
        }
        Ok(repo)
    }

    /// Lays the certificates with which this computer builds into the repo, where git ignores them:
    /// a machine that builds itself has nothing else. A repo without a place for them gets none.
    pub(crate) fn give_certificates(&self) -> Result<(), LifecycleError> {
        let (repo, from) = (self.repo_dir(), self.template.join(BUILD_CA));
        if repo.join(BUILD_CA) == from {
            return Ok(());
        }
        let failed = |error| LifecycleError::file("open", &repo)(error);
        let root = Folder::open(&repo).map_err(failed)?;
        let names: Vec<&[u8]> = BUILD_CA.split('/').map(str::as_bytes).collect();
        // Without such a folder, or with a link in its place, the machine gets none.
        let Ok(place) = root.descend(&names) else {
            return Ok(());
        };
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
            let bytes = std::fs::read(&source).map_err(LifecycleError::file("read", &source))?;
            let name = name.as_bytes();
            let target = place.path_of(name);
            let written = place.write(name, &bytes, false);
            written.map_err(LifecycleError::file("write", &target))?;
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

/// Makes a git repository of a new working copy, for whoever works in the machine; Vivarium itself
/// has no use for it. The only place where git runs: nothing inside has seen this folder yet, and
/// later nobody runs git there but the inside.
fn init_git(folder: &Path) {
    let git = |words: &[&str]| {
        let status = Command::new("git")
            .current_dir(folder)
            .args(words)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([
                ("HOME", "/nonexistent"),
                ("LC_ALL", "C"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_ATTR_NOSYSTEM", "1"),
                ("GIT_TEMPLATE_DIR", ""),
                ("GIT_AUTHOR_NAME", "Vivarium"),
                ("GIT_AUTHOR_EMAIL", "vivarium@localhost"),
                ("GIT_COMMITTER_NAME", "Vivarium"),
                ("GIT_COMMITTER_EMAIL", "vivarium@localhost"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        matches!(status, Ok(status) if status.success())
    };
    let message = "The template of this machine";
    let is_made = git(&["init", "--quiet", "--initial-branch=main"])
        && git(&["add", "--all"])
        && git(&["commit", "--quiet", "--allow-empty", "-m", message]);
    if !is_made {
        tracing::debug!("git isn't installed, or failed: the machine's repo is a plain folder");
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
