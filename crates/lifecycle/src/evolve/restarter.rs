//! The part of a run that a machine can't carry out on itself: swap, settle, tidy and undo. Two
//! containers beside it do that, `os-restarter` and `os-restarter-2`, made from the candidate's own
//! image: whichever holds the lock works, and the other takes over where the first one is lost.
//! The engine starts both again until they are done, also after a power cut.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use containers::{Bind, Container, ContainerSpec, Engine, Restarts};
use futures_util::future::BoxFuture;
use wire::evolve::{RunKind, StepName};

use super::{
    OnRunEvent,
    failpoint::failpoint,
    run::Run,
    run_store::{self, RunFile, now_ms},
};
use crate::{
    error::LifecycleError,
    lock::Lock,
    machine::Machine,
    plan::{STOP_S, label},
    self_container::{Role, SOCKET, SelfContainer, restarters_of},
};

/// Between two looks at a lock that another process holds.
const LOOK: Duration = Duration::from_millis(100);
/// How long restarters may take until one of them works.
const BEGIN: Duration = Duration::from_secs(60);
/// Says that a machine is being replaced.
const FLAG: &str = "restart_requested";

impl Machine {
    fn flag(&self) -> PathBuf {
        // Beside the history, where the machine's own API looks for it.
        let folder = self.evolve_dir();
        folder.parent().unwrap_or(&folder).join(FLAG)
    }

    fn raise_flag(&self) -> Result<(), LifecycleError> {
        run_store::write(&self.flag(), &now_ms())
    }

    fn lower_flag(&self) -> Result<(), LifecycleError> {
        let flag = self.flag();
        match fs::remove_file(&flag) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(LifecycleError::file("remove", &flag)(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether the swap of this run is this process's to begin.
    pub(super) fn may_begin_swap(&self, file: &RunFile) -> bool {
        let restarter = |self_container: &SelfContainer| self_container.role == Role::Restarter;
        self.self_container.as_ref().is_some_and(restarter)
            && file.handed_over
            && file.next == StepName::Swap
            && file
                .run
                .steps
                .iter()
                .all(|step| step.name != StepName::Swap)
    }

    /// A restarter's work: brings the run that was handed over to its end, and sees to it that the
    /// engine does not start this container again.
    ///
    /// # Errors
    /// Where it could not be brought to an end: the engine starts the restarter again.
    pub fn work_as_restarter<'a>(
        &'a self,
        engine: &'a Engine,
        container: &'a str,
        hear: OnRunEvent<'a>,
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let lock = self.wait_for_lock().await?;
            if self
                .run_store()
                .unfinished()?
                .is_some_and(|file| file.handed_over)
            {
                tracing::info!(container, "this restarter takes the run up");
                self.recover_locked(engine, hear).await?;
                self.lower_flag()?;
            }
            drop(lock);
            engine.set_restarts(container, Restarts::Never).await?;
            Ok(())
        })
    }

