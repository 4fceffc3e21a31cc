//! The first half of a run, which changes nothing about the machine: prepare and build.

use std::{path::PathBuf, time::Duration};

use containers::{BuildRequest, ContainerState};
use nix::sys::statvfs::statvfs;
use wire::{
    evolve::{GenerationState, RunKind, RunningCell},
    machine::Progress,
};

use crate::evolve::{
    failpoint::failpoint,
    generations::Record,
    repo::{PASSING, off_thread, owners_alone},
    restarter::{SHIPPED, shipped},
    run::{Done, Run, note, quoted},
    run_store::{Old, now_ms},
};
use crate::{
    context::Context,
    error::LifecycleError,
    plan::{Placed, label},
};

/// Begins the names of folders with a commit's files, of which an image is built.
const EXPORT: &str = "build-";
/// No look at files takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(3600);
/// What a build may need besides the layers that are there.
const LEAST_FREE: u64 = 1 << 30;

impl Run<'_> {
    /// Looks whether all is there.
    pub(in crate::evolve) async fn prepare(&mut self) -> Result<Done, LifecycleError> {
        let machine = self.machine;
        let container = machine.ours(self.engine).await?;
        let container = container.ok_or_else(|| machine.not_running())?;
        machine.check_paused(&container)?;
        for place in [Placed::Next, Placed::New, Placed::Old] {
            machine
                .remove_beside(self.engine, &self.placed(place))
                .await?;
        }
        let answered =
            container.is_running() && machine.inside(self.engine, &container.id).answers().await;
        self.file.old = Some(Old {
            id: container.id.clone(),
            image_id: container.image_id.clone(),
            answered,
            started_at_ms: lives_since(container.state),
        });
        if answered && self.file.asked.running_cell == RunningCell::Refuse {
            // Before minutes of work.
            let inside = machine.inside(self.engine, &container.id);
            let count = inside.open_cells().await?;
            if count > 0 {
                return Err(LifecycleError::CellsRun { count });
            }
        }
        if let Some(free) = self.free_bytes().await?
            && free < LEAST_FREE
        {
            return Err(LifecycleError::NoSpace { free_bytes: free });
        }
        let commit = match self.file.run.kind {
            RunKind::Evolve => Some(self.commit_approved().await?),
            RunKind::Rollback => None,
        };
        let from = self.register(&container.image_id).await?;
        self.file.run.from_generation = Some(from);
        if let Some(number) = self.file.asked.to {
            let all = machine.read_generations()?;
            let record = all
                .get(number)
                .ok_or(LifecycleError::NoGeneration { number })?;
            let Some(image) = self.engine.image(&record.image).await? else {
                return Err(LifecycleError::GenerationGone { number });
            };
            self.file.image = Some(record.image.clone());
            self.file.image_id = Some(image.id);
            self.file.run.commit = record.commit.clone();
        } else {
            self.file.run.commit = commit;
        }
        self.save()?;
        failpoint("prepared");
        self.cancelled()?;
        let from = format!("the machine is generation {from}");
        Ok(Done::With(Some(match &self.file.run.commit {
            Some(commit) => format!("{from}; the repo is {}", &commit[..commit.len().min(12)]),
            None => from,
        })))
    }

    /// Commits the repo; it must be what was approved, where somebody approved it.
    async fn commit_approved(&mut self) -> Result<String, LifecycleError> {
        let committed = self.commit().await?;
        match &self.file.asked.tree {
            Some(approved) if *approved != committed.tree => Err(LifecycleError::RepoChanged {
                approved: approved.clone(),
                found: committed.tree,
            }),
            _ => Ok(committed.commit),
        }
    }

    /// Free bytes where images are kept; `None` where that can't be seen from here.
    async fn free_bytes(&self) -> Result<Option<u64>, LifecycleError> {
        let Some(root) = self.engine.root_dir().await? else {
            return Ok(None);
        };
        // Their widths differ between systems.
        #[allow(clippy::unnecessary_cast)]
        Ok(statvfs(&root)
            .ok()
            .map(|found| found.blocks_available() as u64 * found.fragment_size() as u64))
    }

    /// The generation of the image that the machine runs: one that no run made gets a number now,
    /// so that there is a way back to it.
    async fn register(&mut self, image_id: &str) -> Result<u32, LifecycleError> {
        let machine = self.machine;
        let mut all = machine.read_generations()?;
        let known =
            all.records.iter().rev().find(|record| {
                record.image_id == image_id && record.state == GenerationState::Good
            });
        let number = match known {
            Some(record) => record.number,
            None => {
                let number = machine.next_generation(self.engine).await?;
                // Written down first: a name that no record knows of would stay for ever.
                self.file.run.from_generation = Some(number);
                self.save()?;
                let tag = format!("gen-{number}");
                self.engine
                    .tag_image(image_id, &machine.names.repository, &tag)
                    .await?;
                let size_bytes = self.engine.image(image_id).await?;
                let history = machine.history()?;
                let commit = history.origin()?;
                if let Some(commit) = &commit {
                    history.pin(number, commit)?;
                }
                all.records.push(Record {
                    number,
                    image: machine.names.generation(number),
                    image_id: image_id.into(),
                    created_at: now_ms(),
                    size_bytes: size_bytes.map_or(0, |image| image.size_bytes),
                    state: GenerationState::Good,
                    kept: false,
                    name: None,
                    note: Some("Created from the template".into()),
                    asked_by: Default::default(),
                    run_id: None,
                    commit,
                    snapshots: Vec::new(),
                });
                number
            }
        };
        all.current = Some(number);
        machine.write_generations(&all)?;
        Ok(number)
    }

    /// What earlier runs and looks exported, that were killed; another user's stays.
    fn remove_exports(&self) -> Result<(), LifecycleError> {
        let folder = &self.machine.exports_dir()?;
        let entries = std::fs::read_dir(folder).map_err(LifecycleError::file("read", folder))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A look holds no lock: what is there for long is nobody's.
            let is_old = || {
                let changed = entry.metadata().and_then(|found| found.modified());
                changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LONGEST_LOOK))
            };
            if name.starts_with(EXPORT) || name.starts_with(PASSING) && is_old() {
                let path = entry.path();
                if let Err(error) = std::fs::remove_dir_all(&path) {
                    tracing::warn!(%error, path = %path.display(), "what a killed run left can't be removed");
                }
            }
        }
        Ok(())
    }

    /// Builds the candidate from the run's commit.
    pub(in crate::evolve) async fn build(&mut self) -> Result<Done, LifecycleError> {
        let machine = self.machine;
        let number = machine.next_generation(self.engine).await?;
        self.file.run.generation = Some(number);
        self.save()?;
        let commit = self.file.run.commit.clone().unwrap_or_default();
        self.remove_exports()?;
        let exports = machine.exports_dir()?;
        let folder = tempfile::Builder::new()
            .prefix(EXPORT)
            .permissions(owners_alone())
            .tempdir_in(&exports)
            .map_err(LifecycleError::file("write to", &exports))?;
        let history = {
            let (machine, commit) = (machine.clone(), commit.clone());
            let folder = folder.path().to_owned();
            off_thread(move || {
                let history = machine.history()?;
                history.export(&commit, &folder, |_| true)?;
                Ok(history)
            })
            .await?
        };
        let compiles = machine.compiles(folder.path())?;
        let context = match &machine.self_container {
            Some(_) => Context::of_repo(folder.path(), &machine.template, false)?
                .with_binaries(if compiles { &[] } else { &SHIPPED }, shipped),
            None => Context::of_repo(folder.path(), &machine.template, !compiles)?,
        };
        if compiles {
            self.line("Rust sources changed: compiling takes a few minutes");
        }
        let (context, args, digest) = machine.with_arguments(context)?;
        let mut labels = machine.names.labels();
        labels.insert(label::INPUTS.into(), digest);
        labels.insert(label::GENERATION.into(), number.to_string());
        labels.insert(label::COMMIT.into(), commit.clone());
        let image = machine.names.generation(number);
        let request = BuildRequest {
            context: packed(context, exports).await?,
            dockerfile: "body/Dockerfile".into(),
            tag: image.clone(),
            args,
            labels,
        };
        let (mut steps, mut cached_steps) = (0, 0);
        let (run_store, run_id, hear) = (&self.run_store, &self.file.run.run_id, &mut *self.hear);
        let mut tell = |progress: Progress| {
            let text = match progress {
                Progress::Step {
                    index,
                    total,
                    title,
                    cached,
                } => {
                    steps = total.max(index);
                    cached_steps += u32::from(cached);
                    let cached = if cached { " (cached)" } else { "" };
                    format!("[{index}/{total}] {title}{cached}")
                }
                Progress::Line { text } => quoted(&text),
                Progress::Phase { .. } => return,
            };
            note(run_store, run_id, hear, &text);
        };
        machine
            .ensure_base(self.engine, self.cancel, &mut tell)
            .await?;
        let built = self.engine.build(request, self.cancel, &mut tell).await?;
        failpoint("built");
        let size_bytes = self.engine.image(&built.id).await?;
        let size_bytes = size_bytes.map_or(0, |image| image.size_bytes);
        let mut all = machine.read_generations()?;
        all.records.push(Record {
            number,
            image: image.clone(),
            image_id: built.id.clone(),
            created_at: now_ms(),
            size_bytes,
            state: GenerationState::Candidate,
            kept: false,
            name: None,
            note: self.file.run.note.clone(),
            asked_by: self.file.run.asked_by,
            run_id: Some(self.file.run.run_id.clone()),
            commit: Some(commit.clone()),
            snapshots: Vec::new(),
        });
        machine.write_generations(&all)?;
        history.pin(number, &commit)?;
        self.file.image = Some(image.clone());
        self.file.image_id = Some(built.id);
        self.file.built = built.steps;
        self.cancelled()?;
        Ok(Done::With(Some(format!(
            "{image}: {}, {cached_steps} cached",
            crate::plural::count(steps, "step")
        ))))
    }
}

/// The context as a file that the engine reads.
async fn packed(context: Context, folder: PathBuf) -> Result<std::fs::File, LifecycleError> {
    off_thread(move || context.spool(&folder)).await
}

/// When a container's present life began.
pub(in crate::evolve) fn lives_since(state: ContainerState) -> Option<u64> {
    match state {
        ContainerState::Running { started_at_ms } => Some(started_at_ms),
        _ => None,
    }
}
