//! The first half of a run, which changes nothing about the machine: prepare, build, prove.

use std::time::Duration;

use dock::{Bind, BuildRequest, ContainerState, Restarts};
use nix::sys::statvfs::statvfs;
use wire::{
    evolve::{GenerationState, Proof, ProofCheck, RunKind, RunningCell},
    machine::Progress,
};

use super::{
    book::{Old, now_ms},
    failpoint::failpoint,
    generations::Record,
    run::{Done, Run, note},
};
use crate::{
    context::Context,
    error::LifecycleError,
    handover,
    plan::{self, Placed, label},
    spec::{Executor, Spec},
};

/// What a build may need besides the layers that are there.
const LEAST_FREE: u64 = 1 << 30;
/// Between two looks at a candidate that comes up.
const LOOK: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// Looks whether all is there.
    pub(super) async fn prepare(&mut self) -> Result<Done, LifecycleError> {
        let machine = self.machine;
        let container = machine.ours(self.dock).await?;
        let container = container.ok_or_else(|| machine.not_running())?;
        for place in [Placed::Next, Placed::New, Placed::Old] {
            machine
                .remove_beside(self.dock, &self.placed(place))
                .await?;
        }
        let answered =
            container.is_running() && machine.inside(self.dock, &container.id).answers().await;
        self.file.old = Some(Old {
            id: container.id.clone(),
            image_id: container.image_id.clone(),
            answered,
        });
        if answered && self.file.asked.running_cell == RunningCell::Refuse {
            // Before minutes of work.
            let cells = machine.inside(self.dock, &container.id).cells().await?;
            if !cells.is_empty() {
                return Err(LifecycleError::CellsRun { count: cells.len() });
            }
        }
        if let Some(free) = self.free_bytes().await?
            && free < LEAST_FREE
        {
            return Err(LifecycleError::NoSpace { free_bytes: free });
        }
        let commit = match self.file.run.kind {
            RunKind::Evolve => Some(self.commit().await?),
            RunKind::Rollback => None,
        };
        let from = self.register(&container.image_id).await?;
        self.file.run.from_generation = Some(from);
        if let Some(number) = self.file.asked.to {
            let all = machine.read_generations()?;
            let record = all
                .get(number)
                .ok_or(LifecycleError::NoGeneration { number })?;
            let Some(image) = self.dock.image(&record.image).await? else {
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
        let from = format!("the machine is of generation {from}");
        Ok(Done::With(Some(match &self.file.run.commit {
            Some(commit) => format!("{from}; the repo is {}", &commit[..commit.len().min(12)]),
            None => from,
        })))
    }

    /// Free bytes where images are kept; `None` where that can't be seen from here.
    async fn free_bytes(&self) -> Result<Option<u64>, LifecycleError> {
        let Some(root) = self.dock.root_dir().await? else {
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
                let number = machine.next_generation(self.dock).await?;
                let tag = format!("gen-{number}");
                self.dock
                    .tag_image(image_id, &machine.names.repository, &tag)
                    .await?;
                let size_bytes = self.dock.image(image_id).await?;
                let repo = machine.git().await;
                let commit = match &repo {
                    Ok(repo) => machine.origin(repo).await?,
                    Err(_) => None,
                };
                if let (Ok(repo), Some(commit)) = (&repo, &commit) {
                    repo.pin(number, commit).await?;
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
                    note: Some("As it was made from the template".into()),
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

    /// Builds the candidate from the run's commit.
    pub(super) async fn build(&mut self) -> Result<Done, LifecycleError> {
        let machine = self.machine;
        let number = machine.next_generation(self.dock).await?;
        self.file.run.generation = Some(number);
        self.save()?;
        let commit = self.file.run.commit.clone().unwrap_or_default();
        let repo = machine.git().await?;
        let folder = tempfile::Builder::new()
            .prefix("build-")
            .tempdir_in(self.book.folder())
            .map_err(LifecycleError::file("write to", self.book.folder()))?;
        repo.export(&commit, folder.path()).await?;
        let compiles = machine.compiles(folder.path())?;
        let context = Context::of_repo(folder.path(), &machine.template, !compiles)?;
        if compiles {
            self.line("the sources of body changed: it is compiled, which takes minutes");
        }
        let (context, args, digest) = machine.with_arguments(context)?;
        let mut labels = machine.names.labels();
        labels.insert(label::INPUTS.into(), digest);
        labels.insert(label::GENERATION.into(), number.to_string());
        labels.insert(label::COMMIT.into(), commit.clone());
        let image = machine.names.generation(number);
        let request = BuildRequest {
            context: context.tar()?.into(),
            dockerfile: "body/Dockerfile".into(),
            tag: image.clone(),
            args,
            labels,
        };
        let (mut steps, mut cached_steps) = (0, 0);
        let (book, run_id, hear) = (&self.book, &self.file.run.run_id, &mut *self.hear);
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
                Progress::Line { text } => text,
                Progress::Phase { .. } => return,
            };
            note(book, run_id, hear, text);
        };
        machine
            .ensure_base(self.dock, self.cancel, &mut tell)
            .await?;
        let built = self.dock.build(request, self.cancel, &mut tell).await?;
        failpoint("built");
        let size_bytes = self.dock.image(&built.id).await?;
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
        repo.pin(number, &commit).await?;
        self.file.image = Some(image.clone());
        self.file.image_id = Some(built.id);
        self.file.built = built.steps;
        self.cancelled()?;
        Ok(Done::With(Some(format!(
            "{image}: {steps} steps, {cached_steps} of them from the cache"
        ))))
    }

    /// Starts the candidate beside the machine, on scratch folders, and has it show that it is well.
    pub(super) async fn prove(&mut self) -> Result<Done, LifecycleError> {
        let name = self.placed(Placed::Next);
        // Some engines walk through the whole image for it: that takes seconds, which are free now.
        let old = self.file.old.as_ref().map(|old| old.id.clone());
        let (proved, lost) = {
            let (dock, id) = (self.dock, old.unwrap_or_default());
            let looking = dock.changed_files(&id);
            tokio::join!(self.try_candidate(&name), looking)
        };
        self.note_lost_files(lost?);
        let log = match &proved {
            Err(_) => self.dock.logs(&name, 40).await.unwrap_or_default(),
            Ok(_) => Vec::new(),
        };
        let removed = self.remove_candidate().await;
        let took = match proved {
            Err(LifecycleError::NotProved { checks, .. }) => {
                return Err(LifecycleError::NotProved { checks, log });
            }
            other => other?,
        };
        removed?;
        Ok(Done::With(Some(took)))
    }

    async fn try_candidate(&mut self, name: &str) -> Result<String, LifecycleError> {
        let machine = self.machine;
        let image_id = self.file.image_id.clone().unwrap_or_default();
        let candidate = self.candidate(name, &image_id).await?;
        handover::prepare(machine, self.dock, &candidate).await?;
        self.dock.create_container(&candidate).await?;
        self.dock.start_container(name).await?;
        failpoint("proving");
        let began = tokio::time::Instant::now();
        let limit = Duration::from_secs(machine.spec.evolve.prove_s.into());
        let inside = machine.inside(self.dock, name);
        let not_proved = |words: String| LifecycleError::NotProved {
            checks: vec![words],
            log: Vec::new(),
        };
        // Its supervisor listens a moment after its start; `body prove` waits for the rest.
        let alive = async {
            loop {
                match self.dock.container(name).await?.map(|found| found.state) {
                    Some(ContainerState::Running { .. }) => {}
                    Some(ContainerState::Stopped { exit_code })
                    | Some(ContainerState::Restarting { exit_code }) => {
                        return Ok::<_, LifecycleError>(format!(
                            "it ended with exit status {exit_code}"
                        ));
                    }
                    None => return Ok("its container is gone".to_owned()),
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let proof = tokio::select! {
            ended = alive => return Err(not_proved(ended?)),
            () = self.cancel.cancelled() => return Err(LifecycleError::Cancelled),
            proof = inside.prove(limit) => proof,
        };
        let proof = match proof {
            Ok(proof) => proof,
            // A candidate that ends takes what runs in it along: its end is the reason.
            Err(error) => {
                let state = self.dock.container(name).await?.map(|found| found.state);
                return Err(match (state, error) {
                    (Some(ContainerState::Stopped { exit_code }), _) => {
                        not_proved(format!("it ended with exit status {exit_code}"))
                    }
                    (_, LifecycleError::Inside { words, .. }) => not_proved(words),
                    (_, error) => error,
                });
            }
        };
        for check in &proof.checks {
            let mark = if check.ok { "ok" } else { "BAD" };
            let line = format!(
                "{mark} {} ({} ms): {}",
                check.name, check.took_ms, check.detail
            );
            self.line(&line);
        }
        let bad = self.worse_than_before(&proof).await?;
        let bad: Vec<String> = bad
            .into_iter()
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        let count = proof.checks.iter().filter(|check| check.ok).count();
        let silent = proof.checks.is_empty();
        self.file.run.report.proof = Some(proof);
        if silent || !bad.is_empty() {
            return Err(LifecycleError::NotProved {
                checks: bad,
                log: Vec::new(),
            });
        }
        let life = Duration::from_secs(machine.spec.evolve.steady_s.into());
        tokio::time::sleep_until(began + life).await;
        match self.dock.container(name).await?.map(|found| found.state) {
            Some(ContainerState::Running { .. }) => {}
            _ => return Err(not_proved("it ended soon after its start".into())),
        }
        Ok(format!(
            "{count} checks are well after {:.1} s",
            began.elapsed().as_secs_f32()
        ))
    }

    /// The checks that are bad. An MCP server that fails in the old machine too (its service is
    /// away, its key is missing) keeps no new one from its place.
    async fn worse_than_before(
        &mut self,
        proof: &Proof,
    ) -> Result<Vec<ProofCheck>, LifecycleError> {
        let mut bad: Vec<ProofCheck> = proof
            .checks
            .iter()
            .filter(|check| !check.ok)
            .cloned()
            .collect();
        let of_server = |check: &ProofCheck| check.name.starts_with("mcp ");
        let old = self.file.old.clone().filter(|old| old.answered);
        if let Some(old) = old
            && !bad.is_empty()
            && bad.iter().all(of_server)
        {
            let limit = Duration::from_secs(self.machine.spec.evolve.prove_s.into());
            let inside = self.machine.inside(self.dock, &old.id);
            if let Ok(before) = inside.prove_mcp(limit).await {
                let was_bad = |name: &str| {
                    let mut found = before.checks.iter();
                    found.any(|check| check.name == name && !check.ok)
                };
                for check in bad.extract_if(.., |check| was_bad(&check.name)) {
                    self.warn(format!("{} fails, as it did before", check.name));
                }
            }
        }
        Ok(bad)
    }

    /// The candidate's container: as the machine's, with nothing that it could harm.
    async fn candidate(
        &self,
        name: &str,
        image_id: &str,
    ) -> Result<dock::ContainerSpec, LifecycleError> {
        let machine = self.machine;
        let mut spec: Spec = machine.spec.clone();
        spec.executor = Executor::Host;
        spec.mounts.retain(|mount| mount.target != "/data");
        for mount in &mut spec.mounts {
            mount.read_only = true;
        }
        let image = self.file.image.as_deref().unwrap_or_default();
        let site = plan::Site {
            socket: None,
            ..machine.site(self.dock, image, image_id).await?
        };
        let mut plan = plan::container(&spec, &machine.names, &machine.paths, &site);
        plan.name = name.to_owned();
        plan.ports.clear();
        plan.restarts = Restarts::Never;
        plan.labels.remove(label::PLAN);
        let volume = self.candidate_home();
        self.dock
            .ensure_volume(&volume, &machine.names.labels())
            .await?;
        let handed_over = plan::handed_over(&spec);
        for bind in &mut plan.binds {
            match bind.target.as_str() {
                "/root" => {
                    *bind = Bind {
                        source: volume.clone(),
                        ..bind.clone()
                    }
                }
                "/repo" => bind.read_only = true,
                // The machine's own files of users stay as they are.
                "/etc/passwd" | "/etc/group" if handed_over => {
                    let file = bind.target.trim_start_matches("/etc/");
                    bind.source = self.candidate_file(file).display().to_string();
                }
                _ => {}
            }
        }
        plan.environment
            .insert("VIVARIUM_CANDIDATE".into(), "1".into());
        Ok(plan)
    }

    fn candidate_home(&self) -> String {
        format!("{}-home", self.placed(Placed::Next))
    }

    /// One of the candidate's files of users, on this computer.
    fn candidate_file(&self, file: &str) -> std::path::PathBuf {
        self.book.folder().join("candidate").join(file)
    }

    /// Removes the candidate, its scratch home and its files of users.
    pub(super) async fn remove_candidate(&self) -> Result<(), LifecycleError> {
        handover::forget(self.machine, self.dock).await?;
        let files = self.book.folder().join("candidate");
        if files.exists() {
            std::fs::remove_dir_all(&files).map_err(LifecycleError::file("remove", &files))?;
        }
        self.machine
            .remove_beside(self.dock, &self.placed(Placed::Next))
            .await?;
        self.dock.remove_volume(&self.candidate_home()).await?;
        Ok(())
    }
}
