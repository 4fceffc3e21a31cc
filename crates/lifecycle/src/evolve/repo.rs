//! The machine's repo as a run sees it: what it is committed as, and what changed since. Its files
//! are read and written by [`History`] alone.

use std::path::{Path, PathBuf};

use containers::Engine;
use futures_util::future::BoxFuture;
use wire::evolve::RepoDiff;

use super::{generations::Generations, run::Run};
use crate::{
    context::{self, Context},
    error::LifecycleError,
    history::{Committed, History},
    machine::Machine,
    paths::{machine_ids, make_dir_like_above},
    plan,
    spec::Executor,
};

/// In the image: the digest of the sources that its binaries were built of.
const SOURCES: &str = "/usr/local/share/vivarium/body.sources";

/// Begins the names of folders that are looked at and removed.
pub(super) const PASSING: &str = "look-";

/// Permissions of a folder with a copy of the machine's files.
pub(super) fn owners_alone() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o700)
}

/// A run's branch.
pub(super) fn branch(run_id: &str) -> String {
    format!("vivarium/run-{run_id}")
}

/// Does work on files beside the asynchronous threads.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LifecycleError> + Send + 'static,
) -> Result<T, LifecycleError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // It is never cancelled.
        Err(_) => Err(LifecycleError::Cancelled),
    }
}

impl Machine {
    /// The bare repository that keeps the files of its repo. Nothing inside the machine can write
    /// to it, unless the machine has the engine's socket: then it keeps it itself, on its `/data`.
    pub(crate) fn history_dir(&self) -> PathBuf {
        self.evolve_dir().join("history.git")
    }

    /// The history of its repo, which begins on first use.
    pub(crate) fn history(&self) -> Result<History, LifecycleError> {
        let work = self.ensure_repo()?;
        let history = self.history_of(&work)?;
        if history.origin()?.is_none() {
            self.find_origin(&history)?;
        }
        Ok(history)
    }

    /// The history of files in a folder, before it is known what all began with.
    pub(crate) fn history_of(&self, work: &Path) -> Result<History, LifecycleError> {
        if plan::data_source(&self.spec, &self.paths).is_some() && self.self_container.is_none() {
            // It lies on the machine's `/data`, which is to be its user's.
            plan::make_sources(&self.spec, &self.paths)?;
        }
        Ok(History::open(&self.history_dir(), work)?)
    }

    /// The folder of the history, if the machine is to see it. One that keeps its history itself has
    /// it on `/data`; one with CRIU's capabilities could make the mount writable.
    pub(crate) fn shown_history(&self, work: &Path) -> Result<Option<PathBuf>, LifecycleError> {
        if self.spec.executor == Executor::Socket || self.spec.criu || self.self_container.is_some()
        {
            return Ok(None);
        }
        let history = self.history_of(work)?;
        if nix::unistd::geteuid().is_root() {
            let (uid, gid) = machine_ids();
            history.give_to(uid, gid)?;
        }
        Ok(Some(self.history_dir()))
    }

    /// What changes are compared with as long as no generation is. An older Vivarium kept that in
    /// `/repo/.git`, which isn't read any more.
    fn find_origin(&self, history: &History) -> Result<(), LifecycleError> {
        if self.self_container.is_some() {
            // What it is compared with is only its own word anyway.
            if self.read_generations()?.records.is_empty() {
                history.set_origin(&self.repo_dir(), "The repo as it was found")?;
            }
        } else if self.repo.is_none() && self.template.join("body/Dockerfile").is_file() {
            // The machine may have changed its own copy by now; the template it can't.
            let copy = self.passing_folder()?;
            Context::whole(&self.template)?.copy_to(copy.path())?;
            history.set_origin(copy.path(), "The template of this machine")?;
        }
        Ok(())
    }

    /// Notes the files of a folder of the owner's as what all began with, before the machine can
    /// write to it.
    pub(crate) fn note_origin(&self) -> Result<(), LifecycleError> {
        let history = self.history()?;
        if self.repo.is_some()
            && history.origin()?.is_none()
            && self.read_generations()?.records.is_empty()
        {
            history.set_origin(&self.repo_dir(), "The repo as it was given to the machine")?;
        }
        Ok(())
    }

