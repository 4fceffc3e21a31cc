//! The candidate: a new machine beside the old one, which has to show that it is well.

use std::time::Duration;

use containers::{Bind, ContainerState, EngineError, Restarts};
use wire::evolve::{Proof, ProofCheck};

use super::{
    container_template::ContainerTemplate,
    failpoint::failpoint,
    run::{Done, Run},
    run_store::now_ms,
};
use crate::{
    error::LifecycleError,
    init_home,
    plan::{self, Placed, label},
    spec::{Executor, Spec},
};

/// Between two looks at a candidate that comes up.
const LOOK: Duration = Duration::from_millis(100);
/// How long the end of a candidate that answers no more may take to be seen.
const LAST_LOOK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Starts the candidate beside the machine, on scratch folders, and has it show that it is well.
    pub(super) async fn prove(&mut self) -> Result<Done, LifecycleError> {
        let name = self.placed(Placed::Next);
        // Some engines walk through the whole image for it: that takes seconds, which are free now.
        let old = self.file.old.as_ref().map(|old| old.id.clone());
        let looked_at_ms = now_ms();
        let (proved, lost) = {
            let (engine, id) = (self.engine, old.unwrap_or_default());
            let looking = engine.changed_files(&id);
            tokio::join!(self.try_candidate(&name), looking)
        };
        let lost = match lost {
            Err(EngineError::TooLarge { .. }) => {
                let text = "too many files changed outside the volumes to list them";
                self.warn(text.into());
                Vec::new()
            }
            lost => lost?,
        };
        self.note_lost_files(lost.clone());
        self.changed = Some((looked_at_ms / 1000, lost));
        let log = match &proved {
            Err(_) => self.engine.logs(&name, 40).await.unwrap_or_default(),
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
        candidate.prepare(machine, self.engine).await?;
        candidate.create(self.engine).await?;
        self.engine.start_container(name).await?;
        failpoint("proving");
        let began = tokio::time::Instant::now();
        let limit = Duration::from_secs(machine.spec.evolve.prove_s.into());
        let inside = machine.inside(self.engine, name);
        let not_proved = |words: String| LifecycleError::NotProved {
            checks: vec![words],
            log: Vec::new(),
        };
        // Its supervisor listens a moment after its start; `body prove` waits for the rest.
        let proof = async {
            while began.elapsed() < limit && !inside.listens().await {
                tokio::time::sleep(LOOK).await;
            }
            inside.prove(limit).await
        };
        let proof = tokio::select! {
            ended = self.candidates_end(name) => return Err(not_proved(ended?)),
            () = self.cancel.cancelled() => return Err(LifecycleError::Cancelled),
            proof = proof => proof,
        };
        let proof = match proof {
            Ok(proof) => proof,
            // A candidate that ends takes what runs in it along: its end is the reason, and is
            // seen a moment later.
            Err(error) => {
                let ended = tokio::time::timeout(LAST_LOOK, self.candidates_end(name)).await;
                return Err(match (ended, error) {
                    (Ok(ended), _) => not_proved(ended?),
                    (_, LifecycleError::Inside { words, .. }) => not_proved(words),
                    (_, error) => error,
                });
            }
        };
        for check in &proof.checks {
            let mark = if check.ok { "ok" } else { "FAILED" };
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
        match self.engine.container(name).await?.map(|found| found.state) {
            Some(ContainerState::Running { .. }) => {}
            _ => return Err(not_proved("it exited soon after it was started".into())),
        }
        Ok(format!(
            "{} passed in {:.1} s",
            crate::plural::count(count as u64, "health check"),
            began.elapsed().as_secs_f32()
        ))
    }

    /// Waits for its end; in words.
    async fn candidates_end(&self, name: &str) -> Result<String, LifecycleError> {
        loop {
            match self.engine.container(name).await?.map(|found| found.state) {
                Some(ContainerState::Running { .. }) => {}
                Some(
                    ContainerState::Stopped { exit_code }
                    | ContainerState::Restarting { exit_code },
                ) => return Ok(format!("it exited with code {exit_code}")),
                None => return Ok("its container was removed".to_owned()),
            }
            tokio::time::sleep(LOOK).await;
        }
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
            let inside = self.machine.inside(self.engine, &old.id);
            if let Ok(before) = inside.prove_mcp(limit).await {
                let was_bad = |name: &str| {
                    let mut found = before.checks.iter();
                    found.any(|check| check.name == name && !check.ok)
                };
                for check in bad.extract_if(.., |check| was_bad(&check.name)) {
                    self.warn(format!("{} fails, as it did before the evolve", check.name));
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
    ) -> Result<ContainerTemplate, LifecycleError> {
        let machine = self.machine;
        let volume = self.candidate_home();
        self.engine
            .ensure_volume(&volume, &machine.names.labels())
            .await?;
        if machine.self_container.is_some() {
            return self.candidate_like(name, volume).await;
        }
        let mut spec: Spec = machine.spec.clone();
        spec.executor = Executor::Host;
        spec.mounts.retain(|mount| mount.target != "/data");
        for mount in &mut spec.mounts {
            mount.read_only = true;
        }
        let image = self.file.image.as_deref().unwrap_or_default();
        let site = plan::Site {
            socket: None,
            ..machine.site(self.engine, image, image_id).await?
        };
        let mut plan = plan::container(&spec, &machine.names, &machine.paths, &site);
        plan.name = name.to_owned();
        plan.ports.clear();
        plan.restarts = Restarts::Never;
        plan.labels.remove(label::PLAN);
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
        Ok(ContainerTemplate::Spec(Box::new(plan)))
    }

    fn candidate_home(&self) -> String {
        format!("{}-home", self.placed(Placed::Next))
    }

    /// One of the candidate's files of users, on this computer.
    fn candidate_file(&self, file: &str) -> std::path::PathBuf {
        self.run_store.folder().join("candidate").join(file)
    }

    /// Removes the candidate, its scratch home and its files of users.
    pub(super) async fn remove_candidate(&self) -> Result<(), LifecycleError> {
        init_home::forget(self.machine, self.engine).await?;
        let files = self.run_store.folder().join("candidate");
        if files.exists() {
            std::fs::remove_dir_all(&files).map_err(LifecycleError::file("remove", &files))?;
        }
        self.machine
            .remove_beside(self.engine, &self.placed(Placed::Next))
            .await?;
        self.engine.remove_volume(&self.candidate_home()).await?;
        Ok(())
    }
}
