//! Compares what the engine has with what is known here: at the start, and every ten seconds.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use containers::{Engine, EngineError, ListedContainer, ListedState};
use wire::sandbox::{DiskKind, OnTimeout, SandboxId};

use super::Keeper;
use crate::{
    clock::boot_id,
    container::{self, OWNER, id_of},
    disk,
    error::SandboxError,
    sandbox::{Life, Sandbox},
    seat::Seat,
};

/// How often.
const EVERY: Duration = Duration::from_secs(10);
/// How long one that is gone is still shown.
const SHOWN_GONE: Duration = Duration::from_secs(3600);

impl Keeper {
    /// Works until `stopping`.
    pub(super) async fn sweep_all(self: &Arc<Self>) {
        loop {
            if let Err(error) = self.sweep().await {
                // Nothing can be done without an engine, and each request says so.
                tracing::debug!(%error, "could not look for sandboxes at the container engine");
            }
            self.forget_gone();
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.sweep_now.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Once.
    pub(crate) async fn sweep(self: &Arc<Self>) -> Result<(), SandboxError> {
        // Before the list is made: one that comes later need not be in it.
        let known = self.living();
        let engine = self.launcher.engine.connect().await?;
        let listed = engine.list_labelled(&self.launcher.labels.all()).await?;
        let mut by_id: HashMap<SandboxId, ListedContainer> = HashMap::new();
        let mut others = Vec::new();
        for container in listed {
            let is_own = |seat: &Seat| container.labels.get(OWNER) == Some(&seat.name);
            match id_of(&container.name) {
                Some(id) if self.seats.iter().any(is_own) => {
                    by_id.insert(id, container);
                }
                Some(_) => others.push(container),
                None => {}
            }
        }
        for sandbox in known {
            let state = by_id.get(&sandbox.id).map(|container| container.state);
            self.compare(&sandbox, state).await;
        }
        for id in by_id.into_keys() {
            let is_living = self.get(&id).is_some_and(|sandbox| !sandbox.is_gone());
            if !is_living && !self.launcher.is_busy(&id) {
                remove_leftover(&engine, &id).await;
            }
        }
        self.sweep_volumes(&engine).await?;
        self.sweep_dead_seats(&engine, &others).await
    }

    /// Volumes whose sandbox is gone: somebody removed its container alone, or a process was killed
    /// between the two.
    async fn sweep_volumes(&self, engine: &Engine) -> Result<(), SandboxError> {
        for seat in &self.seats {
            let labels = self.launcher.labels.of_disks(&seat.name);
            let volumes = engine.list_volumes(&labels).await?;
            let ids: BTreeSet<SandboxId> =
                volumes.iter().filter_map(|it| disk::id_of(it)).collect();
            for id in ids {
                // Those that have a container are removed with it.
                let is_living = self.get(&id).is_some_and(|sandbox| !sandbox.is_gone());
                if !is_living && !self.launcher.is_busy(&id) {
                    remove_leftover(engine, &id).await;
                }
            }
        }
        Ok(())
    }

    /// What the engine says of a sandbox, against what is known of it.
    async fn compare(self: &Arc<Self>, sandbox: &Arc<Sandbox>, state: Option<ListedState>) {
        match (sandbox.life(), state) {
            (Life::Detached, Some(ListedState::Paused)) => {
                sandbox.set_life_if(Life::Paused(None), |life| matches!(life, Life::Detached));
            }
            (Life::Detached, _) => {
                let (keeper, sandbox) = (Arc::clone(self), Arc::clone(sandbox));
                self.tasks
                    .spawn(async move { keeper.recover(&sandbox).await });
            }
            // Somebody else let it go on; unless we do so at this moment.
            (Life::Paused(None), Some(ListedState::Running))
                if sandbox.change.try_lock().is_ok() =>
            {
                sandbox.set_life_if(Life::Detached, |life| matches!(life, Life::Paused(None)));
                self.sweep_now.notify_one();
            }
            (Life::Paused(_), None | Some(ListedState::Ended | ListedState::Created)) => {
                let reason = "its container ended while it was paused";
                self.lose(sandbox, reason).await;
            }
            (Life::Running(session), None | Some(ListedState::Ended)) if session.is_over() => {
                self.lose(sandbox, "its container was removed from outside")
                    .await;
            }
            // The connection says what happens to one that runs.
            _ => {}
        }
    }

    /// Seats of processes that were killed while this one lives: their sandboxes wait for the next
    /// process, but for those whose time is over and those that nobody was given.
    async fn sweep_dead_seats(
        &self,
        engine: &Engine,
        others: &[ListedContainer],
    ) -> Result<(), SandboxError> {
        if others.is_empty() {
            return Ok(());
        }
        let own: Vec<&str> = self.seats.iter().map(|seat| seat.name.as_str()).collect();
        let boot_id = boot_id();
        for seat in Seat::take_dead(&self.seats_folder, &own)? {
            let records = seat.records.read_all()?;
            let its =
                |container: &&ListedContainer| container.labels.get(OWNER) == Some(&seat.name);
            for id in others.iter().filter(its).filter_map(|one| id_of(&one.name)) {
                let record = records.iter().find(|record| record.id == id);
                let is_over = record.is_none_or(|record| {
                    record.on_timeout == OnTimeout::Kill
                        && record.boot_id == boot_id
                        && record.ends.until().is_zero()
                });
                if is_over {
                    remove_leftover(engine, &id).await;
                    seat.records.remove(&id).await?;
                }
            }
        }
        Ok(())
    }

    /// Forgets those that went long ago, and calls that made them.
    fn forget_gone(&self) {
        self.all.lock().retain(|_, sandbox| match sandbox.life() {
            Life::Gone(gone) => gone.at.age() < SHOWN_GONE,
            _ => true,
        });
        let all = self.all.lock();
        self.keys
            .lock()
            .retain(|_, made| made.get().is_none_or(|id| all.contains_key(id)));
    }
}

async fn remove_leftover(engine: &Engine, id: &SandboxId) {
    tracing::info!(%id, "removes a sandbox that belongs to nobody");
    let removed: Result<(), EngineError> = container::remove(engine, id, DiskKind::Volume).await;
    if let Err(error) = removed {
        tracing::warn!(%id, %error, "could not remove a sandbox that belongs to nobody; it is tried again");
    }
}
