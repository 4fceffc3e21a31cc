//! The second half of a run, in which the machine changes: carry, swap, settle.

use std::{collections::BTreeMap, time::Duration};

use containers::ContainerState;
use wire::evolve::{CarriedKernel, GenerationState, RunKind};

use crate::evolve::{
    CELL_LIMIT_S,
    cells::{self, Patience},
    container_template::ContainerTemplate,
    failpoint::failpoint,
    inside::Inside,
    run::{Done, Run},
    run_store::now_ms,
};
use crate::{
    error::LifecycleError,
    plan::{self, Placed, STOP_S},
};

/// How long the queue of cells stays closed where nobody opens it: longer than a swap takes.
const CLOSED_S: u32 = 900;
/// Between two looks at cells that are waited for.
const LOOK: Duration = Duration::from_millis(200);
/// Before cells that an interrupt did not end are interrupted again.
const INTERRUPT: Duration = Duration::from_secs(2);
/// How long a port may take to be free again after the old machine's end.
const PORT: Duration = Duration::from_secs(5);
/// How long a run waits for the list of files that are lost, while the machine still runs.
const LOST: Duration = Duration::from_millis(1500);
/// So many lost files are named.
const NAMED_FILES: usize = 300;

/// Written by the system while it runs, or at every start.
const NOISE: &[&str] = &[
    "/run",
    "/tmp",
    "/proc",
    "/sys",
    "/dev",
    "/root",
    "/repo",
    "/data",
    "/var/tmp",
    "/var/cache",
    "/var/lib/apt",
    "/var/log",
    "/etc/passwd",
    "/etc/group",
    "/etc/mtab",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/.dockerenv",
    // Where the history is mounted.
    "/var/lib/vivarium",
];