    /// What a machine does at its start and before a run: lets a run that was cut off be finished or
    /// undone, and removes what restarters and flag are left of one that is over.
    ///
    /// # Errors
    /// [`LifecycleError::NoRestarter`], [`LifecycleError::NotUndone`], [`LifecycleError::Engine`].
    pub fn look_after<'a>(
        &'a self,
        engine: &'a Engine,
        hear: OnRunEvent<'a>,
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let Some(self_container) = &self.self_container else {
                return Ok(());
            };
            let mut renewed = false;
            loop {
                let lock = self.wait_for_lock().await?;
                let Some(file) = self.run_store().unfinished()? else {
                    self.remove_restarters(engine, self_container).await?;
                    return self.lower_flag();
                };
                if !file.handed_over {
                    self.recover_locked(engine, hear).await?;
                    continue;
                }
                let seen = stands(&file);
                drop(lock);
                self.wake_restarters(engine, self_container, &file).await?;
                if self.goes_on(&seen).await? {
                    renewed = false;
                    continue;
                }
                // They are there and do nothing.
                let log = self.restarters_log(engine, self_container).await;
                self.remove_restarters(engine, self_container).await?;
                if std::mem::replace(&mut renewed, true) {
                    return Err(LifecycleError::NoRestarter { log });
                }
            }
        })
    }

    async fn wait_for_lock(&self) -> Result<Lock, LifecycleError> {
        loop {
            match self.lock() {
                Err(LifecycleError::Busy { .. }) => tokio::time::sleep(LOOK).await,
                other => return other,
            }
        }
    }

    /// Starts the restarters of a run, which are made where they are missing.
    async fn wake_restarters(
        &self,
        engine: &Engine,
        self_container: &SelfContainer,
        file: &RunFile,
    ) -> Result<(), LifecycleError> {
        for name in self_container.restarters() {
            match self.restarter(engine, &name).await? {
                Some(found) if found.is_running() => {}
                Some(_) => engine.start_container(&name).await?,
                None => {
                    let like = engine.container(&self_container.container).await?;
                    let image = like.map(|own| own.image_id);
                    let image = image.or_else(|| file.image_id.clone()).unwrap_or_default();
                    self.start_restarter(engine, self_container, &name, &image)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until another process has taken the run up; whether one has.
    async fn goes_on(&self, seen: &str) -> Result<bool, LifecycleError> {
        let deadline = tokio::time::Instant::now() + BEGIN;
        while tokio::time::Instant::now() < deadline {
            let is_held = matches!(self.lock(), Err(LifecycleError::Busy { .. }));
            let now = self.run_store().unfinished()?;
            if is_held || now.is_none_or(|file| stands(&file) != seen) {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    async fn start_restarter(
        &self,
        engine: &Engine,
        self_container: &SelfContainer,
        name: &str,
        image: &str,
    ) -> Result<(), LifecycleError> {
        let own = engine.blueprint(&self_container.container).await?;
        let own = own.ok_or_else(|| self.not_running())?;
        let wanted = ["/data", "/repo", SOCKET, "/run/docker.sock"];
        let mounts = own.mounts().iter();
        let binds = mounts
            .filter(|mount| wanted.contains(&mount.target.as_str()))
            .map(|mount| Bind {
                target: match mount.target.as_str() {
                    "/run/docker.sock" => SOCKET.into(),
                    target => target.into(),
                },
                read_only: false,
                ..mount.clone()
            });
        let groups = nix::unistd::getgroups().unwrap_or_default();
        let mut environment = std::collections::BTreeMap::new();
        for variable in ["VIVARIUM_FAILPOINT_FILE", "LOG_LEVEL"] {
            if let Ok(value) = std::env::var(variable) {
                environment.insert(variable.to_owned(), value);
            }
        }
        let spec = ContainerSpec {
            name: name.to_owned(),
            image: image.to_owned(),
            entrypoint: Some(vec!["/usr/local/bin/body-evolve".into()]),
            command: Some(vec!["restart".into(), name.to_owned()]),
            user: Some(format!(
                "{}:{}",
                nix::unistd::geteuid(),
                nix::unistd::getegid()
            )),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
            labels: self.names.labels(),
            environment,
            binds: binds.collect(),
            network: Some("none".into()),
            restarts: Restarts::Always,
            stop_timeout_s: STOP_S,
            ..Default::default()
        };
        match engine.create_container(&spec).await {
            // Another process, that looks after the same run, was quicker.
            Err(error) if error.is_conflict() => drop(self.restarter(engine, name).await?),
            made => drop(made?),
        }
        engine.start_container(name).await?;
        Ok(())
    }

    /// The restarter of this name, never a stranger's container.
    async fn restarter(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<Option<Container>, LifecycleError> {
        let found = engine.container(name).await?;
        let is_foreign =
            |found: &Container| found.labels.get(label::MACHINE) != Some(&self.names.machine);
        if found.as_ref().is_some_and(is_foreign) {
            let name = name.to_owned();
            return Err(LifecycleError::Foreign { name });
        }
        Ok(found)
    }

    /// Whether a restarter of this machine is there, also one that the engine is to start again.
    pub(super) async fn has_restarters(&self, engine: &Engine) -> Result<bool, LifecycleError> {
        for name in restarters_of(&self.names.container) {
            match self.restarter(engine, &name).await {
                Ok(None) | Err(LifecycleError::Foreign { .. }) => {}
                Ok(Some(_)) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn remove_restarters(
        &self,
        engine: &Engine,
        self_container: &SelfContainer,
    ) -> Result<(), LifecycleError> {
        for name in self_container.restarters() {
            self.remove_beside(engine, &name).await?;
        }
        Ok(())
    }

    async fn restarters_log(&self, engine: &Engine, self_container: &SelfContainer) -> Vec<String> {
        let [first, _] = self_container.restarters();
        engine.logs(&first, 40).await.unwrap_or_default()
    }
}

/// Where a run stands, to see that it goes on.
fn stands(file: &RunFile) -> String {
    format!("{} {:?}", file.run.run_id, file.run.steps)
}

impl Run<'_> {
    /// Whether this step is not for the process that has come so far.
    pub(super) fn is_anothers(&self, step: StepName) -> bool {
        let within = |self_container: &SelfContainer| self_container.role == Role::Within;
        step == StepName::Swap && self.machine.self_container.as_ref().is_some_and(within)
    }

    /// Starts the restarters; they begin when this process has let go of the lock.
    pub(super) async fn hand_over(&mut self) -> Result<(), LifecycleError> {
        let (machine, engine) = (self.machine, self.engine);
        let Some(self_container) = &machine.self_container else {
            return Ok(());
        };
        self.line("the restarter continues the run");
        // What is gone back to may be older than the restarter; what runs now knows it.
        let image = match self.file.run.kind {
            RunKind::Evolve => self.file.image_id.clone(),
            RunKind::Rollback => self.file.old.as_ref().map(|old| old.image_id.clone()),
        };
        let image = image.unwrap_or_default();
        machine.raise_flag()?;
        self.file.handed_over = true;
        self.save()?;
        failpoint("handing");
        let started = async {
            machine.remove_restarters(engine, self_container).await?;
            for name in self_container.restarters() {
                machine
                    .start_restarter(engine, self_container, &name, &image)
                    .await?;
            }
            Ok(())
        };
        let started: Result<(), LifecycleError> = started.await;
        if let Err(error) = started {
            // Said first: a restarter that can't be removed finds nothing to do.
            self.file.handed_over = false;
            machine.lower_flag()?;
            if let Err(error) = machine.remove_restarters(engine, self_container).await {
                tracing::warn!(%error, "what was made of the restarters is still there");
            }
            return Err(error);
        }
        failpoint("handed");
        Ok(())
    }
}

/// The machine's own binaries, which a build takes where their sources are unchanged.
pub(super) const SHIPPED: [&str; 2] = ["body", "body-evolve"];

/// Where they lie in the machine.
pub(super) fn shipped(name: &str) -> PathBuf {
    Path::new("/usr/local/bin").join(name)
}
