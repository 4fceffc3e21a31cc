//! How a run ends: tidy after a good one, undo after any other.

use std::collections::BTreeSet;

use containers::CancellationToken;
use wire::{
    evolve::{GenerationState, RunKind},
    failure::FailureCode,
};

use crate::evolve::{
    failpoint::failpoint,
    generations::Saved,
    repo::{branch, off_thread},
    returned::Returned,
    run::{Done, Run, quoted},
    run_store::now_ms,
    steps::build::lives_since,
};
use crate::{
    error::LifecycleError,
    plan::{Placed, STOP_S},
    readiness::READY,
};

impl Run<'_> {
    /// Removes the old machine and what is beyond the generations that are kept.
    pub(in crate::evolve) async fn tidy(&mut self) -> Result<Done, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        for place in [Placed::Old, Placed::New] {
            machine.remove_beside(engine, &self.placed(place)).await?;
        }
        // One that somebody else made has none of our labels.
        if let Some(old) = &self.file.old
            && let Some(found) = engine.container(&old.id).await?
            && found.name == self.placed(Placed::Old)
        {
            engine.remove_container(&found.id).await?;
        }
        self.remove_candidate().await?;
        failpoint("removed");
        if self.file.run.kind == RunKind::Rollback && !self.file.asked.keep_repo {
            self.restore_repo().await?;
        }
        let gone = self.remove_surplus().await?;
        self.tidy_history().await?;
        let used = std::mem::take(&mut self.file.built);
        if self.file.run.kind == RunKind::Evolve {
            machine.prune(engine, &used).await;
        }
        Ok(Done::With(match gone {
            0 => None,
            gone => Some(format!(
                "{} deleted",
                crate::plural::count(gone as u64, "earlier generation")
            )),
        }))
    }

    /// Removes generations beyond those that are kept, and images of runs that were killed before
    /// they became generations; answers how many generations went.
    async fn remove_surplus(&mut self) -> Result<usize, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let all = machine.read_generations()?;
        let most = usize::try_from(machine.spec.generations_to_keep).unwrap_or(usize::MAX);
        // The way back from this run stays whatever the numbers say.
        let back = self.file.run.from_generation;
        let surplus = all.surplus(most, machine.spec.generations_bytes(), back);
        for number in &surplus {
            self.remove_generation(*number).await?;
            self.line(&format!("generation {number} deleted"));
        }
        let runs = machine.runs()?;
        let numbers: BTreeSet<u32> = runs
            .iter()
            .flat_map(|run| run.generation.into_iter().chain(run.from_generation))
            .collect();
        let tags = engine.image_tags(&machine.names.repository).await?;
        for number in numbers
            .into_iter()
            .filter(|number| all.get(*number).is_none())
        {
            if tags.contains(&format!("gen-{number}")) {
                let image = machine.names.generation(number);
                engine.remove_image(&image).await?;
                self.line(&format!(
                    "{image} was left by an interrupted run and is deleted"
                ));
            }
        }
        Ok(surplus.len())
    }

    /// Removes a generation with its image, its snapshots and its hold on the repo.
    async fn remove_generation(&mut self, number: u32) -> Result<(), LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let all = machine.read_generations()?;
        let inside = machine.inside(engine, &machine.names.container);
        for (_, snapshot) in all.get(number).iter().flat_map(|record| &record.snapshots) {
            inside.forget(snapshot).await?;
        }
        machine.forget_generation(engine, number).await?;
        machine.history()?.unpin(number)?;
        Ok(())
    }

    /// Removes commits and branches that no generation, run or rollback needs.
    async fn tidy_history(&mut self) -> Result<(), LifecycleError> {
        let machine = self.machine.clone();
        let own = branch(&self.file.run.run_id);
        off_thread(move || {
            let all = machine.read_generations()?;
            let runs = all.records.iter();
            let runs = runs.filter_map(|record| record.run_id.as_deref());
            let mut keep: Vec<String> = runs.map(branch).collect();
            keep.extend(all.saved.iter().map(|saved| branch(&saved.run_id)));
            keep.push(own);
            let numbers: Vec<u32> = all.records.iter().map(|record| record.number).collect();
            Ok(machine.history()?.keep(&keep, &numbers)?)
        })
        .await
    }

    /// The repo's files become those of the generation; what was there is kept on the run's branch
    /// for as long as one of the two generations is.
    async fn restore_repo(&mut self) -> Result<(), LifecycleError> {
        match self.try_restore_repo().await {
            // The machine is in place: its files alone fail no run.
            Err(LifecycleError::History(error)) => {
                self.warn(format!("the repo's files could not be restored: {error}"));
                Ok(())
            }
            done => done,
        }
    }

    async fn try_restore_repo(&mut self) -> Result<(), LifecycleError> {
        let history = self.machine.history()?;
        let known = self.file.run.commit.clone();
        let Some(commit) = known.filter(|commit| history.has(commit)) else {
            self.warn("the files of that generation are unknown: the repo was not changed".into());
            return Ok(());
        };
        let before = match self.file.repo_before.clone() {
            Some(before) => before,
            None => {
                let before = self.commit().await?.commit;
                self.file.repo_before = Some(before.clone());
                self.save()?;
                before
            }
        };
        let (branch, message) = (branch(&self.file.run.run_id), self.message());
        let restored = {
            let (commit, branch) = (commit.clone(), branch.clone());
            off_thread(move || {
                let restored = history.restore(&commit, &before, &branch, &message)?;
                Ok((restored, history.tip(&branch)?))
            })
            .await
        };
        let (restored, tip) = restored?;
        for path in &restored.kept {
            self.warn(format!(
                "{path} was not changed: something else is in its place"
            ));
        }
        let Some(tip) = tip else {
            return Ok(());
        };
        let mut all = self.machine.read_generations()?;
        let run = &self.file.run;
        all.saved.retain(|saved| saved.run_id != run.run_id);
        all.saved.push(Saved {
            run_id: run.run_id.clone(),
            commit: tip,
            saved_at: now_ms(),
            from_generation: run.from_generation,
            to_generation: run.generation,
        });
        self.machine.write_generations(&all)?;
        self.line(&format!(
            "the repo was restored to {}; the previous files are kept on {branch}",
            &commit[..commit.len().min(12)],
        ));
        Ok(())
    }

    /// Brings the old machine back, wherever the run was, and removes what has no use any more.
    pub(in crate::evolve) async fn undo(&mut self) -> Result<Done, LifecycleError> {
        let done = self.bring_the_old_one_back().await?;
        // The machine is there by now: what can't be written or removed is for a later run.
        if let Err(error) = self.drop_the_new_one().await {
            self.warn(format!(
                "Some old images or containers could not be removed: {error}"
            ));
        }
        Ok(done)
    }

    /// The new generation has failed; of a run that was cancelled nothing stays.
    async fn drop_the_new_one(&mut self) -> Result<(), LifecycleError> {
        let machine = self.machine;
        self.unmark().await?;
        let new = self.file.run.generation;
        let new = new.filter(|_| self.file.run.kind == RunKind::Evolve);
        machine.change_record(new, |record| record.state = GenerationState::Failed)?;
        let failure = self.file.run.failure.as_ref();
        if let Some(number) = new
            && failure.is_some_and(|failure| failure.code == FailureCode::Cancelled)
        {
            self.remove_generation(number).await?;
        }
        self.remove_surplus().await.map(|_| ())
    }

    /// It may have been marked as the current one before it failed.
    async fn unmark(&mut self) -> Result<(), LifecycleError> {
        let machine = self.machine;
        let mut all = machine.read_generations()?;
        if all.current.is_none() || all.current != self.file.run.generation {
            return Ok(());
        }
        all.current = self.file.run.from_generation;
        machine.write_generations(&all)?;
        match &self.file.old {
            Some(old) => machine.follow_image(self.engine, &old.image_id).await,
            None => Ok(()),
        }
    }

    async fn bring_the_old_one_back(&mut self) -> Result<Done, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        self.remove_candidate().await?;
        let Some(old) = self.file.old.clone() else {
            return Ok(Done::With(None));
        };
        let found = engine.container(&old.id).await?;
        // Made again, where it is gone, or where its port is: while there is something to make it like.
        let image = machine
            .read_generations()?
            .records
            .iter()
            .find(|record| record.image_id == old.image_id)
            .map_or_else(|| old.image_id.clone(), |record| record.image.clone());
        let like = match (&found, &self.file.new_id) {
            (None, Some(new)) => new,
            _ => &old.id,
        };
        let template = self.template(like, &image, &old.image_id).await?;
        // What has the machine's name and is not the old one is the new one; never a stranger's.
        if let Some(in_place) = machine.ours(engine).await?
            && in_place.id != old.id
            && (found.is_some() || self.file.new_id.as_ref() == Some(&in_place.id))
        {
            let log = engine.logs(&in_place.id, 40).await.unwrap_or_default();
            for line in log {
                self.line(&quoted(&format!("new machine: {line}")));
            }
            if in_place.is_running() {
                engine.stop_container(&in_place.id, STOP_S).await?;
            }
            engine.remove_container(&in_place.id).await?;
        }
        machine
            .remove_beside(engine, &self.placed(Placed::New))
            .await?;
        let was_stopped = match &found {
            Some(found) => {
                if found.name != machine.names.container {
                    engine
                        .rename_container(&old.id, &machine.names.container)
                        .await?;
                }
                !found.is_running()
            }
            None => {
                self.warn("the old container was removed: it is recreated from its image".into());
                template.create(engine).await?;
                true
            }
        };
        if was_stopped {
            if let Err(error) = template.prepare(machine, engine).await {
                // It began with what is there before.
                self.warn(format!(
                    "its user files are those of the new machine: {error}"
                ));
            }
            self.start_in_place(template).await?;
        }
        if !old.answered {
            return Ok(Done::With(Some(
                "the old machine was kept; it did not respond before either".into(),
            )));
        }
        let never = CancellationToken::new();
        machine.wait_ready_for(engine, &never, READY).await?;
        let Some(now) = machine.ours(engine).await? else {
            return Err(machine.not_running());
        };
        let inside = machine.inside(engine, &now.id);
        // One that began anew meanwhile, after a power cut, has lost its namespaces too.
        let began_anew = was_stopped
            || (old.started_at_ms.is_some() && old.started_at_ms != lives_since(now.state));
        let mut returned = Returned::default();
        if began_anew {
            for kernel in self.file.run.report.kernels.clone() {
                let back = async {
                    if kernel.kernel != "main" {
                        inside.start_kernel(&kernel.kernel).await?;
                    }
                    inside.reload(&kernel.kernel, &kernel.snapshot).await
                };
                match back.await {
                    Ok(back) => {
                        returned.came_back(&kernel, &back);
                        for failed in back.failed {
                            let text =
                                format!("{} could not be restored: {}", failed.name, failed.reason);
                            self.warn(text);
                        }
                    }
                    Err(error) => {
                        returned.stayed_away();
                        self.warn(format!(
                            "the variables of {} could not be restored: {error}",
                            kernel.kernel
                        ));
                    }
                }
            }
        }
        if let Err(error) = inside.queue(false, 0).await {
            // It opens by itself after a while.
            tracing::debug!(%error, "the queue of cells could not be opened");
        }
        Ok(Done::With(Some(match began_anew {
            true => format!("the old machine is running again, {}", returned.words()),
            false => "the old machine was never stopped".into(),
        })))
    }
}