impl Run<'_> {
    /// Closes the queue of cells, sees to those that run, stores the namespaces.
    pub(in crate::evolve) async fn carry(&mut self) -> Result<Done, LifecycleError> {
        let machine = self.machine;
        let Some(old) = self.file.old.clone().filter(|old| old.answered) else {
            self.warn("The machine did not respond: its variables can't be carried over".into());
            return Ok(Done::Skipped("the machine did not respond".into()));
        };
        let engine = self.engine;
        let inside = machine.inside(engine, &old.id);
        inside.queue(true, CLOSED_S).await?;
        failpoint("closed");
        self.see_to_cells(&inside).await?;
        let (changed, stored) = tokio::join!(self.look_again(&inside), self.store_all(&inside));
        let stored = stored?;
        let names: usize = stored.iter().map(|kernel| kernel.saved.len()).sum();
        for kernel in &stored {
            for skipped in &kernel.skipped {
                self.line(&format!(
                    "{}: {} was not saved: {}",
                    kernel.kernel, skipped.name, skipped.reason
                ));
            }
        }
        self.file.run.report.kernels = stored;
        match changed {
            Ok(changed) => self.note_lost_files(changed),
            Err(error) => {
                tracing::debug!(%error, "what changed in the old container is not known");
                let text = "the list of changed files is incomplete: it took too long";
                self.warn(text.into());
            }
        }
        if !machine
            .spec
            .mounts
            .iter()
            .any(|mount| mount.target == "/data")
        {
            self.warn("/data is not a mount: variables are lost with the old container".into());
        }
        let snapshots = self.carried();
        // A rollback to the state of its generation needs the snapshots as they were.
        machine.change_record(self.file.run.from_generation, |record| {
            record.snapshots = snapshots;
        })?;
        self.save()?;
        failpoint("stored");
        self.cancelled()?;
        Ok(Done::With(Some(format!(
            "{} saved",
            crate::plural::count(names as u64, "variable")
        ))))
    }

    /// Stores the namespaces of all kernels.
    async fn store_all(&self, inside: &Inside<'_>) -> Result<Vec<CarriedKernel>, LifecycleError> {
        let mut all = Vec::new();
        for kernel in inside.kernels().await? {
            let number = self.file.run.from_generation.unwrap_or_default();
            let snapshot = if kernel == "main" {
                format!("gen-{number}")
            } else {
                format!("gen-{number}-{kernel}")
            };
            let stored = inside.store(&kernel, &snapshot).await?;
            all.push(CarriedKernel {
                kernel,
                snapshot,
                saved: stored.saved,
                skipped: stored.skipped,
                failed: Vec::new(),
            });
        }
        Ok(all)
    }

    /// What changed in the old container, now that its cells are over. An engine may walk through
    /// the whole image for its list, for seconds: what is new is found inside.
    async fn look_again(&self, inside: &Inside<'_>) -> Result<Vec<String>, LifecycleError> {
        let (mut changed, since) = match &self.changed {
            Some((at, changed)) => (changed.clone(), Some(*at)),
            None => (Vec::new(), None),
        };
        let found = inside.changed_since(since, LOST).await?;
        changed.extend(found);
        changed.sort();
        changed.dedup();
        Ok(changed)
    }

    /// Kernels with the snapshots that this run took of them.
    fn carried(&self) -> Vec<(String, String)> {
        let kernels = self.file.run.report.kernels.iter();
        kernels
            .map(|carried| (carried.kernel.clone(), carried.snapshot.clone()))
            .collect()
    }

    async fn see_to_cells(&mut self, inside: &Inside<'_>) -> Result<(), LifecycleError> {
        let seconds = match self.file.asked.cell_limit_s {
            0 => CELL_LIMIT_S,
            seconds => seconds,
        };
        let patience = Patience {
            limit: Duration::from_secs(seconds.into()),
            look: LOOK,
            again: INTERRUPT,
        };
        let (what, cancel) = (self.file.asked.running_cell, self.cancel);
        let tell = |count| self.line(&format!("cells still running: {count}"));
        cells::see_to(inside, what, patience, cancel, tell).await
    }

    /// Names what changed in the old container outside its volumes. The engine tells of folders
    /// too: only what has nothing below it in the list counts.
    pub(in crate::evolve) fn note_lost_files(&mut self, mut changed: Vec<String>) {
        let mounts = &self.machine.spec.mounts;
        let below = |path: &str, folder: &str| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ' ']))
        };
        changed.sort();
        let lost: Vec<String> = changed
            .iter()
            .enumerate()
            .filter(|(index, path)| {
                !changed
                    .get(index + 1)
                    .is_some_and(|next| next.starts_with(&format!("{path}/")))
            })
            .map(|(_, path)| path.clone())
            // Podman puts files of its own there and names the folder alone.
            .filter(|path| path != "/etc")
            .filter(|path| !NOISE.iter().any(|noise| below(path, noise)))
            .filter(|path| !mounts.iter().any(|mount| below(path, &mount.target)))
            .collect();
        self.file.run.report.lost_files_count = u32::try_from(lost.len()).unwrap_or(u32::MAX);
        for path in lost.iter().take(NAMED_FILES) {
            if !self.file.run.report.lost_files.contains(path) {
                self.line(&format!("lost with the old container: {path}"));
            }
        }
        self.file.run.report.lost_files = lost.into_iter().take(NAMED_FILES).collect();
    }

    /// The container that takes the machine's place, on the ports that the old one has now, and what
    /// it needs.
    async fn successor(&self, old: &str) -> Result<ContainerTemplate, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let image = self.file.image.as_deref().unwrap_or_default();
        let image_id = self.file.image_id.as_deref().unwrap_or_default();
        let mut template = self.template(old, image, image_id).await?;
        let ContainerTemplate::Spec(plan) = &mut template else {
            return Ok(template);
        };
        machine.paths.ensure_secrets(&machine.names.machine)?;
        plan::make_sources(&machine.spec, &machine.paths)?;
        if let Some(found) = engine.container(old).await? {
            for port in plan.ports.iter_mut().filter(|port| port.host == 0) {
                port.host = found.ports.get(&port.container).copied().unwrap_or(0);
            }
        }
        machine.find_ports(engine, plan, &BTreeMap::new());
        let labels = machine.names.labels();
        engine
            .ensure_network(&machine.names.network(), &labels)
            .await?;
        engine
            .ensure_volume(&machine.names.home_volume(), &labels)
            .await?;
        Ok(template)
    }

    /// Stops the old machine and starts the new one in its place.
    pub(in crate::evolve) async fn swap(&mut self) -> Result<Done, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        // The last moment to give it up.
        self.cancelled()?;
        let Some(old) = self.file.old.clone() else {
            return Err(machine.not_running());
        };
        let mut template = self.successor(&old.id).await?;
        let name = template.rename(self.placed(Placed::New));
        template.prepare(machine, engine).await?;
        let id = template.create(engine).await?;
        self.file.new_id = Some(id.clone());
        self.save()?;
        failpoint("created");
        self.file.stopped_at = Some(now_ms());
        self.save()?;
        engine.stop_container(&old.id, STOP_S).await?;
        failpoint("stopped");
        engine
            .rename_container(&old.id, &self.placed(Placed::Old))
            .await?;
        failpoint("renamed");
        engine.rename_container(&id, &name).await?;
        failpoint("placed");
        template.rename(name);
        self.start_in_place(template).await?;
        failpoint("started");
        Ok(Done::With(None))
    }

    /// Starts the container that has the machine's name. Where something else has taken one of its
    /// ports meanwhile, it gets another: a machine elsewhere is better than none.
    pub(in crate::evolve) async fn start_in_place(
        &mut self,
        mut template: ContainerTemplate,
    ) -> Result<(), LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let mut deadline = tokio::time::Instant::now() + PORT;
        let mut remade = false;
        loop {
            let (port, holder) = match machine.start(engine).await {
                Err(LifecycleError::PortTaken { port, holder, .. }) => (port, holder),
                other => return other,
            };
            if tokio::time::Instant::now() < deadline {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let holder = holder.unwrap_or_else(|| "another program".into());
            self.warn(format!(
                "port {port} is used by {holder}: the machine got another port; recreate the machine to get the configured one"
            ));
            // One that takes any port gets another by being made anew: Podman holds on to the first.
            let was_named = template.free_port(port);
            if !was_named && std::mem::replace(&mut remade, true) {
                return Err(LifecycleError::PortTaken {
                    port,
                    holder: Some(holder),
                    found: true,
                    source: None,
                });
            }
            engine.remove_container(template.name()).await?;
            let id = template.create(engine).await?;
            if self.file.next == wire::evolve::StepName::Swap {
                self.file.new_id = Some(id);
                self.save()?;
            }
            engine.start_container(template.name()).await?;
            deadline = tokio::time::Instant::now();
        }
    }

    /// Waits until the new machine is well, brings the namespaces back, and marks it good.
    pub(in crate::evolve) async fn settle(&mut self) -> Result<Done, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let never = containers::CancellationToken::new();
        let limit = Duration::from_secs(machine.spec.evolve.settle_s.into());
        // After a crash it may lie still.
        machine.start(engine).await?;
        machine.wait_ready_for(engine, &never, limit).await?;
        if self.file.run.report.downtime_ms.is_none()
            && let Some(stopped_at) = self.file.stopped_at
        {
            self.file.run.report.downtime_ms = Some(now_ms().saturating_sub(stopped_at));
        }
        let steady_since = tokio::time::Instant::now();
        let Some(first) = machine.ours(engine).await? else {
            return Err(machine.not_running());
        };
        if self.file.new_id.as_ref() != Some(&first.id) {
            // It was undone at a time when that could not be written down.
            return Err(LifecycleError::Unhealthy {
                name: machine.names.container.clone(),
                cause: "the new machine is missing".into(),
                log: Vec::new(),
            });
        }
        self.bring_back(&first.id).await?;
        failpoint("reloaded");
        let steady = match self.file.run.kind {
            RunKind::Evolve => Duration::from_secs(machine.spec.evolve.steady_s.into()),
            // It was in place before, and stayed well.
            RunKind::Rollback => Duration::ZERO,
        };
        tokio::time::sleep_until(steady_since + steady).await;
        if !self.still_well(&first, limit).await? {
            return Err(LifecycleError::Unhealthy {
                name: machine.names.container.clone(),
                cause: "it was healthy at first, then failed".into(),
                log: engine.logs(&first.id, 40).await.unwrap_or_default(),
            });
        }
        let mut all = machine.read_generations()?;
        all.current = self.file.run.generation;
        if let Some(record) = self
            .file
            .run
            .generation
            .and_then(|number| all.get_mut(number))
        {
            record.state = GenerationState::Good;
        }
        machine.write_generations(&all)?;
        let image_id = self.file.image_id.as_deref().unwrap_or_default();
        machine.follow_image(engine, image_id).await?;
        failpoint("marked");
        let downtime = self.file.run.report.downtime_ms;
        Ok(Done::With(downtime.map(|ms| {
            format!("it responded {ms} ms after the old one was stopped")
        })))
    }

    /// Whether the new machine still lives the life that it was seen in, and answers. On a busy computer
    /// one answer may come late, so that it is asked until the limit.
    async fn still_well(
        &self,
        first: &containers::Container,
        limit: Duration,
    ) -> Result<bool, LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let now = machine.ours(engine).await?;
            if !now.is_some_and(|now| now.state == first.state && is_running(now.state)) {
                return Ok(false);
            }
            if machine.inside(engine, &first.id).answers().await {
                return Ok(true);
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The namespaces: those that were carried, or those with which the generation was left.
    async fn bring_back(&mut self, container: &str) -> Result<(), LifecycleError> {
        let machine = self.machine;
        let engine = self.engine;
        let inside = machine.inside(engine, container);
        let mut wanted = self.carried();
        if self.file.asked.state {
            let all = machine.read_generations()?;
            let record = self.file.asked.to.and_then(|number| all.get(number));
            match record.filter(|record| !record.snapshots.is_empty()) {
                Some(record) => wanted.clone_from(&record.snapshots),
                None => self.warn(
                    "no variables were saved for that generation: the current ones are kept".into(),
                ),
            }
        }
        for (kernel, snapshot) in wanted {
            if kernel != "main" {
                inside.start_kernel(&kernel).await?;
            }
            let back = inside.reload(&kernel, &snapshot).await?;
            let count = back.restored.len();
            self.line(&format!("{kernel}: variables restored: {count}"));
            for failed in &back.failed {
                self.warn(format!(
                    "{kernel}: {} could not be restored: {}",
                    failed.name, failed.reason
                ));
            }
            let report = &mut self.file.run.report.kernels;
            if let Some(carried) = report.iter_mut().find(|one| one.kernel == kernel) {
                carried.failed = back.failed;
            }
        }
        self.save()
    }
}

fn is_running(state: ContainerState) -> bool {
    matches!(state, ContainerState::Running { .. })
}
