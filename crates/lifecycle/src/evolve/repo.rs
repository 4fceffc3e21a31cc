//! The machine's repo as a run sees it: what it is committed as, and what changed since.

use dock::Dock;
use wire::evolve::RepoDiff;

use super::{git::Repo, run::Run};
use crate::{context, error::LifecycleError, machine::Machine};

/// In the image: the digest of the sources that its binaries were built of.
const SOURCES: &str = "/usr/local/share/vivarium/body.sources";

/// A run's branch.
pub(super) fn branch(run_id: &str) -> String {
    format!("vivarium/run-{run_id}")
}

impl Machine {
    /// The repo; a machine's own that has none yet becomes one.
    pub(crate) async fn git(&self) -> Result<Repo, LifecycleError> {
        let folder = self.ensure_repo()?;
        match Repo::open(&folder).await {
            Err(LifecycleError::NoRepo { .. }) if self.repo.is_none() => Repo::init(&folder).await,
            other => other,
        }
    }

    /// What changed in the repo since the generation that the machine is made of.
    ///
    /// # Errors
    /// [`LifecycleError::NoGit`], [`LifecycleError::NoRepo`], [`LifecycleError::Git`].
    pub async fn preview(&self) -> Result<RepoDiff, LifecycleError> {
        let repo = self.git().await?;
        let all = self.read_generations()?;
        let current = all.current.and_then(|number| all.get(number));
        let from = match current.and_then(|record| record.commit.clone()) {
            Some(commit) if repo.has(&commit).await => Some(commit),
            _ => self.origin(&repo).await?,
        };
        let mut diff = repo.diff(from.as_deref(), None).await?;
        diff.from_generation = all.current;
        diff.compiles = self.compiles(&self.ensure_repo()?)?;
        Ok(diff)
    }

    /// What a generation changed in the repo against the one before it.
    ///
    /// # Errors
    /// [`LifecycleError::NoGeneration`], and as [`preview`](Self::preview).
    pub async fn generation_diff(&self, number: u32) -> Result<RepoDiff, LifecycleError> {
        let repo = self.git().await?;
        let all = self.read_generations()?;
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
        let Some((before, from)) = before.and_then(|one| Some((one.number, one.commit.as_ref()?)))
        else {
            return Ok(RepoDiff::default());
        };
        let mut diff = repo.diff(Some(from), Some(commit)).await?;
        diff.from_generation = Some(before);
        Ok(diff)
    }

    /// The commit of a machine that has no generation yet: its template's where the repo is its
    /// own, else what is checked out.
    pub(super) async fn origin(&self, repo: &Repo) -> Result<Option<String>, LifecycleError> {
        if self.repo.is_none() {
            repo.first().await
        } else {
            repo.head().await
        }
    }

    /// Whether the Rust sources in a folder are others than those that the shipped binary is of.
    pub(super) fn compiles(&self, folder: &std::path::Path) -> Result<bool, LifecycleError> {
        let there = context::sources_digest(folder)?;
        if self.seat.is_some() {
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

    /// Removes the container of this name that was left beside the machine; never a stranger's.
    pub(crate) async fn remove_beside(
        &self,
        dock: &Dock,
        name: &str,
    ) -> Result<(), LifecycleError> {
        if let Some(container) = dock.container(name).await?
            && container.labels.get(crate::plan::label::MACHINE) == Some(&self.names.machine)
        {
            dock.remove_container(&container.id).await?;
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Commits the repo as it is, where that is not HEAD already; answers the commit.
    pub(super) async fn commit(&mut self) -> Result<String, LifecycleError> {
        let repo = self.machine.git().await?;
        let message = match &self.file.run.note {
            Some(note) => format!("Evolve: {note}"),
            None => "Evolve".to_owned(),
        };
        repo.commit(&branch(&self.file.run.run_id), &message).await
    }
}
