//! How a run ends: tidy after a good one, undo after any other.

use dock::CancellationToken;
use wire::evolve::{GenerationState, RunKind};

use super::{
    failpoint::failpoint,
    repo::branch,
    run::{Done, Run},
};
use crate::{
    error::LifecycleError,
    handover,
    life::READY,
    plan::{self, Placed, STOP_S},
};

impl Run<'_> {
    /// Removes the old machine and what is beyond the generations that are kept.
    pub(super) async fn tidy(&mut self) -> Result<Done, LifecycleError> {
        let (machine, dock) = (self.machine, self.dock);
        for place in [Placed::Old, Placed::New] {
            machine.remove_beside(dock, &self.placed(place)).await?;
        }
        self.remove_candidate().await?;
        failpoint("removed");
        if self.file.run.kind == RunKind::Rollback && !self.file.asked.keep_repo {
            self.restore_repo().await?;
        }
        let all = machine.read_generations()?;
        let most = usize::try_from(machine.spec.generations_to_keep).unwrap_or(usize::MAX);
        // The way back from this run stays whatever the numbers say.
        let back = self.file.run.from_generation;
        let surplus = all.surplus(most, machine.spec.generations_bytes(), back);
        for number in &surplus {
            let inside = machine.inside(dock, &machine.names.container);
            for (_, snapshot) in all.get(*number).iter().flat_map(|record| &record.snapshots) {
                inside.forget(snapshot).await?;
            }
            machine.forget_generation(dock, *number).await?;
            self.line(&format!("generation {number} is removed"));
            if let Ok(repo) = machine.git().await {
                repo.unpin(*number).await?;
            }
        }
        if let Ok(repo) = machine.git().await {
            let left = machine.read_generations()?;
            let runs = left
                .records
                .iter()
                .filter_map(|record| record.run_id.as_deref());
            let mut keep: Vec<String> = runs.map(branch).collect();
            keep.push(branch(&self.file.run.run_id));
            repo.drop_branches(&keep).await?;
        }
        let used = std::mem::take(&mut self.file.built);
        if self.file.run.kind == RunKind::Evolve {
            machine.prune(dock, &used).await;
        }
        Ok(Done::With(match surplus.len() {
            0 => None,
            gone => Some(format!("{gone} earlier generations are removed")),
        }))
    }

    /// The repo's files become those of the generation; what was there stays on the run's branch.
    async fn restore_repo(&mut self) -> Result<(), LifecycleError> {
        let Some(commit) = self.file.run.commit.clone() else {
            self.warn("no commit is known of that generation: the repo stays as it is".into());
            return Ok(());
        };
        let repo = self.machine.git().await?;
        let before = match self.file.repo_before.clone() {
            Some(before) => before,
            None => {
                let before = self.commit().await?;
                self.file.repo_before = Some(before.clone());
                self.save()?;
                before
            }
        };
        // Taken up again after a crash, the files may be those of the generation already.
        if repo.diff(Some(&commit), None).await?.files.is_empty() {
            return Ok(());
        }
        repo.restore(&before, &commit).await?;
        self.line(&format!(
            "the repo is as {} says; as it was it stays on {}",
            &commit[..commit.len().min(12)],
            branch(&self.file.run.run_id)
        ));
        Ok(())
    }

    /// Brings the old machine back, wherever the run was.
    pub(super) async fn undo(&mut self) -> Result<Done, LifecycleError> {
        let (machine, dock) = (self.machine, self.dock);
        self.remove_candidate().await?;
        let Some(old) = self.file.old.clone() else {
            return Ok(Done::With(None));
        };
        let found = dock.container(&old.id).await?;
        // What has the machine's name and is not the old one is the new one; never a stranger's.
        if let Some(in_place) = machine.ours(dock).await?
            && in_place.id != old.id
            && (found.is_some() || self.file.new_id.as_ref() == Some(&in_place.id))
        {
            let log = dock.logs(&in_place.id, 40).await.unwrap_or_default();
            for line in log {
                self.line(&format!("new machine: {line}"));
            }
            if in_place.is_running() {
                dock.stop_container(&in_place.id, STOP_S).await?;
            }
            dock.remove_container(&in_place.id).await?;
        }
        machine
            .remove_beside(dock, &self.placed(Placed::New))
            .await?;
        machine.change_record(self.file.run.generation, |record| {
            if record.state == GenerationState::Candidate {
                record.state = GenerationState::Failed;
            }
        })?;
        let image = machine
            .read_generations()?
            .records
            .iter()
            .find(|record| record.image_id == old.image_id)
            .map_or_else(|| old.image_id.clone(), |record| record.image.clone());
        let site = machine.site(dock, &image, &old.image_id).await?;
        let plan = plan::container(&machine.spec, &machine.names, &machine.paths, &site);
        let was_stopped = match &found {
            Some(found) => {
                if found.name != machine.names.container {
                    dock.rename_container(&old.id, &machine.names.container)
                        .await?;
                }
                !found.is_running()
            }
            None => {
                self.warn("the old container is gone: it is made anew from its image".into());
                dock.create_container(&plan).await?;
                true
            }
        };
        if was_stopped {
            if let Err(error) = handover::prepare(machine, dock, &plan).await {
                // It began with what is there before.
                self.warn(format!("its files of users are the new machine's: {error}"));
            }
            self.start_in_place(plan).await?;
        }
        if !old.answered {
            return Ok(Done::With(Some(
                "the old machine is in place; it did not answer before either".into(),
            )));
        }
        let never = CancellationToken::new();
        machine.wait_ready_for(dock, &never, READY).await?;
        let Some(now) = machine.ours(dock).await? else {
            return Err(machine.not_running());
        };
        let inside = machine.inside(dock, &now.id);
        if was_stopped {
            for kernel in self.file.run.report.kernels.clone() {
                if kernel.kernel != "main" {
                    inside.start_kernel(&kernel.kernel).await?;
                }
                match inside.reload(&kernel.kernel, &kernel.snapshot).await {
                    Ok(back) => {
                        for failed in back.failed {
                            let text =
                                format!("{} did not come back: {}", failed.name, failed.reason);
                            self.warn(text);
                        }
                    }
                    Err(error) => self.warn(format!(
                        "the namespace of {} did not come back: {error}",
                        kernel.kernel
                    )),
                }
            }
        }
        if let Err(error) = inside.queue(false, 0).await {
            // It opens by itself after a while.
            tracing::debug!(%error, "the queue of cells could not be opened");
        }
        Ok(Done::With(Some(match was_stopped {
            true => "the old machine runs again, with its namespaces".into(),
            false => "the old machine ran all the time".into(),
        })))
    }
}