    /// What changed in the repo since the generation that the machine is made of. Its `tree` names
    /// the files as they are now, for an approval.
    ///
    /// # Errors
    /// [`LifecycleError::History`], [`LifecycleError::File`].
    pub fn preview<'a>(&'a self) -> BoxFuture<'a, Result<RepoDiff, LifecycleError>> {
        Box::pin(async move {
            let machine = self.clone();
            off_thread(move || {
                let history = machine.history()?;
                let all = machine.read_generations()?;
                let tree = history.look()?;
                let (from, from_generation) = known_base(&history, &all)?;
                let mut diff = history.diff(from.as_deref(), &tree)?;
                diff.from_generation = from_generation;
                diff.compiles = machine.tree_compiles(&history, &tree)?;
                Ok(diff)
            })
            .await
        })
    }

    /// What a generation changed in the repo against the one before it.
    ///
    /// # Errors
    /// [`LifecycleError::NoGeneration`], and as [`preview`](Self::preview).
    pub fn generation_diff<'a>(
        &'a self,
        number: u32,
    ) -> BoxFuture<'a, Result<RepoDiff, LifecycleError>> {
        Box::pin(async move {
            let machine = self.clone();
            off_thread(move || {
                let history = machine.history()?;
                let all = machine.read_generations()?;
                let record = all
                    .get(number)
                    .ok_or(LifecycleError::NoGeneration { number })?;
                let Some(commit) = &record.commit else {
                    return Ok(RepoDiff::default());
                };
                let earlier = all
                    .records
                    .iter()
                    .filter(|other| other.number < number && other.commit.is_some());
                let before = earlier.max_by_key(|other| other.number);
                let Some((before, from)) =
                    before.and_then(|one| Some((one.number, one.commit.as_ref()?)))
                else {
                    return Ok(RepoDiff::default());
                };
                let mut diff = history.diff(Some(from), commit)?;
                diff.from_generation = Some(before);
                Ok(diff)
            })
            .await
        })
    }

    /// Whether the Rust sources of a tree are others than those that the shipped binary is of.
    fn tree_compiles(&self, history: &History, tree: &str) -> Result<bool, LifecycleError> {
        let folder = self.passing_folder()?;
        history.export(tree, folder.path(), context::is_source)?;
        self.compiles(folder.path())
    }

    /// The same of a folder of ours.
    pub(super) fn compiles(&self, folder: &Path) -> Result<bool, LifecycleError> {
        let there = context::sources_digest(folder)?;
        if self.self_container.is_some() {
            let built_of = std::fs::read_to_string(SOURCES);
            return Ok(built_of.map_or(true, |digest| digest.trim() != there));
        }
        if there == context::sources_digest(&self.template)? {
            return Ok(false);
        }
        Ok(self
            .sources_at_creation()
            .is_none_or(|at_creation| at_creation != there))
    }

    /// An empty folder for a look at files. It isn't in the system's folder for such things, which may
    /// be in memory: the machine decides how much there is to look at.
    fn passing_folder(&self) -> Result<tempfile::TempDir, LifecycleError> {
        let folder = self.exports_dir()?;
        let made = tempfile::Builder::new()
            .prefix(PASSING)
            .permissions(owners_alone())
            .tempdir_in(&folder);
        made.map_err(LifecycleError::file("write to", &folder))
    }

    /// A folder for files that an image is built from, out of the machine's reach.
    pub(crate) fn exports_dir(&self) -> Result<PathBuf, LifecycleError> {
        let folder = match &self.self_container {
            Some(_) => self.evolve_dir(),
            None => self.paths.machine_dir(&self.names.machine),
        };
        make_dir_like_above(&folder)?;
        Ok(folder)
    }

    /// Removes the container of this name that was left beside the machine; never a stranger's.
    pub(crate) async fn remove_beside(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<(), LifecycleError> {
        if let Some(container) = engine.container(name).await?
            && container.labels.get(crate::plan::label::MACHINE) == Some(&self.names.machine)
        {
            engine.remove_container(&container.id).await?;
        }
        Ok(())
    }
}

/// The commit that a preview is against, and its generation: the current one's, else what all began
/// with. Without one, everything is shown as new.
fn known_base(
    history: &History,
    all: &Generations,
) -> Result<(Option<String>, Option<u32>), LifecycleError> {
    let current = all.current.and_then(|number| all.get(number));
    let known = current.and_then(|record| Some((record.commit.clone()?, record.number)));
    match known.filter(|(commit, _)| history.has(commit)) {
        Some((commit, number)) => Ok((Some(commit), Some(number))),
        None => Ok((history.origin()?, None)),
    }
}

impl Run<'_> {
    /// Commits the repo as it is, if that isn't a known commit already.
    pub(super) async fn commit(&mut self) -> Result<Committed, LifecycleError> {
        let machine = self.machine.clone();
        let message = self.message();
        let branch = branch(&self.file.run.run_id);
        let committed = off_thread(move || {
            let all = machine.read_generations()?;
            let current = all.current.and_then(|number| all.get(number));
            let current = current.and_then(|record| record.commit.clone());
            let history = machine.history()?;
            Ok(history.commit(&branch, current.as_deref(), &message)?)
        })
        .await?;
        for path in &committed.left_out {
            self.line(&format!("skipped because it may contain secrets: {path}"));
        }
        Ok(committed)
    }

    pub(super) fn message(&self) -> String {
        match &self.file.run.note {
            Some(note) => format!("Evolve: {note}"),
            None => "Evolve".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
